"""Cards: the facts that one needs to use an exported student, as JSON beside it.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from kdcl_tf import files
from kdcl_tf.data.normalization import Normalization

__all__ = ["Card", "path_of", "read", "read_student", "write"]

_STUDENT = "student.json"
# Beside the card in a folder, a line for each class, for programs that do not read JSON.
_CLASS_NAMES = "class_names.txt"
_CLASS_NAMES_JSON = "class_names.json"

_NUMBERS = ("mean", "deviation")
_NAMES = ("student", "architecture")


@dataclasses.dataclass(frozen=True)
class Card:
    """The facts of one exported student.

    Attributes:
      student: its name.
      image_shape: (height, width, channels) of the images that it takes.
      class_names: a name for each class, in the order of the logits.
      normalization: of the images, as `mean` and `deviation` in JSON.
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

    @classmethod
    def of(cls, student: Any, dataset: Any, architecture: str = "", **more: Any) -> Card:
        """The card of a student that was trained on a data set.

        Args:
          student: a keras.Model.
          dataset: `data.ImageDataset`.
          architecture: the name that builds the student.
          **more: further facts.
        """
        return cls(
            student=student.name,
            image_shape=tuple(dataset.image_shape),
            class_names=tuple(dataset.class_names),
            normalization=dataset.normalization,
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
        known = {*own, "num_classes", "mean", "deviation"}
        return cls(
            **{
                **{name: facts[name] for name in own},
                "image_shape": tuple(facts["image_shape"]),
                "class_names": tuple(facts["class_names"]),
                "normalization": Normalization.from_card(facts),
                "more": {name: value for name, value in facts.items() if name not in known},
            }
        )

    @property
    def num_classes(self) -> int:
        """The number of classes that the student tells apart."""
        return len(self.class_names)

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
            **{name: value for name, value in named.items() if value},
            **self.more,
            "class_names": list(self.class_names),
        }


def path_of(student: str | os.PathLike) -> pathlib.Path:
    """The path of a student's card: in its folder, or beside its `.keras` or `.weights.h5` file."""
    path = pathlib.Path(student)
    name = re.sub(r"(\.weights\.h5|\.keras)$", ".json", path.name)
    return path / _STUDENT if name == path.name else path.with_name(name)


def write(card: Card, student: str | os.PathLike) -> None:
    """Writes the card of a student where `path_of` finds it.

    A folder gets `class_names.txt` and `class_names.json`, a list of them, too.
    """
    path = path_of(student)
    if path.name == _STUDENT:
        names = "".join(f"{name}\n" for name in card.class_names)
        files.write_text(path.with_name(_CLASS_NAMES), names)
        listed = json.dumps(list(card.class_names), indent=2) + "\n"
        files.write_text(path.with_name(_CLASS_NAMES_JSON), listed)
    files.write_text(path, json.dumps(card.facts, indent=2) + "\n")


def read(path: str | os.PathLike, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The facts of a card, which may be a student's or a detector's.

    Args:
      path: of the JSON file.
      required: names of facts that have to be in it.

    Raises:
      ValueError: when it is no object of JSON, or a fact is missing or of the wrong kind.
      FileNotFoundError: when there is no such file.
    """
    try:
        facts = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{_no_card(path)}: {error}; export it again") from error
    if not isinstance(facts, dict):
        raise ValueError(
            f"{_no_card(path)}: expected an object of JSON; got {facts!r:.40}; export it again"
        )
    missing = [name for name in required if name not in facts]
    if missing:
        raise ValueError(
            f"{_no_card(path)}: expected the facts {', '.join(required)}; got none of the name "
            f"{', '.join(missing)}; export it again"
        )
    _check_kinds(path, facts)
    return facts


def read_student(folder: str | os.PathLike) -> dict[str, Any]:
    """The facts of an exported student, with its class names.

    Raises:
      ValueError, FileNotFoundError: as `read`.
    """
    path = path_of(folder)
    facts = read(path)
    if "class_names" not in facts:
        # Cards of older versions had none.
        text = path.with_name(_CLASS_NAMES).read_text(encoding="utf-8")
        facts["class_names"] = text.splitlines()
    return facts


def _no_card(path: str | os.PathLike) -> str:
    return f"{path} is not the card of an exported model"


def _check_kinds(path: str | os.PathLike, facts: Mapping[str, Any]) -> None:
    """Raises ValueError when a fact is of the wrong kind."""
    for key in _NUMBERS:
        value = facts.get(key, [0.0])
        values = value if isinstance(value, list) and value else [None]
        if not all(type(each) in (int, float) for each in values):
            raise ValueError(f"{path}: expected {key} to be a list of numbers; got {value!r}")
    for key in _NAMES:
        if not isinstance(facts.get(key, ""), str):
            raise ValueError(
                f"{path}: expected {key} to be the name of a student; got {facts[key]!r}"
            )
