"""What the settings of every program that trains have in common."""

from kdcl_tf.training.settings.paths import PATH_SETTINGS
from kdcl_tf.training.settings.training_settings import (
    FLOAT32,
    MACHINE_SETTINGS,
    OPTIMIZERS,
    POLICIES,
    PRECISIONS,
    SCHEDULES,
    STRATEGIES,
    TrainingSettings,
    as_text,
    float32_has,
    milestones_at,
    of_machine,
)

__all__ = [
    "FLOAT32",
    "MACHINE_SETTINGS",
    "OPTIMIZERS",
    "PATH_SETTINGS",
    "POLICIES",
    "PRECISIONS",
    "SCHEDULES",
    "STRATEGIES",
    "TrainingSettings",
    "as_text",
    "float32_has",
    "milestones_at",
    "of_machine",
]
