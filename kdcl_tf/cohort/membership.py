"""Which models may join a cohort."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

__all__ = ["check_classifier", "check_students", "input_names", "input_shape", "output_shape"]


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


def input_shape(student: keras.Model) -> Any:
    """The shape of the batches that a built student takes, such as `(None, H, W, C)`.

    A subclassed model remembers the one it was built on; None where it does not even that.
    """
    if getattr(student, "inputs", None):
        return student.input_shape
    built_on = (student.get_build_config() or {}).get("input_shape")
    return built_on and (None, *built_on[1:])


def output_shape(student: keras.Model) -> Any:
    """The shape of a built student's output, `(None, C)` for a classifier.

    A subclassed model remembers only the shape of the images it was built on, and is asked
    for the shape of its output; None where it does not even remember that.
    """
    if hasattr(student, "output_shape"):
        return student.output_shape
    images = input_shape(student)
    return images and student.compute_output_spec(keras.KerasTensor(images)).shape


def input_names(student: keras.Model) -> set[str]:
    """The names under which a functional model takes its inputs; none for other models."""
    given = getattr(student, "input", None)
    return (
        set(given)
        if isinstance(given, dict)
        else {each.name for each in getattr(student, "inputs", None) or ()}
    )


def check_classifier(who: str, model: Any) -> None:
    """Raises ValueError unless the model is built and gives logits; `who` begins the message."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"{who} must be a keras.Model; got {type(model).__name__}")
    if not model.built:
        raise ValueError(f"{who} is not built: give it a keras.Input, or call it once on a batch")
    shape = output_shape(model)
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[-1] is None:
        raise ValueError(f"{who} must give logits [B, C]; got output shape {shape}")
    if shape[-1] == 1:
        raise ValueError(
            f"{who} gives one logit; a cohort needs one for each class: give a student of two "
            "classes two, keras.layers.Dense(2), of which the sigmoid of their difference is the "
            "probability of the second class"
        )
    last = _activation(_last_operation(model))
    if last in _PROBABILITIES:
        raise ValueError(
            f"{who} ends in a {_PROBABILITIES[last]}; a cohort needs logits: build it with "
            "classifier_activation=None, or without the last activation"
        )
    if last not in _LOGITS and _gives_probabilities(model):
        raise ValueError(
            f"{who} gives probabilities: the numbers of every image are within 0..1 and their sum "
            "is 1; a cohort needs logits: leave out the softmax"
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


# Activations by name, since keras.activations, keras.ops and tf.nn have some of their own.
_PROBABILITIES = {
    "softmax": "softmax",
    "softmax_v2": "softmax",
    "Softmax": "softmax",
    "sigmoid": "sigmoid",
    "Sigmoid": "sigmoid",
    "hard_sigmoid": "hard sigmoid",
    "HardSigmoid": "hard sigmoid",
}
# What a layer with weights of its own gives without an activation, and log-probabilities, which
# are logits, too.
_LOGITS = ("linear of a kernel", "log_softmax", "LogSoftmax")


def _activation(operation):
    """The name of what an operation does last."""
    activation = getattr(operation, "activation", operation)
    name = getattr(activation, "__name__", type(activation).__name__)
    return "linear of a kernel" if name == "linear" and hasattr(operation, "kernel") else name


def _gives_probabilities(model):
    """Whether images of random numbers get numbers within 0..1 whose sum is 1, each of them.

    A model that cannot be asked, for instance since it takes no arrays of a known shape, does not.
    """
    shapes = _input_shapes(model)
    if shapes is None:
        return False
    rng = np.random.default_rng(0)
    images = [rng.normal(size=[4, *shape]).astype(np.float32) for shape in shapes]
    try:
        found = np.asarray(model(images[0] if len(images) == 1 else images, training=False))
    except Exception:  # Whatever a stranger's model raises: it is no proof.
        return False
    sums = found.astype(np.float64).sum(axis=-1)
    return bool((found >= 0).all() and (found <= 1).all() and np.allclose(sums, 1.0, atol=1e-3))


def _input_shapes(model):
    """The shape of an example of each input, sizes that are open as 32; None if unknown."""
    inputs = getattr(model, "inputs", None)
    shapes = [each.shape for each in inputs] if inputs else None
    if shapes is None:
        built_on = (model.get_build_config() or {}).get("input_shape")
        if not isinstance(built_on, (tuple, list)) or isinstance(built_on[-1], (tuple, list)):
            return None
        shapes = [built_on]
    return [[32 if side is None else side for side in shape[1:]] for shape in shapes]
