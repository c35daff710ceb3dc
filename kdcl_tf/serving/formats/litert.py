"""Students as LiteRT models (`.tflite`), which phones run: one image of a fixed size at a time.

Phones' accelerators take no model whose sizes are open, so that a function of one image is
converted, made of builtin operations alone.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from kdcl_tf.serving import answering

__all__ = ["convert"]


def convert(
    logits: answering.Logits,
    image_shape: Sequence[int],
    kind: str,
    calibration: np.ndarray | None = None,
) -> bytes:
    """A LiteRT model with one signature: `images`, uint8 `[1, H, W, C]`, to logits, probabilities.

    Both outputs are float32 `[1, num_classes]`, in every kind.  In int8 an image is an integer
    from the first operation on, and what the integers of the last stand for is given.

    Args:
      logits: a function of pixels; for int8 of grey levels, see `serving.answering`.
      image_shape: (height, width, channels).
      kind: "float32"; "float16", whose weights are; or "int8".
      calibration: `[N, H, W, C]` uint8, N above 0, images whose activations give the ranges of
        int8.

    Raises:
      ValueError: when the converter refuses, in one line.
    """
    in_integers = kind == "int8"
    concrete = _function(logits, image_shape, in_integers).get_concrete_function()
    holder = tf.Module()
    # The converter finds variables that something holds.
    holder.variables_of_students = list(concrete.variables)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], holder)
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if in_integers:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.representative_dataset = functools.partial(
            _representatives,
            calibration,  # type: ignore[arg-type]  # There is one where the kind is int8.
        )
    try:
        return converter.convert()
    # The converter's errors have no common class but this one.
    except Exception as error:
        said = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise ValueError(f"the LiteRT converter refuses the student in {kind}: {said}") from error


def _function(logits, image_shape, of_grey_levels):
    # The converter makes whole numbers of the floats itself.
    dtype = tf.float32 if of_grey_levels else tf.uint8
    spec = tf.TensorSpec([1, *image_shape], dtype, name="images")

    @tf.function(input_signature=[spec], autograph=False)
    def serve(images):
        if of_grey_levels:
            return answering.answers(logits(images))
        return answering.answers(logits(tf.cast(images, tf.float32) / 255.0))

    return serve


def _representatives(images: np.ndarray) -> Iterator[list[np.ndarray]]:
    """The images of calibration, as the converter wants them.

    Two pixels of the first are made black and white: the range of the input is then that of
    uint8, and an image enters as it is.
    """
    first = images[:1].astype(np.float32)
    first[0, 0, 0], first[0, -1, -1] = 0.0, 255.0
    yield [first]
    for image in images[1:]:
        yield [image[None].astype(np.float32)]
