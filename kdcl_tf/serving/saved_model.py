"""Students as they are served: a SavedModel that takes uint8 images and needs only TensorFlow."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kdcl_tf import files
from kdcl_tf.serving import cards, exported
from kdcl_tf.students import normalization, precision

__all__ = ["export_student", "load_student", "save_keras", "save_weights"]


class _ServedStudent(tf.Module):
    """Normalisation, the student in inference mode and in float32, and the softmax.

    `serve` takes whole numbers, `serve_pixels` the same images as fractions: what was
    distorted or made noisy is no longer whole.  The LiteRT converter takes `serve` alone, by
    its name.
    """

    def __init__(self, student, image_shape, normalization):
        super().__init__()
        student = precision.in_float32(student)
        # In a closure and not as an attribute: what a Keras model holds, only TensorFlow's own
        # loader finds.  Session loaders and the LiteRT converter find raw variables, below.
        self._logits = lambda images: student(images, training=False)
        self._normalization = normalization
        shape = [None, *image_shape]
        whole = tf.TensorSpec(shape, tf.uint8, name="images")
        self.serve = tf.function(self._serve, input_signature=[whole])
        fractions = tf.TensorSpec(shape, tf.float32, name="pixels")
        self.serve_pixels = tf.function(self._serve_pixels, input_signature=[fractions])
        self.weights = list(self.serve.get_concrete_function().variables)

    def _serve(self, images):
        return self._serve_pixels(tf.cast(images, tf.float32) / 255.0)

    def _serve_pixels(self, pixels):
        # TensorFlow's oneDNN convolution misshapes an empty batch, so one image is added to it.
        # Not by `tf.pad`: with amounts that are computed, one channel does not convert to LiteRT.
        count = tf.shape(pixels)[0]
        empty = tf.cast(count == 0, tf.int32)
        pixels = tf.concat([pixels, tf.zeros([empty, *pixels.shape[1:]])], axis=0)
        logits = self._logits(self._normalization.apply_fractions(pixels))
        logits = tf.cast(logits, tf.float32)[:count]
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}


def export_student(
    student: keras.Model, path: str | os.PathLike, *, card: cards.Card
) -> pathlib.Path:
    """Writes a student as a SavedModel that loads where `kdcl_tf` is not installed.

    TensorFlow Serving and other languages load it, `saved_model_cli` runs it, and
    `tf.lite.TFLiteConverter.from_saved_model(path)` converts it.  It computes in float32,
    whatever precision the student was trained in.

    Its signature `serving_default` takes `images`, uint8 `[B, H, W, C]` of any B, and gives
    `logits` and `probabilities`, float32 `[B, num_classes]`; the signature `pixels` takes
    `pixels`, the same as float32 in 0..1, and gives the same.  Beside it are
    `class_names.txt`, a line a class, `class_names.json`, a list of them, and `student.json`,
    the card.

    Args:
      student: a built keras.Model of normalised images.
      path: the folder, written whole; it replaces an older one.
      card: what is known of the student, the size and the normalisation of its images too.

    Returns:
      The path.

    Raises:
      FileExistsError: when there is something else at the path.
    """
    path = pathlib.Path(path)
    if not exported.holds_model(path) and path.exists():
        raise FileExistsError(f"{path} is there and is no exported student: it is not replaced")
    served = _ServedStudent(student, card.image_shape, card.normalization)
    signatures = {"serving_default": served.serve, "pixels": served.serve_pixels}
    with files.replaced_folder(path) as partial:
        tf.saved_model.save(served, str(partial), signatures=signatures)
        cards.write(card, partial)
    return path


def load_student(
    path: str | os.PathLike,
) -> tuple[Callable[[Any], dict[str, tf.Tensor]], dict[str, Any]]:
    """Loads an exported student.

    Returns:
      `(predict, card)`: `predict(images)` takes `[B, H, W, C]`, uint8 or floats in 0..1, and
      gives `{"logits", "probabilities"}`; `card` is `student.json`, `class_names` included.

    Raises:
      ValueError: when the folder is no student that `export_student` wrote.
    """
    path = pathlib.Path(path).expanduser()
    if not exported.holds_model(path) or not cards.path_of(path).exists():
        raise ValueError(
            f"{path} is not an exported student: wanted a folder with saved_model.pb and "
            f"{cards.path_of(path).name}, such as WORKDIR/students/NAME"
        )
    card = cards.read_student(path)
    loaded = exported.load(path)

    def predict(images):
        # `loaded` is named here because a signature does not keep its variables alive.
        if tf.as_dtype(getattr(images, "dtype", tf.uint8)).is_floating:
            return loaded.signatures["pixels"](pixels=tf.cast(images, tf.float32))
        images = tf.convert_to_tensor(images, tf.uint8)
        return loaded.signatures["serving_default"](images=images)

    return predict, card


def save_keras(student: keras.Model, path: str | os.PathLike) -> str | os.PathLike:
    """Writes a `.keras` file of the student itself, which takes normalised images.

    It is in float32 and of Keras's own layers, whatever the student was trained with, so that
    it loads where `kdcl_tf` is not installed.

    Raises:
      ValueError: when Keras cannot build the student again from its configuration.
    """
    stock = normalization.with_stock_normalization(precision.in_float32(student))
    with files.replaced_file(path) as partial:
        keras.saving.save_model(stock, partial)
    return path


def save_weights(student: keras.Model, path: str | os.PathLike) -> str | os.PathLike:
    """Writes a `.weights.h5` file, for a student that is built again by the same name."""
    with files.replaced_file(path) as partial:
        student.save_weights(partial)
    return path
