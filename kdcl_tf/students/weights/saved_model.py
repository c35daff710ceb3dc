"""The variables of a student that was exported as a SavedModel."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import tensorflow as tf

from kdcl_tf import files
from kdcl_tf.students.weights import found as found_lib
from kdcl_tf.students.weights.found import Found

__all__ = ["read"]

_SIGNATURE = "serving_default"


def read(path: str | os.PathLike) -> Found:
    """The variables that an exported student's signature reads, by their paths.

    Args:
      path: the folder; whether it is whole is checked where its card is known.

    Raises:
      ValueError: when it cannot be loaded, or is no SavedModel of a student.
    """
    path = pathlib.Path(path).expanduser()
    try:
        # Kept in a variable, because a signature does not keep its variables alive.
        with files.literal_path(path) as folder:
            loaded = tf.saved_model.load(str(folder))
    # Depending on the damage the error is TensorFlow's, Python's or protobuf's.
    except Exception as error:
        said = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise ValueError(
            f"{path} is a SavedModel that cannot be loaded, as if it were cut short ({said}): "
            "export it again"
        ) from error
    served = loaded.signatures.get(_SIGNATURE)
    outputs = getattr(served, "structured_outputs", {})
    if served is None or "logits" not in outputs:
        raise ValueError(
            f"{path}: expected a SavedModel of kdcl-train or kdcl-export, with a signature "
            f"{_SIGNATURE} that takes images and gives logits; got none"
        )
    arrays = {
        found_lib.plain_path(each.name.removesuffix(":0")): np.asarray(each)
        for each in served.variables
    }
    if len(arrays) != len(served.variables):
        raise ValueError(
            f"{path}: expected one student; got a SavedModel with several variables of one name"
        )
    images = served.structured_input_signature[1]["images"]
    return Found(arrays, image_shape=tuple(images.shape[1:]))
