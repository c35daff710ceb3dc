"""What `Loop` is told of a cohort that learns to classify."""

import math

from kdcl_tf.training import strategies

_EVALUATION_BATCH = 256


class Classification:
    """A compiled cohort on views of a data set: the task of `kdcl-train`.

    Args:
      cohort: compiled, made under `strategy`.
      views: `data.Views` or `data.EncodedViews`, the distorted training images.
      settings: `Settings`.
      strategy: `tf.distribute.Strategy`.

    Attributes:
      model: the cohort.
      images: in an epoch.
    """

    def __init__(self, cohort, views, settings, strategy):
        self.model, self._views, self._settings = cohort, views, settings
        self._dataset, self._strategy = views.dataset, strategy
        self.images = len(self._dataset.train)

    def steps_per_epoch(self, batch_size):
        """Batches of an epoch, the last partial one included."""
        return self._views.steps_per_epoch(batch_size)

    def epoch(self, epoch, batch_size, skip, share):
        """The batches of an epoch, without the first `skip`; a `data.Share` of each."""
        return self._views.epoch(epoch, batch_size, skip, share)

    def guilty(self, means):
        """Whose loss is not finite.

        Args:
          means: of the losses that the cohort lets be watched, after the first.
        """
        pairs = list(zip(self.model.students, means[::2], means[1::2]))
        # A soft target that is NaN spoils everyone; the cross-entropy tells whose it was.
        names = [name for name, entropy, _ in pairs if not math.isfinite(entropy)]
        names = names or [name for name, _, other in pairs if not math.isfinite(other)]
        return f"the loss of student {', '.join(names) or '(regularisation)'}"

    def owner(self, variable):
        """Whose variable it is, as a person reads it after the variable's name."""
        return "".join(
            f" of student {name}"
            for name, student in self.model.students.items()
            if any(variable is each for each in student.variables)
        )

    def renew(self, replicas):
        """What is made anew after each epoch: General's weights; returns them for the log."""
        if not self._settings.uses_general:
            return {}
        batches = self._batches(self._dataset.held_out)
        measure = replicas.measure_function(batches.element_spec)
        weights = self.model.renew_ensemble(batches, measure)
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
        """What the log says of the data, such as how many images were bad."""
        return self._dataset.problems()

    def summary(self, record):
        """The evaluation in a line for a person, or "" where there was none."""
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
