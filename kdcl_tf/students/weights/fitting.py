"""Gives a student the variables of a source, all that fit, or none."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from kdcl_tf.students.weights import found as found_lib, torchvision
from kdcl_tf.students.weights.found import Found

__all__ = ["Taken", "check", "fit"]

# How many names a line shows.
_SHOWN = 2


@dataclasses.dataclass(frozen=True)
class Taken:
    """What became of a source's variables, and of the student's.

    Attributes:
      taken: paths of the student's variables that have the source's values.
      new: paths of those that were made anew: the head's, or none.
      left_over: names of what the source has and the student does not.
      reason: why the head was made anew, or is kept; "" where there is nothing to tell.
    """

    taken: tuple[str, ...]
    new: tuple[str, ...]
    left_over: tuple[str, ...]
    reason: str = ""

    def __str__(self) -> str:
        new = f"{_few(self.new)} made anew" if self.new else "none made anew"
        reason = f" ({self.reason})" if self.reason else ""
        left = f"{_few(self.left_over)} left over" if self.left_over else "none left over"
        return f"{len(self.taken)} variables taken, {new}{reason}, {left}"


def fit(
    student: keras.Model,
    found: Found,
    *,
    where: str,
    architecture: str,
    keep_head: bool = True,
    reason: str = "",
) -> Taken:
    """Assigns a source's variables to a student.

    The head, the last layer with a kernel, stays as it was made where the source has another
    number of classes, or has no head.

    Args:
      student: built, in any precision.
      found: of the source.
      where: what messages call the source.
      architecture: name of the student.
      keep_head: False makes the head anew in any case.
      reason: why, in words.

    Raises:
      ValueError: when anything but the head does not fit, naming the first; nothing is assigned.
    """
    own = found_lib.own_variables(student)
    head = _head_paths(student)
    classes = student.output_shape[-1]
    kernel = found.arrays.get(head[0])
    if kernel is None:
        keep_head, reason = False, "the source has none"
    elif kernel.shape[-1] != classes:
        keep_head, reason = (
            False,
            f"the source has {kernel.shape[-1]} classes, the student {classes}",
        )
    new = () if keep_head else tuple(head)
    check(student, found, where=where, architecture=architecture, without=new)
    for path, variable in own.items():
        if path not in new:
            variable.assign(found.arrays[path])
    left_over = [path for path in new if path in found.arrays]
    taken = tuple(path for path in own if path not in new)
    return Taken(taken, new, (*left_over, *found.left_over), reason)


def check(
    student: keras.Model,
    found: Found,
    *,
    where: str,
    architecture: str,
    without: tuple[str, ...] | None = None,
) -> None:
    """Raises ValueError unless a source's variables are those of a student, naming the first.

    Args:
      student, found, where, architecture: as `fit`.
      without: paths that may be anything; by default those of the head.
    """
    own = {path: tuple(each.shape) for path, each in found_lib.own_variables(student).items()}
    # What a student has and does not learn may be in a source or not.
    passed_over = {found_lib.plain_path(each.path) for each in student.variables} - own.keys()
    passed_over.update(_head_paths(student) if without is None else without)
    have = {path: tuple(value.shape) for path, value in found.arrays.items()}
    # Variables that the student lacks are refused, too: every block of a ResNet-18 is one of a
    # ResNet-34.
    for path in {**own, **have}:
        expected, got = own.get(path), have.get(path)
        if path not in passed_over and expected != got:
            raise ValueError(
                f"{where} is no {architecture}: expected {_shape(expected)} at "
                f"{_named(path, architecture)}; got {_shape(got)}"
            )
    for path, value in found.arrays.items():
        if not np.all(np.isfinite(value)):
            raise ValueError(f"{where}: expected finite numbers; got NaN or infinity in {path}")
    _check_settings(student, found, where, architecture)


def _check_settings(student, found, where, architecture):
    for layer in student.layers:
        name = found_lib.plain_path(layer.name)
        mine, theirs = found_lib.settings_of(layer), found.settings.get(name, {})
        for key in mine.keys() & theirs.keys():
            expected, got = (_plain(each[key]) for each in (mine, theirs))
            if expected != got:
                raise ValueError(
                    f"{where} is no {architecture}: expected {key} {expected} of layer {name}; "
                    f"got {got}"
                )


def _plain(setting):
    """A setting that JSON may have changed the type of."""
    if isinstance(setting, (list, tuple)):
        return [_plain(each) for each in setting]
    return round(setting, 9) if isinstance(setting, float) else setting


def _head_paths(student):
    """Paths of the head's variables, the kernel first."""
    head = found_lib.head_of(student)
    own = {id(each): path for path, each in found_lib.own_variables(student).items()}
    others = [each for each in head.variables if each is not head.kernel]
    return tuple(own[id(each)] for each in (head.kernel, *others))


def _named(path, architecture):
    """A path, and how torchvision calls it where it is one of our names."""
    try:
        return f"{path} ({torchvision.of_student(path, architecture)} in torchvision)"
    except (ValueError, AttributeError, KeyError):
        return path


def _shape(shape):
    return "nothing" if shape is None else str(list(shape))


def _few(names):
    shown = ", ".join(names[:_SHOWN])
    return f"{len(names)} ({shown}{', …' if len(names) > _SHOWN else ''})"
