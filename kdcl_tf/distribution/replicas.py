"""The graphs that the loop runs on all replicas at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import keras
import tensorflow as tf


class Steps(NamedTuple):
    """What one or several steps gave.

    Attributes:
      means: `[W]` float32 of `watched` so far, of all replicas; if they ever were not finite,
        as they were then.
      requests: `[n]`, the sum of all replicas' in the last step.
      faulty: int32, the first step whose means are not finite, counted from 0; or -1.
      trained: int32, how many batches were trained on.
      few: int32, the images of the first batch that had some, but too few; or -1.
    """

    means: tf.Tensor
    requests: tf.Tensor
    faulty: tf.Tensor
    trained: tf.Tensor
    few: tf.Tensor


class _Reached(NamedTuple):
    """Where the steps of a call stand.  A graph passes it from step to step: it holds little.

    Attributes:
      sums: `[2W]` float32, the totals and then the counts of `watched` so far, of all replicas;
        if they ever were not finite, as they were then.
      faulty: as in `Steps`.
      batches: `(trained, few)` as in `Steps`; `()` where every batch is trained on.
    """

    sums: tf.Tensor
    faulty: tf.Tensor
    batches: tuple

    @classmethod
    def after(cls, means, counts_batches):
        """Before the first step of a call, after one that ended with these means."""
        batches = (tf.constant(0), tf.constant(-1)) if counts_batches else ()
        return cls(tf.concat([means, tf.ones_like(means)], axis=0), tf.constant(-1), batches)

    def trained(self, sums, index):
        """After a step of the call, whose number is `index`, that has led to these sums."""
        is_fault = (self.faulty < 0) & ~tf.reduce_all(tf.math.is_finite(sums))
        return _Reached(
            # Those of the first fault stay.
            sums=tf.where(self.faulty < 0, sums, self.sums),
            faulty=tf.where(is_fault, index, self.faulty),
            batches=self.batches and (self.batches[0] + 1, self.batches[1]),
        )

    def without(self, images):
        """After a batch that had so few images that it was passed over."""
        trained, few = self.batches
        return self._replace(batches=(trained, tf.where((images > 0) & (few < 0), images, few)))

    def as_steps(self, requests, count):
        """The result of a call that was to take `count` steps."""
        totals, counts = tf.split(self.sums, 2)
        trained, few = self.batches or (count, tf.constant(-1))
        return Steps(tf.math.divide_no_nan(totals, counts), requests, self.faulty, trained, few)


class Replicas:
    """A model's steps on every replica of a strategy, in step with the other workers.

    Each `..._function` takes the `element_spec` of the batches and returns a function of a
    batch, which is traced once.  Traced again for a batch of another size, it would give its
    sums over replicas new numbers, and workers whose batches differ would wait for ever for
    each other's.

    Args:
      strategy: `tf.distribute.Strategy`.
      model: compiled, made under it, with `watched`, metrics that are means.
    """

    def __init__(self, strategy: tf.distribute.Strategy, model: keras.Model):
        self._strategy, self._model = strategy, model
        self._functions = {}
        self._frozen = set()

    def renew(self, frozen: Iterable[keras.Variable]) -> None:
        """Traces all functions again, after something else of the model is trained.

        Args:
          frozen: variables that do not move from now on.
        """
        self._functions = {}
        self._frozen = {id(each) for each in frozen}

    def steps_function(
        self,
        iterator: Iterator,
        requests: tf.TensorSpec,
        several: bool,
        left: Callable[[Any], tf.Tensor] | None = None,
        least: int = 1,
    ) -> Callable[..., Steps]:
        """A function that takes steps in one graph.

        Its arguments are an iterator of batches; how many steps to take, an int32 scalar, 1
        unless `several`; this worker's `[n]` requests, such as to stop; and the means that a
        batch without images leaves as they are.  The iterator must have as many batches.

        Args:
          iterator: as those that the function will be given.
          requests: what requests are.
          several: whether one call may take more than one step.
          left: gives the images that a batch has left for the replica of this worker that has
            fewest; None where all batches are whole.
          least: images that a replica needs; a batch with fewer is passed over.
        """

        def taken(iterator, count, requests, means):
            dtype, requests = requests.dtype, tf.cast(requests, tf.float32)
            begun = _Reached.after(means, counts_batches=left is not None)
            if several:
                reached = self._loop(iterator, count, begun, left, least)
                # Once for all steps, and after them: nobody asks in between.
                with tf.control_dependencies([reached.sums]):
                    requests = self._first(self._sum_of_replicas, requests)
            else:
                reached, requests = self._taken(
                    iterator, begun, tf.constant(0), left, least, requests
                )
            return reached.as_steps(tf.cast(requests, dtype), count)

        means = tf.TensorSpec([len(self._model.watched)], tf.float32)
        signature = (
            tf.type_spec_from_value(iterator), tf.TensorSpec([], tf.int32), requests, means
        )  # fmt: skip
        return self._graph(taken, *signature, key=("steps", several))

    def test_function(self, spec: Any) -> Callable:
        """A function of a batch, which counts it in the metrics."""
        return self._graph(self._test_batch, spec)

    def sum_function(self, function: Callable, spec: Any) -> Callable:
        """A function of a batch, which gives sums over it, alike in every worker.

        Args:
          function: maps a replica's part to a structure of sums over its examples, of one
            type, since replicas reduce integers elsewhere than floats.  The graph is made once
            for each function.
          spec: `element_spec` of the batches.
        """

        def of_replica(batch):
            replica = tf.distribute.get_replica_context()
            return replica.all_reduce(tf.distribute.ReduceOp.SUM, function(batch))

        return self._graph(lambda batch: self._first(of_replica, batch), spec, key=function)

    def gather_function(self, function: Callable, spec: Any) -> Callable:
        """A function of a batch, which gives what all replicas make of their parts of it.

        Args:
          function: maps a replica's part, of B images, to a dict of tensors `[B, ...]`;
            bool may come back as 0 and 1.
          spec: `element_spec` of the batches.

        Returns:
          A function of a batch that gives that dict of the whole batch, in its order, in
          every worker.
        """

        def of_replica(batch):
            # Collectives do not take bool.
            return {name: _as_number(value) for name, value in function(batch).items()}

        def of_batch(batch):
            if self._strategy.num_replicas_in_sync == 1:
                return self._first(function, batch)
            parts = self._strategy.run(of_replica, args=(batch,))
            return {name: self._strategy.gather(part, axis=0) for name, part in parts.items()}

        return tf.function(of_batch, input_signature=[spec], autograph=False)

    def metrics(self) -> dict[str, float]:
        """`{name: value}` of the model's metrics, over all replicas."""
        values = self._graph(self._read_metrics)().numpy()
        return {metric.name: float(value) for metric, value in zip(self._model.metrics, values)}

    def align(self) -> None:
        """Gives every replica the mean of all replicas' moving statistics.

        Each moved its own, from its part of the batches.  Means of moving averages are moving
        averages of means, so that it changes nothing but rounding when this is done, and a
        run that is stopped inside an epoch is the run that was not.
        """
        if self._strategy.num_replicas_in_sync > 1:
            self._graph(self._average_statistics)()

    def _graph(self, function, *signature, key=None):
        key = key or function
        if key not in self._functions:
            # As Keras's `fit` does, whose graphs take a third less time to make so.
            self._functions[key] = tf.function(function, input_signature=signature, autograph=False)
        return self._functions[key]

    def _first(self, function, *args):
        """The first of the replicas' results, for functions whose results are all alike."""
        results = self._strategy.run(function, args=args)
        return tf.nest.map_structure(self._first_of, results)

    def _first_of(self, results):
        return self._strategy.experimental_local_results(results)[0]

    def _loop(self, iterator, count, begun, left, least):
        """`count` steps in a loop of the graph."""
        none = tf.zeros([0])
        _, reached = tf.while_loop(
            lambda index, _: index < count,
            lambda index, before: (
                index + 1,
                self._taken(iterator, before, index, left, least, none)[0],
            ),
            (tf.constant(0), begun),
        )
        return reached

    def _taken(self, iterator, before, index, left, least, requests):
        """One step more than `before`, the next batch's, and the sum of all replicas' requests."""
        batch = iterator.get_next()
        if left is None:
            return self._trained(batch, before, index, requests)
        images = left(batch)
        if isinstance(self._strategy, tf.distribute.MultiWorkerMirroredStrategy):
            # A worker that passed over a batch that another trains on would not answer it.
            images = self._fewest(images)
        return tf.cond(
            images >= least,
            lambda: self._trained(batch, before, index, requests),
            # None at all are a batch that is no step; a few are an error, whose first is kept.
            lambda: (before.without(images), tf.zeros_like(requests)),
        )

    def _fewest(self, images):
        """The least of all replicas' numbers."""
        replicas = self._strategy.num_replicas_in_sync

        def of_replica(images):
            own = tf.one_hot(tf.distribute.get_replica_context().replica_id_in_sync_group, replicas)
            # A sum, since replicas reduce by no minimum.
            return self._sum_of_replicas(own * tf.cast(images, tf.float32))

        return tf.cast(tf.reduce_min(self._first(of_replica, images)), tf.int32)

    def _trained(self, batch, before, index, requests):
        sums = self._first(self._train_part, batch, requests)
        watched = 2 * len(self._model.watched)
        return before.trained(sums[:watched], index), sums[watched:]

    def _train_part(self, batch, requests):
        """One replica's part of a step; the sums of metrics and requests over replicas, `[2W + n]`."""
        self._model.train_step(batch)
        watched = self._model.watched
        variables = [each.total for each in watched] + [each.count for each in watched]
        numbers = tf.stack([tf.convert_to_tensor(each.value) for each in variables])
        if requests.shape[0]:
            # One message for all of it, so that agreeing on when to stop costs nothing.
            numbers = tf.concat([numbers, requests], axis=0)
        return self._sum_of_replicas(numbers)

    def _sum_of_replicas(self, numbers):
        replica = tf.distribute.get_replica_context()
        # The sum is placed with a tensor, which an argument has no device for yet.
        return replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(numbers))

    def _test_batch(self, batch):
        self._strategy.run(self._model.test_step, args=(batch,))

    def _read_metrics(self):
        return tf.stack([metric.result() for metric in self._model.metrics])

    def _average_statistics(self):
        self._strategy.run(self._average_own_statistics)

    def _average_own_statistics(self):
        variables = [
            each
            for each in self._model.non_trainable_variables
            # Counters and seeds are alike already.
            if tf.as_dtype(each.dtype).is_floating and id(each) not in self._frozen
        ]
        if not variables:
            return
        means = tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.MEAN,
            # The sum is placed with a tensor; a variable's own value has no device yet.
            [tf.identity(tf.convert_to_tensor(each.value)) for each in variables],
        )
        for variable, mean in zip(variables, means):
            variable.assign(mean)


def _as_number(value):
    return tf.cast(value, tf.int32) if value.dtype == tf.bool else value
