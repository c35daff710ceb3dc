"""Cards: the facts that one needs to use an exported student, as JSON beside it.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
import re
import sys
from collections.abc import Mapping
from typing import Any

from kdcl_tf import files
from kdcl_tf.data import distortions
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.files import identity, run_names, spelling
from kdcl_tf.files.identity import FORMAT, DamageError
from kdcl_tf.serving import card_facts

__all__ = [
    "CLASS_NAMES",
    "CLASS_NAMES_JSON",
    "Card",
    "has_card",
    "is_card",
    "path_of",
    "read",
    "read_beside",
    "read_student",
    "takes_card",
    "write",
]

# Beside the card in a folder, a line for each class, for programs that do not read JSON.
CLASS_NAMES = "class_names.txt"
CLASS_NAMES_JSON = "class_names.json"

# `{format: figures}` of the files that were measured when they were exported.
_MEASURED = "measured"

# What files of LiteRT and ONNX end with.
RUNTIME_SUFFIXES = (".tflite", ".onnx")


@dataclasses.dataclass(frozen=True)
class Card:
    """The facts of one exported student.

    Attributes:
      student: its name.
      image_shape: (height, width, channels) of the images that it takes.
      class_names: a name for each class, in the order of the logits.
      normalization: of the images, as `mean` and `deviation` in JSON, and `channels`.
      distortion: of the images that it was trained on, which decides how images are resized.
      architecture, dataset: by name; "" where unknown.
      resizing: how an image of another size becomes one of `image_shape`; "" where unknown.
      more: further facts that JSON can hold, such as an accuracy.
    """

    student: str
    image_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    normalization: Normalization
    distortion: str = "padded_crop"
    architecture: str = ""
    dataset: str = ""
    resizing: str = ""
    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "image_shape", tuple(int(size) for size in self.image_shape))
        object.__setattr__(self, "class_names", tuple(self.class_names))
        # NumPy's numbers and arrays become Python's.
        plain = {
            name: getattr(value, "tolist", lambda v=value: v)() for name, value in self.more.items()
        }
        object.__setattr__(self, "more", plain)

    @classmethod
    def of(
        cls,
        student: Any,
        dataset: Any,
        architecture: str = "",
        normalization: Normalization | None = None,
        **more: Any,
    ) -> Card:
        """The card of a student that was trained on a data set.

        Args:
          student: a keras.Model.
          dataset: `data.ImageDataset`.
          architecture: the name that builds the student.
          normalization: of the student's images; by default the data set's.
          **more: further facts.
        """
        return cls(
            student=student.name,
            image_shape=tuple(dataset.image_shape),
            class_names=tuple(dataset.class_names),
            normalization=normalization or dataset.normalization,
            distortion=dataset.distortion,
            architecture=architecture,
            dataset=dataset.name,
            resizing=dataset.resizing,
            more=more,
        )

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Card:
        """The card that has these `facts`."""
        own = [field.name for field in dataclasses.fields(cls) if field.name in facts]
        known = {
            *own,
            "num_classes",
            "mean",
            "deviation",
            "channels",
            "scaled_to",
            *card_facts.WRITTEN,
        }
        return cls(
            **{
                **{name: facts[name] for name in own},
                "image_shape": tuple(facts["image_shape"]),
                "class_names": tuple(facts["class_names"]),
                "normalization": Normalization.from_card(facts),
                "more": {name: value for name, value in facts.items() if name not in known},
            }
        )

    def with_more(self, **more: Any) -> Card:
        """The card with further facts, which replace those of the same names."""
        return dataclasses.replace(self, more={**self.more, **more})

    @property
    def num_classes(self) -> int:
        """The number of classes that the student tells apart."""
        return len(self.class_names)

    @property
    def scaled_to(self) -> tuple[int, int]:
        """(height, width) that images are scaled to, whose centre is then cut to `image_shape`."""
        return distortions.scaled_size(self.distortion, *self.image_shape[:2])

    @property
    def facts(self) -> dict[str, Any]:
        """The whole card as JSON holds it, without what is unknown."""
        named = {name: getattr(self, name) for name in ("architecture", "dataset", "resizing")}
        return {
            "student": self.student,
            "image_shape": list(self.image_shape),
            "num_classes": self.num_classes,
            **self.normalization.as_card(),
            "distortion": self.distortion,
            "scaled_to": list(self.scaled_to),
            **{name: value for name, value in named.items() if value},
            **self.more,
            "class_names": list(self.class_names),
        }


def path_of(student: str | os.PathLike) -> pathlib.Path:
    """The path of a student's card: in its folder, or beside its file.

    A `.keras` and a `.weights.h5` file of one student share `<student>.json`; the files of other
    runtimes, of which a student has several, have `<file>.json`.
    """
    path = pathlib.Path(student)
    if path.suffix in RUNTIME_SUFFIXES:
        return path.with_name(f"{path.name}.json")
    name = re.sub(r"(\.weights\.h5|\.keras)$", ".json", path.name)
    return path / run_names.STUDENT_CARD if name == path.name else path.with_name(name)


def write(card: Card, student: str | os.PathLike) -> None:
    """Writes the card of a student where `path_of` finds it, after the student's own files.

    It has the checksums of those files, and the format of what is written.  A folder gets
    `class_names.txt` and `class_names.json`, a list of them, too.  What the card says of another
    file of the same student, where two share it, stays.

    Raises:
      OSError: when a file is not there, or cannot be written.
    """
    path = path_of(student)
    if path.name == run_names.STUDENT_CARD:
        names = "".join(f"{name}\n" for name in card.class_names)
        files.write_text(path.with_name(CLASS_NAMES), names)
        listed = json.dumps(list(card.class_names), indent=2) + "\n"
        files.write_text(path.with_name(CLASS_NAMES_JSON), listed)
        sums = identity.checksums(path.parent, leave_out=run_names.STUDENT_CARD)
        facts = card.facts
    else:
        facts, sums = _with_sibling(path, card.facts)
        sums |= identity.checksums_of([pathlib.Path(student)])
    facts = identity.sealed({**facts, "format": FORMAT, "checksums": sums})
    files.write_text(path, json.dumps(facts, indent=2) + "\n")


def _with_sibling(path, facts):
    """`(facts, checksums)` with those of the student's other file, if its card is at the path."""
    try:
        old = read(path)
    except (DamageError, FileNotFoundError):
        return facts, {}
    if not _are_alike(old, facts):
        return facts, {}
    measured = {**old.get(_MEASURED, {}), **facts.get(_MEASURED, {})}
    return {**facts, **({_MEASURED: measured} if measured else {})}, old.get("checksums", {})


def _are_alike(old, facts):
    """Whether two cards differ only in what belongs to one file, or in how names are spelled."""
    own = (*card_facts.WRITTEN, _MEASURED)
    texts = []
    for each in (old, facts):
        told = {name: each[name] for name in each if name not in own}
        # Cards of older runs have the spelling of their files.
        told["class_names"] = spelling.composed_all(each.get("class_names", []))
        texts.append(json.dumps(told, sort_keys=True))
    return texts[0] == texts[1]


def takes_card(card: Card, student: str | os.PathLike, other: str | os.PathLike) -> bool:
    """Whether writing one file of a student would replace the card of another by one of its own.

    Args:
      card: of the file that is going to be written.
      student: its path.
      other: the path of the other file, which has a card.
    """
    path = path_of(student)
    return path == path_of(other) and not _are_alike(read(path), card.facts)


def read(path: str | os.PathLike, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The facts of a card, which may be a student's or a detector's.

    Args:
      path: of the JSON file.
      required: names of facts that have to be in it.

    Raises:
      DamageError: when it is no JSON, and as `card_facts.checked`.
      FileNotFoundError: when there is no such file.
    """
    return card_facts.checked(path, _json_in(path), required)


def read_beside(student: str | os.PathLike) -> dict[str, Any]:
    """The facts of the card beside a file; {} where there is none.

    A file of the card's name may be another's, as `model.to_json()` or a table of scores beside
    `model.keras`: it is passed over, which a line on stderr says.

    Raises:
      DamageError: when the card is damaged, or what is there is no JSON, as a card that was cut
        short.
    """
    path = path_of(student)
    if not path.exists():
        return {}
    facts = _json_in(path)
    if not card_facts.are_of_card(facts):
        _tell_passed_over(path)
        return {}
    return card_facts.checked(path, facts)


def is_card(path: str | os.PathLike) -> bool:
    """Whether a file is the card of an exported student, even if its facts were changed.

    Raises:
      OSError: when it cannot be read.
    """
    try:
        return card_facts.are_of_card(_json_in(path))
    except DamageError:
        return False


def has_card(folder: str | os.PathLike, name: str = run_names.STUDENT_CARD) -> bool:
    """Whether a folder has the card of an export, which may be damaged; other JSON is none.

    Args:
      folder: it need not be there.
      name: of the card.
    """
    try:
        return card_facts.are_of_card(_json_in(pathlib.Path(folder, name)))
    except DamageError:
        return True
    except OSError:
        return False


# Once for each: a program looks for a card several times.
@functools.cache
def _tell_passed_over(path):
    print(
        f"{path} is passed over: expected a card with {', '.join(card_facts.ALWAYS)}; got other "
        "JSON",
        file=sys.stderr,
    )


def _json_in(path):
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamageError(f"{card_facts.no_card(path)}: {error}; export it again") from error


def read_student(folder: str | os.PathLike) -> dict[str, Any]:
    """The facts of an exported student, with its class names.

    Raises:
      DamageError, FileNotFoundError: as `read`, and for class names that are missing or are not
        as many as the classes.
    """
    path = path_of(folder)
    facts = read(path, ("image_shape",))
    if "class_names" not in facts:
        # Cards of older versions had none.
        facts["class_names"] = _class_names(path.with_name(CLASS_NAMES))
    return card_facts.with_count(path, facts)


def _class_names(path: pathlib.Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (ValueError, OSError) as error:
        raise DamageError(
            f"expected a line for each class in {path}; got none to read ({error}); export it again"
        ) from error
