"""What was exported, read again: cards and SavedModels, any damage told in one line."""

from __future__ import annotations

import json
import pathlib

__all__ = ["load", "read_card"]


def read_card(path: pathlib.Path, wanted: tuple[str, ...] = ()) -> dict:
    """The facts that a card, the JSON file beside an exported model, says of it.

    Args:
      path: of the file.
      wanted: names of facts that have to be among them.

    Raises:
      ValueError: when it is no object of JSON, or a fact is missing.
      FileNotFoundError: when it is not there.
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{_no_card(path)}: {error}; export it again") from error
    if not isinstance(facts, dict):
        raise ValueError(f"{_no_card(path)}: wanted an object of JSON; export it again")
    missing = [name for name in wanted if name not in facts]
    if missing:
        raise ValueError(f"{_no_card(path)}: it has no {', '.join(missing)}; export it again")
    return facts


def _no_card(path):
    return f"{path} is no card of an exported model"


def load(path: pathlib.Path):
    """`tf.saved_model.load`, to which a file that was cut short may do anything.

    Args:
      path: the folder of a SavedModel.

    Raises:
      ValueError: when it cannot be loaded, naming the folder.
    """
    import tensorflow as tf

    try:
        return tf.saved_model.load(str(path))
    # By what is damaged it is one of TensorFlow's own, of Python's or of protobuf's.
    except Exception as error:
        said = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise ValueError(
            f"{path} is a SavedModel that cannot be loaded, as if it were cut short ({said}): "
            "export it again"
        ) from error
