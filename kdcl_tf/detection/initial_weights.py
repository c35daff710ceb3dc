"""A detector that starts from another one, which knows other classes.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving import cards, exported

if TYPE_CHECKING:
    from kdcl_tf.detection.model.detector import Detector

__all__ = ["DetectorSource", "assign", "find"]

_CARD = "detector.json"
_FACTS = ("detector", "architecture", "class_names", "mean", "deviation")


@dataclasses.dataclass(frozen=True)
class DetectorSource:
    """An exported detector to start from.

    Attributes:
      path: its folder.
      card: of `detector.json`.
    """

    path: pathlib.Path
    card: Mapping[str, Any]

    @property
    def normalization(self) -> Normalization:
        """Of the images that it was trained on."""
        return Normalization.from_card(self.card)


def find(run: str | os.PathLike, detector: str, architecture: str) -> DetectorSource:
    """Finds the detector to start from.

    Args:
      run: a complete run of `kdcl-detect`, or its folder `detector`.
      detector: "faster" or "mask", what is trained.
      architecture: name of the student that is the backbone.

    Raises:
      ValueError: when there is none, or it is damaged, or of another kind, in one line.
    """
    path = pathlib.Path(run).expanduser()
    if exported.holds_model(path / "detector"):
        path = path / "detector"
    if not exported.holds_model(path) or not (path / _CARD).exists():
        raise ValueError(
            f"initial_weights={run}: expected a complete run of kdcl-detect, or an exported detector "
            "such as WORKDIR/detector; got none of these"
        )
    try:
        card = cards.read(path / _CARD, _FACTS)
        exported.check(path, card)
    except ValueError as error:
        raise ValueError(f"initial_weights: {error}") from error
    for name, wanted in (("detector", detector), ("architecture", architecture)):
        if card[name] != wanted:
            flag = "backbone" if name == "architecture" else name
            raise ValueError(
                f"initial_weights={run}: expected the {name} {wanted or 'of a student'}, as {flag} "
                f"says; got {card[name] or 'none'}: pass {flag}={card[name]}"
            )
    return DetectorSource(path, card)


def assign(detector: Detector, source: DetectorSource, class_names: Sequence[str]) -> str:
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
    ours, theirs = (_spelled(names) for names in (class_names, source.card["class_names"]))
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


def _spelled(names):
    """The names in one spelling of accents."""
    return [unicodedata.normalize("NFC", name) for name in names]
