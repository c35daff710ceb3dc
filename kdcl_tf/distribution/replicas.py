"""The graphs that the loop runs on all replicas at once."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf


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

    def train_function(self, spec: Any, requests: tf.TensorSpec) -> Callable:
        """A function of a batch and of this worker's `[n]` requests, such as to stop.

        It takes one step, and gives the `watched` means so far, and the sum of all replicas'
        requests.
        """
        return self._graph(self._train_batch, spec, requests)

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
        return {
            metric.name: float(value) for metric, value in zip(self._model.metrics, values)
        }

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
            self._functions[key] = tf.function(
                function, input_signature=signature, autograph=False
            )
        return self._functions[key]

    def _first(self, function, *args):
        """The first of the replicas' results, for functions whose results are all alike."""
        results = self._strategy.run(function, args=args)
        return tf.nest.map_structure(self._first_of, results)

    def _first_of(self, results):
        return self._strategy.experimental_local_results(results)[0]

    def _train_batch(self, batch, requests):
        return self._first(self._train_part, batch, requests)

    def _train_part(self, batch, requests):
        """One replica's part of a step."""
        self._model.train_step(batch)
        watched = self._model.watched
        parts = [
            tf.stack([tf.convert_to_tensor(each.total.value) for each in watched]),
            tf.stack([tf.convert_to_tensor(each.count.value) for each in watched]),
            tf.cast(requests, tf.float32),
        ]
        # One message for all of it, so that agreeing on when to stop costs nothing.
        sums = tf.distribute.get_replica_context().all_reduce(
            tf.distribute.ReduceOp.SUM, tf.concat(parts, axis=0)
        )
        totals, counts, requests = tf.split(sums, [len(watched), len(watched), requests.shape[0]])
        return tf.math.divide_no_nan(totals, counts), requests

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
