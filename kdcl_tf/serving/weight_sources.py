"""Where weights to start from come from, and what they expect of images.

Weights are right only under the normalisation that they were trained with: an exported student's
card tells it, Keras's and torchvision's weights for ImageNet have their own.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf import students
from kdcl_tf.data import normalization as normalization_lib
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.files import spelling
from kdcl_tf.serving import cards, exported
from kdcl_tf.students import names
from kdcl_tf.students.weights import kinds, modes

__all__ = [
    "NORMALIZATIONS",
    "WeightSource",
    "architecture_of",
    "check_one_student",
    "check_padding",
    "kept_head",
    "named_source",
    "normalization_of",
    "student_of",
    "weight_source",
]

# What a source that says nothing may be told to expect: the data's own, or one of Keras's modes.
OF_DATA = "data"
NORMALIZATIONS = (OF_DATA, *normalization_lib.MODES)

# Families whose strided convolutions had another padding before cards had a format.
_ONCE_PADDED_OTHERWISE = ("cifar_resnet", "wide_resnet")
_SIGNED_BYTES = Normalization((128 / 255,) * 3, (128 / 255,) * 3)


@dataclasses.dataclass(frozen=True)
class WeightSource:
    """Weights to start from.

    Attributes:
      kind: one of `students.weights.kinds.KINDS`.
      path: the file or folder; None for "imagenet".
      architecture: name of the student; "" for a `.keras` file that does not say.
      normalization: of the images that it was trained on; None where nothing tells.
      class_names: in the order of its logits; None where nothing tells.
      image_shape: (height, width, channels) of its images; None where nothing tells.
      named: whether the architecture is what the caller said, and not only the source.
    """

    kind: str
    path: pathlib.Path | None
    architecture: str
    normalization: Normalization | None = None
    class_names: tuple[str, ...] | None = None
    image_shape: tuple[int, int, int] | None = None
    named: bool = False

    @property
    def where(self) -> str:
        """What messages call it."""
        return str(self.path or kinds.IMAGENET)

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of its images, where they are known."""
        return self.image_shape[:2] if self.image_shape else None


def weight_source(
    source: str | os.PathLike, architecture: str = "", normalization: str = ""
) -> WeightSource:
    """Finds weights, and checks what can be checked quickly.

    Args:
      source: a run, of which the student of the architecture is meant, or the only one; an
        exported student; a `.keras`, `.weights.h5` or `.safetensors` file; or "imagenet".
      architecture: name of the student that they are for; "" where the source has to tell.
      normalization: one of `NORMALIZATIONS`, for a source that does not say; "" leaves it open.

    Raises:
      ValueError: when there is none, or more than one; or it is damaged, or of another
        architecture, in one line.
    """
    path = None
    if source != kinds.IMAGENET:
        path = pathlib.Path(source).expanduser()
        path = source = student_of(path, architecture) if _is_run(path) else path
    kind = _kind_of(source)
    facts = _facts_of(kind, source)
    check_one_student(source, facts)
    known = facts.get("architecture", "")
    if architecture and known and not names.same(architecture, known):
        raise ValueError(f"{source} is no {architecture}: its card says that it is a {known}")
    named = bool(architecture)
    # A student's name is only a hint: a run's second mobilenet_v2 is called mobilenet_v2_2.
    architecture = architecture or known or architecture_of(facts.get("student", ""))
    kinds.check(source, architecture)
    if facts and kind != "keras":
        check_padding(source, architecture, facts)
    return WeightSource(
        kind,
        path,
        architecture,
        _normalization(kind, source, architecture, facts, normalization),
        tuple(facts["class_names"]) if "class_names" in facts else None,
        tuple(facts["image_shape"]) if "image_shape" in facts else None,
        named,
    )


def check_one_student(source: str | os.PathLike, facts: Mapping[str, Any]) -> None:
    """Raises ValueError for an exported ensemble, whose members have weights of their own."""
    if members := facts.get("members"):
        raise ValueError(
            f"{source}: expected one student; got an ensemble of {', '.join(members)}: name the "
            "folder of one of them"
        )


def named_source(text: str) -> WeightSource:
    """A source that tells its own architecture, or `ARCHITECTURE=SOURCE` for one that does not.

    Raises:
      ValueError: as `weight_source`, and where nothing tells the architecture.
    """
    name, equals, rest = text.partition("=")
    if equals and not pathlib.Path(text).expanduser().exists() and architecture_of(name) == name:
        return weight_source(rest, name)
    source = weight_source(text)
    if source.kind == "weights" and not source.architecture:
        raise ValueError(
            f"{text}: expected a card beside it that names its architecture; got none: give "
            "ARCHITECTURE=FILE, such as resnet18=FILE"
        )
    return source


def student_of(run: str | os.PathLike, architecture: str = "") -> pathlib.Path:
    """The folder of a run's only exported student, or of the one of an architecture.

    Raises:
      ValueError: when there is none, or more than one.
    """
    path = pathlib.Path(run)
    found = exported.students_of(path, ensembles=False)
    if not found:
        told = exported.named_in(path, kinds.SUFFIXES, ensembles=False) or (
            ", a run that has exported none yet: kdcl-export does"
            if _has_checkpoints(path)
            else ", a folder that is no run"
        )
        raise ValueError(f"expected an exported student or a run with some; got {path}{told}")
    if len(found) == 1:
        return found[0]
    same = [each for each in found if names.same(_architecture_in(each), architecture)]
    if architecture and len(same) == 1:
        return same[0]
    fault = f"{len(same) or 'no'} {architecture}" if architecture else f"{len(found)} students"
    raise ValueError(
        f"expected one student to take the weights of; got {path}, a run with {fault}: choose one "
        "of " + ", ".join(str(each) for each in found)
    )


def kept_head(source: WeightSource, class_names: Sequence[str]) -> tuple[bool, str]:
    """Whether the head of a source fits a data set's classes, and why, in words.

    It does where the names are the same, in the same order.  A source without names is taken to
    have the data's, if it has as many, which the reader of the weights sees.

    Args:
      source: the weights.
      class_names: of the data, in the order of its labels.
    """
    if source.class_names is None:
        return True, f"it names no classes: they are taken to be the data's {len(class_names)}"
    ours, theirs = map(spelling.composed_all, (class_names, source.class_names))
    if ours == theirs:
        return True, "of the same classes"
    if len(ours) != len(theirs):
        return False, f"the source has {len(theirs)} classes, the data {len(ours)}"
    if sorted(ours) == sorted(theirs):
        return False, "its classes have another order"
    first = next(name for name in theirs if name not in ours)
    return False, f"its classes are others, such as {first!r}"


def normalization_of(mode: str) -> Normalization | None:
    """The normalisation of one of `NORMALIZATIONS`; None for the data's own."""
    if mode == modes.SIGNED_BYTES:
        return _SIGNED_BYTES
    return normalization_lib.MODES.get(mode)


def architecture_of(student: str) -> str:
    """The architecture that a student's name suggests: `resnet18_2` is a second `resnet18`."""
    for name in (student, re.sub(r"_\d+$", "", student), student.replace("keras_", "keras:", 1)):
        try:
            students.validate(name)
            return name
        except ValueError:
            continue
    return ""


def check_padding(path: str | os.PathLike, architecture: str, facts: Mapping[str, Any]) -> None:
    """Refuses weights that are right for another padding than that of the network built here.

    Raises:
      ValueError: naming the path.
    """
    if (
        architecture
        and "format" not in facts
        and names.parse(architecture).family in _ONCE_PADDED_OTHERWISE
    ):
        raise ValueError(
            f"{path}: expected a student whose strided convolutions were padded on all sides; got a "
            f"{architecture} that an older version exported, which padded them on one side: train "
            "and export it again (it can still be evaluated and served)"
        )


def _is_run(path):
    return path.is_dir() and not exported.holds_model(path)


def _has_checkpoints(path):
    return (path / "checkpoints").is_dir()


def _architecture_in(folder):
    facts = cards.read(cards.path_of(folder))
    return facts.get("architecture") or architecture_of(facts.get("student", ""))


def _kind_of(source):
    if source != kinds.IMAGENET and exported.holds_model(source):
        return "saved_model"
    return kinds.kind_of(source)


def _facts_of(kind, source):
    """The facts of the card in a folder or beside a file, after its checksums; {} for none."""
    if kind not in ("saved_model", "keras", "weights"):
        return {}
    facts = {}
    if kind != "saved_model":
        facts = cards.read_beside(source)
    elif cards.path_of(source).exists():
        facts = cards.read_student(source)
    if facts:
        exported.check(source, facts)
    return facts


def _normalization(kind, source, architecture, facts, given):
    """What the source says; else what was given; else None."""
    told = Normalization.from_card(facts) if "mean" in facts else None
    if kind == kinds.IMAGENET:
        told = normalization_of(modes.mode_of(names.parse(architecture).classifier))
    if given and told:
        raise ValueError(
            f"normalisation {given}: expected it for weights that do not say how their images were "
            f"normalised; got it for {source}, which does: leave it out"
        )
    if given:
        return normalization_of(given)
    return normalization_lib.IMAGENET if kind == "safetensors" else told
