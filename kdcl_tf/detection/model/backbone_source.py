"""Finds where a backbone comes from, fresh weights or a trained student, without TensorFlow."""

from __future__ import annotations

import dataclasses
import os
import pathlib

from kdcl_tf import students
from kdcl_tf.data import normalization as normalization_lib
from kdcl_tf.serving import cards, exported, weight_sources
from kdcl_tf.students import names
from kdcl_tf.students.weights import kinds
from kdcl_tf.training.run_files import check_export


@dataclasses.dataclass(frozen=True)
class BackboneSource:
    """Where a backbone comes from.

    Attributes:
      kind: "fresh", or one of `students.weights.kinds.KINDS`.
      path: the file or folder; None for fresh weights, and for Keras's own for ImageNet.
      architecture: name of a student; "" for a `.keras` file, which holds its own layers.
      normalization: of its images; ImageNet's for a backbone that does not say what it was
        trained on.
      is_told: whether the backbone says how its images are normalised.
    """

    kind: str
    path: pathlib.Path | None
    architecture: str
    normalization: normalization_lib.Normalization = normalization_lib.IMAGENET
    is_told: bool = True

    def __str__(self):
        """Where the weights come from, in a line for a person."""
        name = self.architecture or "a network"
        if self.kind == "fresh":
            path = pathlib.Path(name)
            # What is called so here may have been meant.
            is_there = exported.holds_model(path) or bool(exported.students_of(path))
            hint = f"; for the student in this folder, pass --backbone=./{name}"
            return f"{name} with random weights{hint * is_there}"
        taken = (
            "; its images are normalised as torchvision's for ImageNet, since no card beside it says "
            "how: --backbone_normalization says another way"
        )
        weights = self.path or "Keras for ImageNet"
        return f"{name} with the weights of {weights}{taken * (not self.is_told)}"


def find(backbone: str, architecture: str = "", normalization: str = "") -> BackboneSource:
    """The source of a backbone.

    Args:
      backbone: name of a student, such as resnet18, for fresh weights, whatever is called so in the
        current folder, which is ./resnet18; a folder that `kdcl-train` or `kdcl-export` wrote, a
        run with one student or one of the architecture; a `.keras`, `.weights.h5` or
        `.safetensors` file; or imagenet, for Keras's own weights.
      architecture: name of the student that a file holds, where no card beside it says so.
      normalization: one of `data.normalization.MODES`, of its images where nothing says so; by
        default ImageNet's.

    Raises:
      ValueError: when there is no such student, or its architecture is unknown; when it lies in
        a run's folder and is another run's; or when it says itself how its images are normalised.
    """
    source = _find(backbone, architecture)
    if not normalization:
        return source
    if source.is_told:
        raise ValueError(
            f"backbone_normalization={normalization}: expected a backbone that does not say how its "
            f"images are normalised; got {backbone}, of which that is known: leave it out"
        )
    pixels = normalization_lib.MODES[normalization]
    return dataclasses.replace(source, normalization=pixels, is_told=True)


def _find(backbone, architecture):
    path = pathlib.Path(backbone).expanduser()
    if backbone == kinds.IMAGENET or (path.suffix == ".safetensors" and path.exists()):
        return _of_imagenet(backbone, architecture)
    # A name first: a workdir, or anything else, may be called like a student.
    if names.is_name(backbone):
        return _fresh(backbone, architecture)
    if exported.holds_model(path):
        return _with_card("saved_model", path, architecture)
    if not path.exists():
        return _fresh(backbone, architecture)
    if path.name.endswith(".weights.h5"):
        return _with_card("weights", path, architecture)
    if path.suffix == ".keras":
        return _with_card("keras", path, architecture)
    found = exported.students_of(path, ensembles=False)
    if len(found) == 1 or (found and architecture):
        student = _student_of(path, architecture)
        _check_export(path, student)
        return _find(str(student), architecture)
    if found:
        paths = ", ".join(str(each) for each in found)
        raise ValueError(
            f"backbone={backbone}: expected a student; got a run, whose students are {paths}"
        )
    raise ValueError(
        f"backbone={backbone}: expected a name such as resnet18, a folder that kdcl-train or "
        "kdcl-export wrote, or a .keras, .weights.h5 or .safetensors file; got none of these"
        f"{exported.named_in(path, kinds.SUFFIXES, ensembles=False)}"
    )


def _of_imagenet(backbone, architecture):
    """Weights that say nothing themselves: Keras's and torchvision's."""
    try:
        source = weight_sources.weight_source(backbone, architecture)
    except ValueError as error:
        raise ValueError(
            f"backbone={backbone}: {error}; architecture=NAME says which student's they are"
        ) from error
    return BackboneSource(source.kind, source.path, source.architecture, source.normalization)


def _student_of(path, architecture):
    try:
        return weight_sources.student_of(path, architecture)
    except ValueError as error:
        raise ValueError(f"backbone={path}: {error}") from error


def _check_export(run, student):
    try:
        check_export(run, student, exported.known_card(student))
    except ValueError as error:
        raise ValueError(f"backbone={run}: {error}") from error


def _fresh(backbone, architecture):
    if architecture:
        is_there = os.path.exists(backbone)
        told = (
            f"the name of a student: pass ./{backbone} for the path"
            if is_there
            else "where there is none"
        )
        raise ValueError(
            f"architecture={architecture}: expected a backbone that is a file; got {backbone}, {told}"
        )
    try:
        students.validate(backbone)
    except ValueError as error:
        raise ValueError(f"backbone={backbone} is neither a path nor a student: {error}") from None
    return BackboneSource("fresh", None, backbone)


def _with_card(kind, path, architecture):
    card = cards.path_of(path)
    facts = {}
    if kind != "saved_model":
        facts = cards.read_beside(path)
    elif card.exists():
        facts = cards.read(card)
    if facts:
        exported.check(path, facts)
        weight_sources.check_one_student(path, facts)
    known = facts.get("architecture", "")
    if architecture and known and not names.same(architecture, known):
        raise ValueError(f"architecture={architecture}: expected {known}, as {card} says")
    # A student's name is only a hint: a run's second mobilenet_v2 is called mobilenet_v2_2.
    name = architecture or known or weight_sources.architecture_of(facts.get("student", ""))
    if not name and kind != "keras":
        raise ValueError(
            f"backbone={path}: expected a card beside it that names its architecture; got none: pass "
            "architecture=NAME, such as resnet18"
        )
    if name:
        students.validate(name)
    if facts and kind != "keras":
        try:
            weight_sources.check_padding(path, name, facts)
        except ValueError as error:
            raise ValueError(f"backbone={error}") from error
    if "mean" not in facts:
        return BackboneSource(kind, path, name, is_told=False)
    return BackboneSource(kind, path, name, normalization_lib.Normalization.from_card(facts))
