"""What `Loop` is told of a cohort that learns to classify."""

import math

from kdcl_tf.data.bad_images import BadImageError
from kdcl_tf.distribution import strategies
from kdcl_tf.methods.kdcl import NoHeldOutError
from kdcl_tf.training.task import Task

_EVALUATION_BATCH = 256


class Classification(Task):
    """A compiled cohort on views of a data set: the task of `kdcl-train`.

    Args:
      cohort: compiled, made under `strategy`.
      views: `data.Views` or `data.EncodedViews`, the distorted training images.
      settings: `Settings`.
      strategy: `tf.distribute.Strategy`.
    """

    def __init__(self, cohort, views, settings, strategy):
        super().__init__(cohort, views, strategy)
        self._settings, self._dataset = settings, views.dataset

    def passes_over(self, batch):
        """Whether all images of a batch are bad ones that are passed over.

        Raises:
          BadImageError: when too few are left for the parts that a step is run in.
        """
        _, labels = batch
        left = min(len(each) for each in self._strategy.experimental_local_results(labels))
        parts = self._settings.accumulation_steps
        if 0 < left < parts and not strategies.takes_empty_batches():
            raise BadImageError(
                f"images that cannot be decoded leave {left} of a step on a device, fewer than "
                f"--accumulation_steps={parts}: mend or remove them, or pass fewer steps to a "
                "new --workdir"
            )
        return left == 0

    def guilty(self, means):
        """The students whose losses are not finite."""
        pairs = list(zip(self.model.students, means[::2], means[1::2]))
        # A soft target that is NaN spoils everyone; the cross-entropy tells whose it was.
        names = [name for name, entropy, _ in pairs if not math.isfinite(entropy)]
        names = names or [name for name, _, other in pairs if not math.isfinite(other)]
        return f"the loss of student {', '.join(names) or '(regularisation)'}"

    def owner(self, variable):
        """The students that have the variable."""
        return "".join(
            f" of student {name}"
            for name, student in self.model.students.items()
            if any(variable is each for each in student.variables)
        )

    def renew(self, replicas):
        """General's weights, fitted to the held-out images.

        Raises:
          BadImageError: when all of those are bad ones that are passed over.
        """
        if not self._settings.uses_general:
            return {}
        batches = self._batches(self._dataset.held_out)
        measure = replicas.measure_function(batches.element_spec)
        try:
            weights = self.model.renew_ensemble(batches, measure)
        except NoHeldOutError as error:
            count = len(self._dataset.held_out)
            raise BadImageError(f"none of the {count} held-out images can be decoded") from error
        return {f"general_weight_{name}": value for name, value in weights.items()}

    def evaluate(self, replicas):
        """Every test image counts once; the last partial batch included."""
        batches = self._batches(self._dataset.test)
        test = replicas.test_function(batches.element_spec)
        self.model.reset_metrics()
        for batch in batches:
            test(batch)
        return {f"test_{name}": value for name, value in replicas.metrics().items()}

    def problems(self):
        """How many images were bad, where they are passed over."""
        return self._dataset.problems()

    def summary(self, record):
        """Each student's accuracy."""
        accuracies = [
            f"{name} {record[f'test_{name}_accuracy']:.1%}"
            for name in self.model.students
            if f"test_{name}_accuracy" in record
        ]
        return f"test accuracy {', '.join(accuracies)}" if accuracies else ""

    def _batches(self, split):
        """Every image of a split once, each replica its part."""
        size = strategies.evaluation_batch(self._strategy, len(split), _EVALUATION_BATCH)
        return strategies.distribute(
            self._strategy, lambda share: self._dataset.batches(split, size, share)
        )
