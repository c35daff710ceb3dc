"""KDCL: every student learns from one ensemble of them all."""

import keras
import tensorflow as tf

from kdcl_tf.cohort.cohort import Cohort
from kdcl_tf.objectives import ensembles, losses, targets


class NoHeldOutError(ValueError):
    """There is no image to fit General's weights to."""


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
        self, students, ensemble="min_logit", temperature=2.0, distillation_weight=1.0, **kwargs
    ):
        super().__init__(students, temperature, distillation_weight, **kwargs)
        self.ensemble = ensembles.get(ensemble)
        self.ensemble.connect(len(self.students))
        self._measure = tf.function(self.error_sums, reduce_retracing=True)

    def distillation_losses(self, logits, labels, views):
        soft = self.ensemble.soft_target(logits, labels, self.temperature)
        return tf.stack(
            [losses.distillation(soft, each, self.temperature) for each in tf.unstack(logits)]
        )

    def average(self, logits):
        return self.ensemble.average(logits)

    def renew_ensemble(self, held_out, measure=None):
        """Fits the weights of a `General` ensemble to held-out images.

        Args:
          held_out: an iterable of `(images or {name: view}, labels)` batches, undistorted
            and not trained on.
          measure: gives the `error_sums` of a batch; by default on this device alone.

        Returns:
          `{name: weight}`.

        Raises:
          ValueError: when the ensemble has no weights; NoHeldOutError, which is one, when
            `held_out` has no examples.
        """
        if not isinstance(self.ensemble, ensembles.General):
            raise ValueError(f"{type(self.ensemble).__name__} has no weights to renew")
        measure, total, examples = measure or self._measure, 0.0, 0.0
        for batch in held_out:
            matrix, count = measure(batch)
            total, examples = total + matrix, examples + count
        if not examples:
            raise NoHeldOutError("General's weights need held-out images; got none")
        weights = self.ensemble.renew(total / examples)
        return {name: float(weight) for name, weight in zip(self.students, weights)}

    def error_sums(self, batch):
        """What `renew_ensemble` adds up.

        Inside `strategy.run` it is that of all replicas, so that all find the same weights.

        Args:
          batch: `(images or {name: view}, labels)`.

        Returns:
          `[M, M]`, C of Eq. 10 times the number of examples, and that number; float64.
        """
        inputs, labels = batch
        errors = self.ensemble.errors(self.stacked_logits(self.views(inputs)), labels)
        examples = tf.cast(tf.shape(labels)[0], tf.float64)
        sums = (targets.error_matrix(errors) * examples, examples)
        replica = tf.distribute.get_replica_context()
        return replica.all_reduce(tf.distribute.ReduceOp.SUM, sums) if replica else sums

    def get_config(self):
        ensemble = keras.saving.serialize_keras_object(self.ensemble)
        return {**super().get_config(), "ensemble": ensemble}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        ensemble = keras.saving.deserialize_keras_object(config["ensemble"], custom_objects)
        return super().from_config({**config, "ensemble": ensemble}, custom_objects)
