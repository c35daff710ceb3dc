"""The normalisation that Keras's weights for ImageNet were trained with, by its name in Keras.

Importing this module imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import re

__all__ = ["SIGNED_BYTES", "mode_of"]

# -1 to just below 1, of EfficientNetV2's three larger sizes: Keras has no name for it.
SIGNED_BYTES = "signed_bytes"

_PATTERNS = (
    (r"(ResNet(50|101|152)|VGG(16|19))", "caffe"),
    (r"(DenseNet\d+|EfficientNetB\d|EfficientNetV2B\d|ConvNeXt\w+)", "torch"),
    (r"EfficientNetV2[SML]", SIGNED_BYTES),
    (
        r"(ResNet\d+V2|InceptionV3|InceptionResNetV2|Xception|NASNet(Mobile|Large)"
        r"|MobileNet(V2|V3Small|V3Large)?)",
        "tf",
    ),
)


def mode_of(classifier: str) -> str:
    """ "tf", "caffe" or "torch", as `keras.applications` calls them, or `SIGNED_BYTES`.

    Some of the classifiers normalise in layers of their own, which students do without; their
    mode is what those layers compute.

    Raises:
      ValueError: for a classifier that is not known here.
    """
    for pattern, mode in _PATTERNS:
        if re.fullmatch(pattern, classifier):
            return mode
    raise ValueError(
        f"keras:{classifier}: expected a classifier whose normalisation is known here; got one that "
        "is not: give a file of its weights and its normalisation"
    )
