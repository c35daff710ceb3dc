"""Who may join a cohort."""

import keras

__all__ = ["check_students"]


def check_students(students):
    """Raises ValueError, with the fix, for students that cannot form a cohort."""
    if not isinstance(students, dict) or not students:
        raise ValueError(
            f"students must be a dict of at least one {{name: keras.Model}}; got {students!r}"
        )
    for name, student in students.items():
        _check_student(name, student)
    classes = {name: student.output_shape[-1] for name, student in students.items()}
    if len(set(classes.values())) > 1:
        raise ValueError(f"students must have the same number of classes; got {classes}")
    _check_nothing_shared(students)


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


def _check_student(name, student):
    if not isinstance(name, str) or not name:
        raise ValueError(f"a student's name must be a non-empty string; got {name!r}")
    if not isinstance(student, keras.Model):
        raise ValueError(f"student {name!r} must be a keras.Model; got {type(student).__name__}")
    if not student.built:
        raise ValueError(
            f"student {name!r} is not built: give it a keras.Input, or call it once on a batch"
        )
    shape = getattr(student, "output_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[-1] is None:
        raise ValueError(f"student {name!r} must give logits [B, C]; got output shape {shape}")
    last = student.layers[-1] if student.layers else None
    if getattr(last, "activation", None) is keras.activations.softmax or isinstance(
        last, keras.layers.Softmax
    ):
        raise ValueError(
            f"student {name!r} ends in a softmax; a cohort needs logits: build it with "
            "classifier_activation=None, or without the last activation"
        )
