"""The images of a run that are evaluated as they are, not distorted: test, validation, held-out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from kdcl_tf.classification import balance
from kdcl_tf.cohort import Cohort
from kdcl_tf.data import measuring
from kdcl_tf.data.bad_images import BadImageError
from kdcl_tf.data.dataset import ImageDataset
from kdcl_tf.data.encoded import EncodedSplit
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.data.stream import Share
from kdcl_tf.distribution import strategies
from kdcl_tf.distribution.replicas import Replicas
from kdcl_tf.methods.kdcl import NoHeldOutError

__all__ = ["Evaluation"]

_BATCH = 256


class Evaluation:
    """Runs a cohort on every image of a split once, each replica its part.

    Args:
      model: the cohort, compiled.
      dataset: of the images.
      strategy: that the cohort was built under.
      normalizations: `{student: Normalization}` of those that have their own.
    """

    def __init__(
        self,
        model: Cohort,
        dataset: ImageDataset,
        strategy: tf.distribute.Strategy,
        normalizations: Mapping[str, Normalization] | None,
    ):
        self._model, self._dataset, self._strategy = model, dataset, strategy
        self._normalizations, self._made = normalizations, {}

    def metrics(self, replicas: Replicas) -> dict[str, float]:
        """`{test_<metric>: value}`, and `validation_<metric>` where there is such a set."""
        splits = {"validation": self._dataset.validation, "test": self._dataset.test}
        return {
            f"{split}_{name}": value
            for split, images in splits.items()
            if images is not None
            for name, value in self._of_split(replicas, images).items()
        }

    def _of_split(self, replicas, split):
        """The metrics on a split, with balanced accuracies where its classes differ in size."""
        batches, classes = self._batches(split), self._dataset.num_classes
        self._model.reset_metrics()
        if not balance.differ(split.labels, classes):
            test = replicas.test_function(batches.element_spec)
            for batch in batches:
                test(batch)
            return replicas.metrics()
        test = replicas.sum_function(self._model.test_by_class, batches.element_spec)
        counts = np.zeros([1 + len(self._model.students), classes])
        for batch in batches:
            counts += test(batch).numpy()
        return {**replicas.metrics(), **balance.accuracies(counts, self._model.students)}

    def renew_ensemble(self, replicas: Replicas) -> dict[str, float]:
        """Fits General's weights to the held-out images.

        Returns:
          `{general_weight_<student>: weight}`.

        Raises:
          BadImageError: when none of these images can be decoded.
        """
        batches = self._batches(self._dataset.held_out)
        measure = replicas.sum_function(self._model.error_sums, batches.element_spec)
        try:
            weights = self._model.renew_ensemble(batches, measure)
        except NoHeldOutError as error:
            count = len(self._dataset.held_out)
            raise BadImageError(f"none of the {count} held-out images can be decoded") from error
        return {f"general_weight_{name}": value for name, value in weights.items()}

    def check_images(self, share: Share, with_held_out: bool) -> None:
        """Decodes the images that this process will, where they are not decoded in memory.

        Args:
          share: the part of every batch that it reads.
          with_held_out: whether held-out images are read, too.

        Raises:
          BadImageError: at the first that cannot be decoded, unless skipped.
        """
        dataset = self._dataset
        splits = {"test": dataset.test, "validation": dataset.validation}
        if with_held_out:
            splits["held-out"] = dataset.held_out
        for kind, split in splits.items():
            if isinstance(split, EncodedSplit):
                own = share.positions(len(split), self._batch_size(split))
                # What lies in memory is copied where it is taken.
                measuring.check(split if len(own) == len(split) else split.take(own), kind)

    def _batch_size(self, split):
        return strategies.evaluation_batch(self._strategy, len(split), _BATCH)

    def _batches(self, split):
        """The same data set each time, so that a function of it is traced once."""
        if id(split) not in self._made:
            size = self._batch_size(split)
            self._made[id(split)] = strategies.distribute(
                self._strategy,
                lambda share: self._dataset.batches(split, size, share, self._normalizations),
            )
        return self._made[id(split)]
