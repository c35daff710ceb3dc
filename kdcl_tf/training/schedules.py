"""Learning-rate schedules, in steps, from settings in epochs."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.training.settings import TrainingSettings

LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable(package="kdcl_tf")
class LinearWarmup(LearningRateSchedule):
    """Rises linearly for some steps, then follows another schedule, which began at the same time.

    Args:
      schedule: the `LearningRateSchedule` that follows; its step 0 is the first step here,
        so that milestones count from the start of training.
      warmup_steps: > 0.
      start: the rate at step 0.
    """

    def __init__(self, schedule: LearningRateSchedule, warmup_steps: int, start: float = 0.0):
        super().__init__()
        self.schedule, self.warmup_steps, self.start = schedule, warmup_steps, start

    def __call__(self, step) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        peak = self.schedule(tf.constant(0.0))
        rising = self.start + (peak - self.start) * step / float(self.warmup_steps)
        return tf.where(step < self.warmup_steps, rising, self.schedule(step))

    def get_config(self) -> dict[str, Any]:
        return {
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "warmup_steps": self.warmup_steps,
            "start": self.start,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LinearWarmup:
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(**{**config, "schedule": schedule})


def by_record(settings: TrainingSettings, steps_per_epoch: int) -> dict[str, LearningRateSchedule]:
    """`{name in the log: schedule}`: one, or one for each part that has a rate of its own."""
    if not isinstance(settings.learning_rate, str):
        return {"learning_rate": create(settings, steps_per_epoch)}
    return {
        f"{name}_learning_rate": create(settings, steps_per_epoch, rate)
        for name, rate in settings.rates.items()
    }


def create(
    settings: TrainingSettings, steps_per_epoch: int, peak: float | None = None
) -> LearningRateSchedule:
    """Creates the schedule of the settings, from steps to learning rates.

    `step` divides the rate by 10 after each milestone's epoch; `cosine` falls to 0 at the
    end; `constant` stays.

    Args:
      settings: of the run.
      steps_per_epoch: of all its images.
      peak: the rate after the warm-up; by default the settings'.
    """
    peak = settings.learning_rate if peak is None else peak
    total = settings.epochs * steps_per_epoch
    if settings.schedule == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay(peak, total)
    else:
        drops = settings.milestones if settings.schedule == "step" else ()
        # PiecewiseConstantDecay keeps the old value at the boundary itself; step n * S is
        # the first of epoch n + 1 and must already have the new one.
        boundaries = [epochs * steps_per_epoch - 1 for epochs in drops]
        values = [peak * 0.1**number for number in range(len(drops) + 1)]
        schedule = (
            keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
            if boundaries
            else keras.optimizers.schedules.PiecewiseConstantDecay([total], [peak, peak])
        )
    steps = settings.warmup_steps_of(steps_per_epoch)
    if not steps:
        return schedule
    return LinearWarmup(schedule, steps, settings.warmup_learning_rate)
