"""KDCL: every student learns from one ensemble of them all."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf.cohort import configurations
from kdcl_tf.cohort.cohort import Cohort
from kdcl_tf.cohort.fitting import told_in_one_line
from kdcl_tf.objectives import ensembles, losses, targets

__all__ = ["KDCL", "NoHeldOutError"]


class NoHeldOutError(ValueError):
    """There are no held-out images to fit General's weights to."""

    def __init__(
        self, message: str = "expected held-out images to fit General's weights to; got none"
    ):
        super().__init__(message)


@keras.saving.register_keras_serializable(package="kdcl_tf")
class KDCL(Cohort):
    """Knowledge distillation via collaborative learning (Guo et al., CVPR 2020, Eq. 2).

    Args:
      students: `{name: keras.Model}`, see `Cohort`.
      ensemble: `"naive"`, `"linear"`, `"min_logit"`, `"general"`, or an `Ensemble`.
      temperature: T, 2 in the paper's CIFAR experiments.
      distillation_weight: lambda, 1 in the paper.
    """

    def __init__(
        self,
        students: dict[str, keras.Model],
        ensemble: str | ensembles.Ensemble = "min_logit",
        temperature: float = 2.0,
        distillation_weight: float = 1.0,
        **kwargs,
    ):
        super().__init__(students, temperature, distillation_weight, **kwargs)
        self.ensemble = ensembles.get(ensemble)
        _check_belongs_to_no_cohort(self.ensemble, len(self.students))
        self.ensemble.connect(len(self.students))
        self.ensemble.student_names = tuple(self.students)
        _check_has_nothing_to_train(self.ensemble)
        self._measure = tf.function(self.error_sums, reduce_retracing=True, autograph=False)

    def distillation_losses(
        self, logits: tf.Tensor, labels: tf.Tensor, views: dict[str, tf.Tensor]
    ) -> tf.Tensor:
        soft = self.ensemble.soft_target(logits, labels, self.temperature)
        # Its layers may have made theirs only now.
        _check_has_nothing_to_train(self.ensemble)
        _check_target(soft, logits, type(self.ensemble).__name__)
        return tf.stack(
            [losses.distillation(soft, each, self.temperature) for each in tf.unstack(logits)]
        )

    def average(self, logits: tf.Tensor) -> tf.Tensor:
        return self.ensemble.average(logits)

    def check_callbacks(self, callbacks: Sequence[Any]) -> None:
        """Says where no callback renews the weights of a General ensemble."""
        renewed = any(getattr(each, "renews_ensemble", False) for each in callbacks)
        is_fitted = (
            isinstance(self.ensemble, ensembles.General) and self.ensemble.constraint != "equal"
        )
        if is_fitted and not renewed:
            warnings.warn(
                "the weights of a General ensemble stay as they are, since no callback renews "
                "them: pass callbacks=[kdcl_tf.callbacks.GeneralWeights(held_out)] to fit",
                stacklevel=3,
            )

    def renew_ensemble(
        self,
        held_out: Iterable,
        measure: Callable[[Any], tuple[tf.Tensor, tf.Tensor]] | None = None,
    ) -> dict[str, float]:
        """Fits the weights of a `General` ensemble to held-out images.

        Args:
          held_out: an iterable of `(images or {name: view}, labels)` batches, undistorted
            and not trained on; a third element is the weight of each image.
          measure: maps a batch to its `error_sums`, summed over all replicas; without it
            each batch is measured on this device alone.

        Returns:
          `{name: weight}`.

        Raises:
          NoHeldOutError: when `held_out` has no examples.
          ValueError: when the ensemble has no weights, the errors on a batch are not finite, or
            its labels are no classes of the students.
        """
        if not isinstance(self.ensemble, ensembles.General):
            raise ValueError(
                "expected a General ensemble; got "
                f"{type(self.ensemble).__name__}, which has no weights to renew"
            )
        measure, total, examples = measure or self._measure, 0.0, 0.0
        for number, batch in enumerate(held_out):
            with told_in_one_line():
                matrix, count = measure(batch)
            if not np.isfinite(matrix).all():
                raise ValueError(self._not_finite(number, batch, matrix))
            total, examples = total + matrix, examples + count
        if not examples:
            raise NoHeldOutError
        weights = self.ensemble.renew(total / examples)
        return {name: float(weight) for name, weight in zip(self.students, weights)}

    def _not_finite(self, number, batch, matrix):
        """Says which images, or which students, gave errors that are no numbers."""
        images, *_ = keras.utils.unpack_x_y_sample_weight(batch)
        arrays = [np.asarray(each) for each in tf.nest.flatten(images)]
        bad = [~np.isfinite(each).all(axis=tuple(range(1, each.ndim))) for each in arrays]
        places = np.flatnonzero(np.any(bad, axis=0))
        if len(places):
            which = f"image {places[0]} of batch {number} has pixels that are not finite"
        else:
            names = [
                name for name, own in zip(self.students, np.diag(matrix)) if not np.isfinite(own)
            ]
            which = f"student {', '.join(names)} gives NaN for images of batch {number}"
        return f"expected held-out images with finite logits; got none: {which}, counted from 0"

    def error_sums(self, batch: tuple) -> tuple[tf.Tensor, tf.Tensor]:
        """The sums over a batch, or a replica's part of one, that `renew_ensemble` adds up.

        Args:
          batch: `(images or {name: view}, labels)`, or with a weight for each image.

        Returns:
          `[M, M]`, C of Eq. 10 times the number of examples, and that number; float64.  An
          example counts as often as its weight says.
        """
        views, labels, weights = self._unpack(batch)
        errors = self.ensemble.errors(self.forward(views), labels)
        count = tf.cast(tf.shape(labels)[0], tf.float64)
        if weights is None:
            return targets.error_matrix(errors) * count, count
        weights = tf.reshape(tf.cast(weights, errors.dtype), [-1])
        roots = tf.sqrt(weights)[:, tf.newaxis] if errors.shape.rank == 3 else tf.sqrt(weights)
        matrix = targets.error_matrix(errors * roots) * count
        return matrix, tf.reduce_sum(tf.cast(weights, tf.float64))

    def filed_by_position(self) -> str:
        if self.ensemble.variables and not isinstance(self.ensemble, ensembles.General):
            return f"what {type(self.ensemble).__name__} keeps of them is"
        return super().filed_by_position()

    def get_config(self) -> dict[str, Any]:
        kind = type(self.ensemble)
        if configurations.is_of("keras", kind.from_config):
            made = "of which that of a saved or cloned cohort is made again"
            configurations.check(kind, self.ensemble.get_config(), made)
        ensemble = keras.saving.serialize_keras_object(self.ensemble)
        return {**super().get_config(), "ensemble": ensemble}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None):
        ensemble = keras.saving.deserialize_keras_object(config["ensemble"], custom_objects)
        return super().from_config({**config, "ensemble": ensemble}, custom_objects)


def _check_target(soft, logits, ensemble):
    """Refuses a soft target that is none for each image, which losses would repeat for all."""
    shape = tf.TensorShape(getattr(soft, "shape", None))
    is_one = logits.shape[1] is None and shape.rank == 2 and shape[0] == 1
    if shape.rank != 2 or is_one or not shape.is_compatible_with(logits.shape[1:]):
        raise ValueError(
            f"{ensemble}.soft_target: expected probabilities [B, C], a row for each image; got "
            + (f"{soft!r:.100}" if shape.rank is None else f"shape {shape}")
        )


def _check_belongs_to_no_cohort(ensemble, num_students):
    """Refuses one with weights of another cohort's students, which would be shared or lost."""
    if ensemble.student_names is not None and ensemble.variables:
        raise ValueError(
            f"expected a {type(ensemble).__name__} ensemble that belongs to no cohort; got one that "
            f"already belongs to {len(ensemble.student_names)} students, with which the cohort of "
            f"{num_students} would share its weights: give each its own"
        )


def _check_has_nothing_to_train(ensemble):
    names = [each.path for each in ensemble.trainable_variables]
    if names:
        raise ValueError(
            f"expected an ensemble without trainable weights; got {', '.join(names)}: no gradient "
            "reaches the soft target, so make them with trainable=False, and set them in a callback"
        )
