"""How Keras saves a cohort and makes it again."""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["SavedCohort"]


class SavedCohort(keras.Model):
    """The configurations of a cohort that a `.keras` file keeps beside the weights.

    `Cohort` inherits them.  A subclass with constructor arguments of its own extends
    `get_config`, and `from_config` where an argument is a Keras object.
    """

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            "students": keras.saving.serialize_keras_object(dict(self.students)),
            "temperature": self.temperature,
            "distillation_weight": self.distillation_weight,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None) -> SavedCohort:
        """A cohort from what `get_config` gave."""
        students = keras.saving.deserialize_keras_object(config["students"], custom_objects)
        return cls(**{**config, "students": students})

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile`, without devices; None before it was called."""
        if not self.compiled:
            return None
        optimizer = self.student_optimizers or self.optimizer
        config = {
            "run_eagerly": self.run_eagerly,
            "jit_compile": self.jit_compile,
            "steps_per_execution": self.steps_per_execution,
            "accumulation_steps": self.accumulation_steps,
        }
        objects = {
            "optimizer": dict(optimizer) if isinstance(optimizer, dict) else optimizer,
            **self.cohort_metrics.added,
        }
        return {**config, **keras.saving.serialize_keras_object(objects)}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Calls `compile` with what `get_compile_config` gave."""
        self.compile(**keras.saving.deserialize_keras_object(config))
