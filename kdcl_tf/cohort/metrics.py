"""The metrics of a cohort: the same ones for every student, and the ensemble's accuracy."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

# Where Keras's callbacks look for the direction of a metric; it has no public name.
from keras.src.trainers.compile_utils import MetricsList

from kdcl_tf.cohort import configurations
from kdcl_tf.cohort.from_logits import of_logits
from kdcl_tf.cohort.step import Step
from kdcl_tf.objectives import targets

__all__ = ["CohortMetrics"]

# Kinds of metrics of each student, and whether they are to rise or to fall.
_PER_STUDENT = {
    "accuracy": "up",
    "top_5_accuracy": "up",
    "cross_entropy": "down",
    "distillation_loss": "down",
}


class _Mean(keras.metrics.Mean):
    """A mean with a direction, by which Keras's callbacks know what is better."""

    def __init__(self, name: str, direction: str):
        super().__init__(name=name)
        self._direction = direction


class _Loss(MetricsList):
    """The mean loss, in which Keras's callbacks find all metrics with a direction.

    Keras looks for them in its own lists of metrics alone, and a cohort has none.

    Args:
      others: gives the metrics with a direction.
    """

    def __init__(self, others: Callable[[], list[keras.metrics.Metric]]):
        keras.metrics.Metric.__init__(self, name="loss")
        self._mean = keras.metrics.Mean(name="loss")
        # A function, since Keras would take a list of metrics for parts of this one.
        self._others = others

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The other metrics of the cohort."""
        return self._others()

    @property
    def total(self) -> keras.Variable:
        """The sum, as of `keras.metrics.Mean`."""
        return self._mean.total

    @property
    def count(self) -> keras.Variable:
        """The weights of what was added up."""
        return self._mean.count

    def update_state(self, values: tf.Tensor, sample_weight: tf.Tensor | None = None) -> None:
        self._mean.update_state(values, sample_weight)

    def result(self) -> tf.Tensor:
        return self._mean.result()

    def reset_state(self) -> None:
        self._mean.reset_state()


class CohortMetrics:
    """All metrics of a cohort; those of a student have names that start with the student's.

    `loss` and the two losses of each student are what the optimizer sees: weighted by
    `sample_weight` and averaged over examples.  Accuracies are not weighted.  A prediction
    is among the top k if fewer than k other classes have a logit as large as the true one's
    or larger, so that ties count against it, and NaN is a miss.  Keras ignores the metrics of
    nested models, so the cohort owns them all.

    Args:
      students: names, in order.
      num_classes: C; where it is 5 or less, only NaN is not among the "top 5".

    Attributes:
      loss: the mean of the whole loss.
      ensemble: the accuracy of the ensemble.
      own: `{student: {kind: metric}}`.
      added: the arguments of the last `add`, as lists by student.
    """

    def __init__(self, students: Sequence[str], num_classes: int):
        self._students = students
        self.loss = _Loss(lambda: self.all[1:])
        self.ensemble = _Mean("ensemble_accuracy", "up")
        self.own = {
            name: {
                kind: _Mean(f"{name}_{kind}", direction) for kind, direction in _PER_STUDENT.items()
            }
            for name in students
        }
        self.add(None, None)

    def add(self, metrics: Any, weighted_metrics: Any) -> None:
        """Gives every student a copy of each further metric; replaces those added before.

        Args:
          metrics: one or a list, of whatever Keras takes as a metric, or None; or a dict of
            these by student.
          weighted_metrics: the same; these are weighted by `sample_weight`.

        Raises:
          ValueError: when two metrics would have one name, a dict names no student, or the
            configuration of a metric lacks arguments of its constructor.
        """
        self.added = {
            "metrics": self._by_student(metrics),
            "weighted_metrics": self._by_student(weighted_metrics),
        }
        self._copies = [
            (row, metric, weighted, prefix)
            for weighted, of_students in enumerate(self.added.values())
            for row, name in enumerate(self._students)
            for identifier in of_students[name]
            if weighted or not _is_accuracy(identifier)
            for prefix in [f"{name}_weighted" if weighted else name]
            for metric in [_copy(identifier, prefix)]
        ]
        _check_names([metric.name for metric in self.all])

    def _by_student(self, metrics):
        """`{student: [metric]}`."""
        if not isinstance(metrics, Mapping):
            return {name: _listed(metrics) for name in self._students}
        unknown = sorted(set(metrics) - set(self._students))
        if unknown:
            raise ValueError(
                f"metrics expected a dict by student, of {', '.join(self._students)}; got "
                f"{', '.join(map(repr, unknown))}"
            )
        return {name: _listed(metrics.get(name)) for name in self._students}

    @property
    def all(self) -> list[keras.metrics.Metric]:
        """The metrics as a flat list."""
        own = [metric for kinds in self.own.values() for metric in kinds.values()]
        return [self.loss, *own, self.ensemble, *[metric for _, metric, *_ in self._copies]]

    @property
    def losses(self) -> list[keras.metrics.Metric]:
        """The loss, then cross-entropy and distillation loss of each student, in order."""
        kinds = ("cross_entropy", "distillation_loss")
        return [self.loss, *[own[kind] for own in self.own.values() for kind in kinds]]

    def update(
        self,
        step: Step,
        average: tf.Tensor,
        labels: tf.Tensor,
        sample_weight: tf.Tensor | None,
    ) -> None:
        """Counts one batch.

        Args:
          step: of the whole batch.
          average: `[B, C]` probabilities of the ensemble.
          labels: `[B]` classes or `[B, C]` probabilities.
          sample_weight: `[B]` or None, for the weighted metrics that were added.
        """
        dense = targets.dense_labels(labels, average.shape[-1])
        classes = tf.argmax(dense, axis=-1, output_type=tf.int32)
        self.loss.update_state(tf.reduce_sum(step.loss, axis=0) + tf.add_n(step.penalties))
        self.ensemble.update_state(_hits(average, classes))
        for row, kinds in enumerate(self.own.values()):
            logits = step.logits[row]
            kinds["accuracy"].update_state(_hits(logits, classes))
            kinds["top_5_accuracy"].update_state(_hits(logits, classes, top=5))
            kinds["cross_entropy"].update_state(step.cross_entropy[row])
            kinds["distillation_loss"].update_state(step.distillation_loss[row])
        for row, metric, weighted, _ in self._copies:
            weight = sample_weight if weighted else None
            metric.update_state(labels, step.logits[row], sample_weight=weight)

    def results(self, metrics: Sequence[keras.metrics.Metric]) -> dict[str, Any]:
        """`{name: result}` of metrics, of which one may give several: a dict.

        In a student's, the keys of a dict get the student's name before them.

        Args:
          metrics: `all`, and those of a subclass, whose keys stay as they are.  One that is there
            twice, as Keras's own list of them has those of an attribute, counts once.

        Raises:
          ValueError: when two results would have one name.
        """
        prefixes = {id(metric): f"{prefix}_" for _, metric, _, prefix in self._copies}
        named = []
        for metric in {id(each): each for each in metrics}.values():
            result = metric.result()
            several = result if isinstance(result, Mapping) else {"": result}
            prefix = prefixes.get(id(metric), "") if isinstance(result, Mapping) else metric.name
            named += [(f"{prefix}{key}", value) for key, value in several.items()]
        _check_names([name for name, _ in named])
        return dict(named)

    def by_class(self, step: Step, labels: tf.Tensor) -> tf.Tensor:
        """The images of a batch by class, and those that each student classifies right.

        Args:
          step: of the batch.
          labels: `[B]` classes or `[B, C]` probabilities.

        Returns:
          `[1 + M, C]` float32 counts.
        """
        dense = targets.dense_labels(labels, step.logits.shape[-1])
        classes = tf.argmax(dense, axis=-1, output_type=tf.int32)
        rows = [_hits(step.logits[row], classes) for row in range(len(self.own))]
        members = tf.one_hot(classes, step.logits.shape[-1])
        return tf.matmul(tf.stack([tf.ones_like(rows[0]), *rows]), members)


def _hits(scores, classes, top=1):
    """`[B]`, 1.0 where the true class is among the best `top`, else 0.0; see `CohortMetrics`."""
    of_true = tf.gather(scores, classes, axis=-1, batch_dims=1)[:, tf.newaxis]
    # Not `>=`: NaN is not less than anything, and counts as larger.
    rivals = tf.reduce_sum(tf.cast(~(scores < of_true), tf.int32), axis=-1) - 1
    is_number = ~tf.math.is_nan(of_true[:, 0])
    return tf.cast((rivals < top) & is_number, tf.float32)


def _listed(metrics):
    listed = list(metrics) if isinstance(metrics, (list, tuple)) else [metrics]
    if metrics is not None and None in listed:
        raise ValueError(f"expected a metric in each place of metrics=[...]; got {listed}")
    return [] if metrics is None else listed


def _is_accuracy(identifier):
    return isinstance(identifier, str) and identifier.lower() in ("accuracy", "acc")


def _accuracy(labels, logits):
    dense = targets.dense_labels(labels, logits.shape[-1])
    return _hits(logits, tf.argmax(dense, axis=-1, output_type=tf.int32))


def _check_names(names):
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"expected metrics of different names; got two called {', '.join(twice)}: rename the "
            "student, or give the metric, or the key of its result, a name of its own"
        )


def _copy(identifier, prefix):
    """A fresh metric of the same configuration, its name after the student's."""
    if _is_accuracy(identifier):
        return _wrapped(_accuracy, f"{prefix}_accuracy")
    metric = keras.metrics.get(identifier)
    if isinstance(metric, type):
        metric = metric()
    # As Keras, which names a metric as it was asked for.
    name = identifier if isinstance(identifier, str) else _name(metric)
    # An object, or its configuration, may say that it takes probabilities.
    is_told = not isinstance(identifier, (str, type))
    if not isinstance(metric, keras.metrics.Metric):
        return _wrapped(of_logits(metric, is_told), f"{prefix}_{name}")
    copy = _of_same_configuration(metric) if metric is identifier else metric
    copy.name = f"{prefix}_{name}"
    return of_logits(copy, is_told)


def _of_same_configuration(metric):
    kind = type(metric)
    if kind is keras.metrics.MeanMetricWrapper:
        # Keras makes a function again of its name only where it is registered.
        return kind(metric._fn, dtype=metric.dtype, **metric._fn_kwargs)
    config = metric.get_config()
    # A wrapper's configuration may lack what it passes on, as Keras's sparse top-k's does.
    for argument, value in getattr(metric, "_fn_kwargs", {}).items():
        if configurations.takes(kind, argument):
            config.setdefault(argument, value)
    made_by = [configurations.is_of("keras", each) for each in (kind.__init__, kind.from_config)]
    if made_by == [False, True]:
        configurations.check(kind, config, "from which each student's own metric is made")
    for argument in ("name", "dtype"):
        if not configurations.accepts(kind, argument):
            config.pop(argument, None)
    return kind.from_config(config)


def _name(function):
    """The name of a function, of a loss object, or of what a `functools.partial` calls."""
    function = getattr(function, "func", function)
    own = getattr(function, "name", None) or getattr(function, "__name__", None)
    return own or type(function).__name__


def _wrapped(function, name):
    """The mean of a function of labels and logits; of one of Keras's, with its direction."""
    is_loss = isinstance(function, keras.losses.Loss)
    mean = keras.metrics.MeanMetricWrapper(
        _of_each_example(function) if is_loss else function, name=name
    )
    if is_loss or hasattr(keras.losses, _name(function)):
        mean._direction = "down"
    elif _name(function).endswith("_accuracy"):
        mean._direction = "up"
    return mean


def _of_each_example(loss):
    """The `[B]` losses of a loss object, which by itself gives their mean, without weights."""
    return lambda labels, logits: loss.call(tf.cast(labels, tf.float32), logits)
