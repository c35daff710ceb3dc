"""A detector that starts from another one, which knows other classes.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kdcl_tf.detection import exported_detector
from kdcl_tf.detection.exported_detector import ExportedDetector
from kdcl_tf.files import spelling
from kdcl_tf.serving import exported
from kdcl_tf.students import names

if TYPE_CHECKING:
    from kdcl_tf.detection.model.detector import Detector

__all__ = ["assign", "find"]

_FACTS = ("detector", "architecture", "class_names", "mean", "deviation")


def find(run: str | os.PathLike, detector: str, architecture: str) -> ExportedDetector:
    """Finds the detector to start from.

    Args:
      run: a complete run of `kdcl-detect`, or its folder `detector`.
      detector: "faster" or "mask", what is trained.
      architecture: name of the student that is the backbone.

    Raises:
      ValueError: when there is none, or it is damaged, or of another kind, in one line.
    """
    source = exported_detector.find(run, "initial_weights", _FACTS)
    for name, wanted in (("detector", detector), ("architecture", architecture)):
        if not names.same(source.card[name], wanted):
            flag = "backbone" if name == "architecture" else name
            fix = f"pass {flag}={source.card[name]}"
            if not source.card[name]:
                fix = f"pass {flag}=FILE, the .keras file that it was trained with"
            raise ValueError(
                f"initial_weights={run}: expected the {name} {wanted or 'of a .keras file'}, as {flag} "
                f"says; got {source.card[name] or 'that of a .keras file'}: {fix}"
            )
    return source


def assign(detector: Detector, source: ExportedDetector, class_names: Sequence[str]) -> str:
    """Gives a detector another one's weights; heads are made anew where the classes differ.

    Args:
      detector: fresh.
      source: of `find`.
      class_names: of the data, in order.

    Returns:
      A line that says what was taken and what made anew.

    Raises:
      ValueError: when anything but the heads does not fit, naming the first; nothing is assigned.
    """
    model = exported.load(source.path)
    given = list(getattr(model, "weights", ()))
    own = detector.variables
    ours, theirs = (
        spelling.composed_all(names) for names in (class_names, source.card["class_names"])
    )
    heads = {id(each) for each in _of_classes(detector)} if ours != theirs else set()
    _check(own, given, heads, source.path)
    for variable, value in zip(own, given, strict=True):
        if id(variable) not in heads:
            variable.assign(value)
    new = [each.path for each in own if id(each) in heads]
    told = f"{len(own) - len(new)} variables taken, none made anew, of the same classes"
    if new:
        told = (
            f"{len(own) - len(new)} variables taken, {len(new)} ({', '.join(new[:2])}, …) made anew, "
            f"of {len(ours)} classes in the place of other {len(theirs)}"
        )
    return f"the detector starts from {source.path}: {told}; images are normalised as its own were"


def _of_classes(detector):
    """The variables that have a part for each class."""
    layers = [detector.box_head.get_layer(name) for name in ("classes", "codes")]
    if detector.mask_head:
        layers.append(detector.mask_head.get_layer("masks"))
    return [variable for layer in layers for variable in layer.variables]


def _check(own, given, heads, path):
    for index in range(max(len(own), len(given))):
        expected, got = (
            list(each[index].shape) if index < len(each) else None for each in (own, given)
        )
        is_head = index < len(own) and id(own[index]) in heads and got is not None
        if expected != got and not is_head:
            name = own[index].path if index < len(own) else given[index].name
            raise ValueError(
                f"initial_weights={path} does not fit: expected {expected or 'nothing'} at {name}; "
                f"got {got or 'nothing'}"
            )
