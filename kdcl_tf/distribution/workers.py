"""What the workers of a run exchange besides gradients."""

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf import data
from kdcl_tf.distribution.cluster import Cluster

# The errors of collectives.  Nothing else in a run speaks with another machine.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)


# Stands for a fact that a worker does not have.
_NONE = "(absent)"


class WorkerLost(Exception):
    """Another worker, or the way to it, is gone."""


@contextlib.contextmanager
def lost_workers(cluster: Cluster | None) -> Iterator[None]:
    """Turns TensorFlow's many errors for a worker that is gone into one line.

    TensorFlow notices within about ten seconds, by heartbeats, or at once by a connection that
    breaks, and ends what waits for that worker.

    Args:
      cluster: None leaves errors as they are.

    Raises:
      WorkerLost: with the workers that are gone, as far as that is known.
    """
    try:
        yield
    except _LOST as error:
        if cluster is None or len(cluster.workers) == 1:
            raise
        raise WorkerLost(
            f"worker {cluster.index} stops, as {_gone(cluster, str(error))} cannot be reached; "
            "the same command, given to all, continues from the last checkpoint"
        ) from error


def _gone(cluster, text):
    """Names the other workers of whom an error of TensorFlow speaks."""
    named = sorted({int(index) for index in re.findall(r"/task:(\d+)", text)} - {cluster.index})
    named = [each for each in named if each < len(cluster.workers)]
    if not named:
        return "another worker"
    return " or ".join(f"worker {each} at {cluster.workers[each]}" for each in named)


class Workers:
    """The processes that train under one strategy; without a cluster, this one alone.

    Every method but the properties must be called by all workers, in the same order.

    Attributes:
      index: of this worker; 0 is the chief, which writes and restores.
      count: of workers.

    Args:
      strategy: as `strategies.create` returns it.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self._strategy = strategy
        self.index, self.count = 0, 1
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            resolver = strategy.cluster_resolver
            self.index = resolver.task_id
            self.count = resolver.cluster_spec().num_tasks("worker")
        # One trace for any length: the workers would have to agree on further ones.
        self._sum = tf.function(
            self._sum_of_firsts,
            input_signature=[tf.TensorSpec([None], tf.int64)],
            autograph=False,
        )

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the log, the checkpoints and the results."""
        return self.index == 0

    @property
    def share(self) -> data.Share:
        """The part of every batch that this worker's replicas read."""
        replicas = self._strategy.num_replicas_in_sync
        own = replicas // self.count
        return data.Share(replicas, self.index * own, own)

    def total(self, numbers: Sequence[int] | np.ndarray) -> np.ndarray:
        """The sum over workers of a list of whole numbers."""
        own = np.asarray(numbers, np.int64)
        # A collective sum of no numbers ends the process with a segmentation fault.
        if self.count == 1 or not own.size:
            return own
        return self._sum(own).numpy()

    def from_chief(self, data: bytes = b"") -> bytes:
        """The chief's bytes; what the others pass is ignored."""
        if self.count == 1:
            return data
        data = data if self.is_chief else b""
        (size,) = self.total([len(data)])
        words = np.zeros(-(-size // 8), np.int64)
        if self.is_chief:
            words = np.frombuffer(data.ljust(8 * len(words), b"\0"), np.int64)
        # Bits, so that no number is rounded on its way.
        return self.total(words).tobytes()[:size]

    def from_all(self, data: bytes) -> list[bytes]:
        """The bytes of every worker, in the order of their indices."""
        if self.count == 1:
            return [data]
        sizes = self.total([len(data) * (self.index == each) for each in range(self.count)])
        ends = np.cumsum(-(-sizes // 8))
        words = np.zeros(ends[-1], np.int64)
        own = slice(ends[self.index] - -(-len(data) // 8), ends[self.index])
        words[own] = np.frombuffer(data.ljust(8 * (own.stop - own.start), b"\0"), np.int64)
        parts = np.split(self.total(words), ends[:-1])
        return [part.tobytes()[:size] for part, size in zip(parts, sizes)]

    def answer_of_chief(self, function: Callable[[], Any]) -> Any:
        """What the chief's call of a function without arguments returns, which JSON can hold.

        Raises:
          ValueError: in all workers, where the chief's call raises one.
        """
        answer = {"value": None, "error": ""}
        if self.is_chief:
            try:
                answer["value"] = function()
            except ValueError as error:
                answer["error"] = str(error)
        answer = json.loads(self.from_chief(json.dumps(answer).encode()))
        if answer["error"]:
            raise ValueError(answer["error"])
        return answer["value"]

    def check_same(self, what: str, facts: dict[str, Any]) -> None:
        """Makes sure that all workers have the chief's facts, a dict that JSON can hold.

        Raises:
          ValueError: in all workers when one of them has others.
        """
        own = json.loads(json.dumps(facts))
        chiefs = json.loads(self.from_chief(json.dumps(facts).encode()))
        differ = self.total([self.index == each and own != chiefs for each in range(self.count)])
        if any(differ):
            others = ", ".join(str(each) for each in range(self.count) if differ[each])
            here = "".join(
                f"; {name}={own.get(name, _NONE)} (worker 0: {chiefs.get(name, _NONE)})"
                for name in {**own, **chiefs}
                if own.get(name, _NONE) != chiefs.get(name, _NONE)
            )
            raise ValueError(
                f"expected the same {what} in all workers; got other {what} in worker {others} "
                f"than in worker 0{here}"
            )

    def copy_from_chief(self, variables: Iterable[keras.Variable]) -> None:
        """Gives every worker's copies of Keras variables the chief's values, bit for bit."""
        if self.count == 1:
            return
        copies = [self._strategy.experimental_local_results(each.value) for each in variables]
        values = [each[0].numpy() for each in copies]
        received = self.from_chief(b"".join(each.tobytes() for each in values))
        start = 0
        for own, value in zip(copies, values):
            theirs = np.frombuffer(received, value.dtype, value.size, start).reshape(value.shape)
            start += value.nbytes
            for copy in own:
                copy.assign(theirs)

    def _sum_of_firsts(self, numbers):
        """Over the first replica of each worker: the others would count twice."""
        own = self._strategy.num_replicas_in_sync // self.count

        def of_replica(values):
            replica = tf.distribute.get_replica_context()
            is_first = tf.equal(replica.replica_id_in_sync_group % own, 0)
            return replica.all_reduce(
                tf.distribute.ReduceOp.SUM, values * tf.cast(is_first, tf.int64)
            )

        sums = self._strategy.run(of_replica, args=(numbers,))
        return self._strategy.experimental_local_results(sums)[0]
