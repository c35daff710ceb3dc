"""Where a backbone comes from: fresh, or a student that was trained; told without TensorFlow."""

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
    """What `--backbone` means.

    Attributes:
      kind: "fresh", "saved_model", "keras" or "weights".
      path: the file or folder; None for fresh weights.
      architecture: name of a student; "" for a `.keras` file, which says it all.
      normalization: of its images; ImageNet's for a backbone that does not say what it was
        trained on.
    """

    kind: str
    path: pathlib.Path | None
    architecture: str
    normalization: normalization_lib.Normalization = normalization_lib.IMAGENET


def find(backbone, architecture=""):
    """The source of a backbone.

    Args:
      backbone: name of a student, such as resnet18, for fresh weights; a folder that
        `kdcl-train` or `kdcl-export` wrote, or a `.keras` or `.weights.h5` file.
      architecture: name of the student that a file holds, where no card beside it tells.

    Raises:
      ValueError: when there is no such thing, or nothing tells its architecture.
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
        raise ValueError(f"--backbone={backbone} is a run, not a student: pass one of {names}")
    raise ValueError(
        f"--backbone={backbone} is no student: wanted a name such as resnet18, a folder that "
        "kdcl-train or kdcl-export wrote, or a .keras or .weights.h5 file"
    )


def _fresh(backbone, architecture):
    if architecture:
        raise ValueError(
            f"--architecture={architecture} is for a --backbone that is a file; there is none at "
            f"{backbone}"
        )
    try:
        students.validate(backbone)
    except ValueError as error:
        raise ValueError(
            f"--backbone={backbone} is neither a path nor a student: {error}"
        ) from None
    return BackboneSource("fresh", None, backbone)


def _with_card(kind, path, architecture):
    card = cards.path_of(path)
    facts = cards.read(card) if card.exists() else {}
    if facts:
        exported.check(path, facts)
    told = facts.get("architecture", "")
    if architecture and told and architecture != told:
        raise ValueError(f"--backbone={path} is a {told}; got --architecture={architecture}")
    # The name of a student only hints: a run's second mobilenet_v2 is its mobilenet_v2_2.
    name = architecture or told or _architecture_of(facts.get("student", ""))
    if not name and kind != "keras":
        raise ValueError(
            f"--backbone={path} does not say which student it is: pass --architecture, such as "
            "--architecture=resnet18"
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
            f"expected a backbone whose strided convolutions were padded on all sides; got "
            f"--backbone={path}, a {name} that an older version exported, which padded them on one "
            "side: train and export it again (it can still be evaluated and served)"
        )


def _architecture_of(student):
    """What the name of a student tells of it: `resnet18_2` is a second `resnet18`."""
    for name in (student, re.sub(r"_\d+$", "", student), student.replace("keras_", "keras:", 1)):
        try:
            students.validate(name)
            return name
        except ValueError:
            continue
    return ""
