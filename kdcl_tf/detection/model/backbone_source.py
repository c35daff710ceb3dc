"""Finds where a backbone comes from, fresh weights or a trained student, without TensorFlow."""

from __future__ import annotations

import dataclasses
import pathlib
import re

from kdcl_tf import students
from kdcl_tf.data import normalization as normalization_lib
from kdcl_tf.serving import cards, exported
from kdcl_tf.students import names

# Families whose strided convolutions had another padding before cards had a format.
_ONCE_PADDED_OTHERWISE = ("cifar_resnet", "wide_resnet")


@dataclasses.dataclass(frozen=True)
class BackboneSource:
    """Where a backbone comes from.

    Attributes:
      kind: "fresh", "saved_model", "keras" or "weights".
      path: the file or folder; None for fresh weights.
      architecture: name of a student; "" for a `.keras` file, which holds its own layers.
      normalization: of its images; ImageNet's for a backbone that does not say what it was
        trained on.
    """

    kind: str
    path: pathlib.Path | None
    architecture: str
    normalization: normalization_lib.Normalization = normalization_lib.IMAGENET


def find(backbone: str, architecture: str = "") -> BackboneSource:
    """The source of a backbone.

    Args:
      backbone: name of a student, such as resnet18, for fresh weights; a folder that
        `kdcl-train` or `kdcl-export` wrote, or a `.keras` or `.weights.h5` file.
      architecture: name of the student that a file holds, where no card beside it says so.

    Raises:
      ValueError: when there is no such student, or its architecture is unknown.
    """
    path = pathlib.Path(backbone).expanduser()
    if exported.holds_model(path):
        return _with_card("saved_model", path, architecture)
    if not path.exists():
        return _fresh(backbone, architecture)
    if path.name.endswith(".weights.h5"):
        return _with_card("weights", path, architecture)
    if path.suffix == ".keras":
        return _with_card("keras", path, architecture)
    found = exported.students_of(path)
    if found:
        names = ", ".join(str(each) for each in found)
        raise ValueError(
            f"backbone={backbone}: expected a student; got a run, whose students are {names}"
        )
    raise ValueError(
        f"backbone={backbone}: expected a name such as resnet18, a folder that kdcl-train or "
        "kdcl-export wrote, or a .keras or .weights.h5 file; got none of these"
    )


def _fresh(backbone, architecture):
    if architecture:
        raise ValueError(
            f"architecture={architecture}: expected a backbone that is a file; got {backbone}, where "
            "there is none"
        )
    try:
        students.validate(backbone)
    except ValueError as error:
        raise ValueError(
            f"backbone={backbone} is neither a path nor a student: {error}"
        ) from None
    return BackboneSource("fresh", None, backbone)


def _with_card(kind, path, architecture):
    card = cards.path_of(path)
    facts = cards.read(card) if card.exists() else {}
    if facts:
        exported.check(path, facts)
    known = facts.get("architecture", "")
    if architecture and known and architecture != known:
        raise ValueError(
            f"architecture={architecture}: expected {known}, as {card} says"
        )
    # A student's name is only a hint: a run's second mobilenet_v2 is called mobilenet_v2_2.
    name = architecture or known or _architecture_of(facts.get("student", ""))
    if not name and kind != "keras":
        raise ValueError(
            f"backbone={path}: expected a card beside it that names its architecture; got none: pass "
            "architecture=NAME, such as resnet18"
        )
    if name:
        students.validate(name)
    if facts and kind != "keras":
        _check_padding(path, name, facts)
    card = {**normalization_lib.IMAGENET.as_card(), **facts}
    return BackboneSource(kind, path, name, normalization_lib.Normalization.from_card(card))


def _check_padding(path, name, facts):
    """Refuses weights that are right for another padding than that of the network built here."""
    if "format" not in facts and names.parse(name).family in _ONCE_PADDED_OTHERWISE:
        raise ValueError(
            f"backbone={path}: expected a student whose strided convolutions were padded on all "
            f"sides; got a {name} that an older version exported, which padded them on one side: "
            "train and export it again (it can still be evaluated and served)"
        )


def _architecture_of(student):
    """The architecture that a student's name suggests: `resnet18_2` is a second `resnet18`."""
    for name in (student, re.sub(r"_\d+$", "", student), student.replace("keras_", "keras:", 1)):
        try:
            students.validate(name)
            return name
        except ValueError:
            continue
    return ""
