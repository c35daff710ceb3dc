"""Exported students, read again."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving import cards, exported, images as images_lib

__all__ = ["load_student"]


def load_student(
    path: str | os.PathLike,
) -> tuple[Callable[..., dict[str, tf.Tensor]], dict[str, Any]]:
    """Loads an exported student.

    Returns:
      `(predict, card)`: `predict(images)` takes `[B, H, W, C]`, uint8 or floats in 0..1, and
      gives `{"logits", "probabilities"}`; it raises ValueError for images of another size, type
      or range.  `predict(images, check_range=False)` takes floats of any range, for images that
      were distorted or made noisy.  `card` is `student.json` without its checksums, `class_names`
      included.

    Raises:
      ValueError: when the folder is no student that `export_student` wrote.
      DamageError: when its card or one of its files is missing or not what was written, or the
        card has not as many classes as there are logits.  Of an export of an older version,
        without checksums, it is said on stderr that only TensorFlow has checked it.
    """
    path = pathlib.Path(path).expanduser()
    card_path = cards.path_of(path)
    if not exported.holds_model(path) or not card_path.exists():
        raise ValueError(
            "expected an exported student, a folder with saved_model.pb and student.json such as "
            f"WORKDIR/students/NAME; got {path}, which is {_kind_of(path)}"
        )
    facts = cards.read_student(path)
    exported.check(path, facts)
    loaded = exported.load(path)
    shape = loaded.signatures["serving_default"].structured_outputs["logits"].shape
    if not shape.is_compatible_with([None, facts["num_classes"]]):
        # An older version did not compare them.
        raise DamageError(
            f"{path} is not what its card tells of: expected logits of {facts['num_classes']} "
            f"classes; got {shape.as_list()}; export it again"
        )
    card = {name: fact for name, fact in facts.items() if name not in ("checksums", "checksum")}

    def predict(images, check_range=True):
        images = images_lib.checked(images, card["image_shape"], check_range)
        # The closure holds `loaded`, because a signature does not keep its variables alive.
        if images.dtype == tf.uint8:
            return loaded.signatures["serving_default"](images=images)
        return loaded.signatures["pixels"](pixels=images)

    return predict, card


def _kind_of(path: pathlib.Path) -> str:
    """What a path is that is no exported student, in words."""
    if path.name.endswith((".keras", ".weights.h5")):
        return "a file for further training: export the student as saved_model"
    if exported.students_of(path):
        return f"a run: its students are {path / 'students'}/NAME"
    if path.is_dir():
        return f"a folder without student.json{exported.named_in(path)}"
    return "a file" if path.exists() else "not there"
