"""The settings of `kdcl-train`, checked before TensorFlow is even imported."""

from kdcl_tf.classification.settings.classification_settings import (
    CLASS_WEIGHTS,
    GENERAL_CONSTRAINTS,
    GENERAL_ERRORS,
    KEEPS,
    METHODS,
    PLACEMENTS,
    Settings,
)
from kdcl_tf.classification.settings.ramps import Ramp

__all__ = [
    "CLASS_WEIGHTS",
    "GENERAL_CONSTRAINTS",
    "GENERAL_ERRORS",
    "KEEPS",
    "METHODS",
    "PLACEMENTS",
    "Ramp",
    "Settings",
]
