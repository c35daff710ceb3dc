"""Students as ONNX models, for ONNX Runtime and what else reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

from kdcl_tf.serving import answering

__all__ = ["convert"]

# Of 2022: what a runtime of the last years reads.
_OPERATIONS = 17


def convert(
    logits: answering.Logits, image_shape: Sequence[int], texts: Mapping[str, str]
) -> bytes:
    """An ONNX model of `images`, uint8 `[batch, H, W, C]`, to logits and probabilities.

    The outputs are float32 `[batch, num_classes]`.

    Args:
      logits: a function of pixels.
      image_shape: (height, width, channels).
      texts: `{name: text}`, kept in the model.

    Raises:
      ValueError: when the converter fails, in one line.  An operation that ONNX lacks is left in
        the model, which no runtime then loads.
    """
    import onnx
    import tf2onnx

    spec = tf.TensorSpec([None, *image_shape], tf.uint8, name="images")

    @tf.function(input_signature=[spec], autograph=False)
    def serve(images):
        return answering.answers(logits(tf.cast(images, tf.float32) / 255.0))

    try:
        model, _ = tf2onnx.convert.from_function(serve, [spec], opset=_OPERATIONS)
    # The converter's errors have no common class but this one.
    except Exception as error:
        said = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise ValueError(f"the ONNX converter fails: {said}") from error
    for each in (*model.graph.input, *model.graph.output):
        each.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(model, dict(texts))
    return model.SerializeToString()
