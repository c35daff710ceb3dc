"""Which models may join a cohort."""

from collections.abc import Mapping
from typing import Any

import keras

__all__ = ["check_classifier", "check_students", "output_shape"]


def check_students(students: Mapping[str, keras.Model], may_share_layers: bool = False) -> None:
    """Raises ValueError, with the fix, for students that cannot form a cohort."""
    if not isinstance(students, dict) or not students:
        raise ValueError(
            f"students must be a dict of at least one {{name: keras.Model}}; got {students!r}"
        )
    for name, student in students.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"a student's name must be a non-empty string; got {name!r}")
        check_classifier(f"student {name!r}", student)
    classes = {name: output_shape(student)[-1] for name, student in students.items()}
    if len(set(classes.values())) > 1:
        raise ValueError(f"students must have the same number of classes; got {classes}")
    if not may_share_layers:
        _check_nothing_shared(students)


def output_shape(student: keras.Model) -> Any:
    """The shape of a built student's output, `(None, C)` for a classifier.

    A subclassed model remembers only the shape of the images it was built on, and is asked
    for the shape of its output; None where it does not even remember that.
    """
    if hasattr(student, "output_shape"):
        return student.output_shape
    built_on = (student.get_build_config() or {}).get("input_shape")
    if built_on is None:
        return None
    return student.compute_output_spec(keras.KerasTensor((None, *built_on[1:]))).shape


def check_classifier(who: str, model: Any) -> None:
    """Raises ValueError unless the model is built and gives logits; `who` begins the message."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"{who} must be a keras.Model; got {type(model).__name__}")
    if not model.built:
        raise ValueError(f"{who} is not built: give it a keras.Input, or call it once on a batch")
    shape = output_shape(model)
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[-1] is None:
        raise ValueError(f"{who} must give logits [B, C]; got output shape {shape}")
    if _is_softmax(_last_operation(model)):
        raise ValueError(
            f"{who} ends in a softmax; a cohort needs logits: build it with "
            "classifier_activation=None, or without the last activation"
        )


def _check_nothing_shared(students):
    owners = {}
    for name, student in students.items():
        for variable in student.variables:
            other = owners.setdefault(id(variable), name)
            if other != name:
                raise ValueError(
                    f"students {other!r} and {name!r} share the variable {variable.path}: "
                    "build each student by itself"
                )


def _last_operation(model):
    """The operation that gives the logits, inside nested models too.

    None for a subclassed model, whose `call` cannot be read.
    """
    sequential = isinstance(model, keras.Sequential)
    operations = model.layers if sequential else getattr(model, "operations", None)
    last = operations[-1] if operations else None
    return _last_operation(last) if isinstance(last, keras.Model) else last


def _is_softmax(operation):
    # By name, since keras.activations, keras.ops and tf.nn each have a softmax of their own.
    activation = getattr(operation, "activation", operation)
    name = getattr(activation, "__name__", type(activation).__name__)
    return name in ("softmax", "softmax_v2", "Softmax")
