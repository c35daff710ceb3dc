"""How a detector learns from a batch: in parts, over all replicas, with a bounded gradient."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf


class Learner(keras.Model):
    """The training step of a detector, which `Detector` inherits.

    A subclass has `losses_of(batch, training)`, which gives sums of losses and the number of
    terms in each, `counts_of`, which gives those numbers alone, and `metrics`: `loss`, and
    `<kind>_loss` for each kind of loss.  Every loss is a sum divided by the number of anchors,
    regions or objects that were sampled on all replicas, so that uneven replicas and parts are
    exact.
    """

    accumulation_steps, clip_norm = 1, 0.0

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer,
        accumulation_steps: int = 1,
        clip_norm: float = 0.0,
    ) -> None:
        """Configures training.

        Args:
          optimizer: of all variables.  What it clips itself is the sum over all replicas.
          accumulation_steps: the number of parts in which the images of each step are run, one
            after the other, to need less memory.  The update is that of the whole batch, but
            for batch norm's statistics, which are those of a part.  It takes a further forward
            pass as far as the proposals: the losses are divided by what is sampled in all
            parts, which depends on what the network proposes.
          clip_norm: the gradient of the whole batch, over all replicas, is scaled down to this
            norm where it is larger; 0 for never.

        Raises:
          ValueError: for a number of parts or a norm that is out of range.
        """
        if accumulation_steps < 1:
            raise ValueError(f"accumulation_steps: expected 1 or more; got {accumulation_steps}")
        if not clip_norm >= 0:
            raise ValueError(f"clip_norm: expected 0 or more; got {clip_norm}")
        super().compile(optimizer=optimizer)
        _clip_sum_of_replicas(self.optimizer)
        self.accumulation_steps, self.clip_norm = accumulation_steps, clip_norm

    def train_step(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update from a batch, or this replica's part of it; returns the metrics."""
        everywhere, gradients, steps = self._counts_everywhere(batch), None, []
        # Not a tf.while_loop: replicas cannot reduce inside one, and synchronised batch norm does.
        for index in range(self.accumulation_steps):
            each = part(batch, index, self.accumulation_steps, after=gradients)
            found, *step = self._differentiate(each, everywhere)
            gradients = add(gradients, found)
            steps.append(step)
        if self.clip_norm:
            gradients = clipped(gradients, self.clip_norm)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        self._report(*map(_total, zip(*steps)))
        return self.get_metrics_result()

    def _counts_everywhere(self, batch):
        """How many are sampled in all parts and replicas; None for one part, which counts."""
        if self.accumulation_steps == 1:
            return None
        counts = []
        # Moving statistics that this pass would change stay as they are.
        with keras.StatelessScope():
            for index in range(self.accumulation_steps):
                each = part(batch, index, self.accumulation_steps, after=counts)
                counts.append(self.counts_of(each, training=True))
        return _over_replicas(_total(counts))

    def _differentiate(self, batch, everywhere):
        """The gradients of a part of the batch, its loss, and the sums and counts in it."""
        with tf.GradientTape() as tape:
            sums, counts = self.losses_of(batch, training=True)
            everywhere = everywhere or _over_replicas(counts)
            parts = [tf.math.divide_no_nan(sums[kind], everywhere[kind]) for kind in sums]
            # Every part on every replica computes all regularisation of the layers, and counts
            # its share of it.
            shares = self._replicas() * self.accumulation_steps
            loss = _sum([*parts, *[each / shares for each in self.losses]])
            scaled = self.optimizer.scale_loss(loss)
        return tape.gradient(scaled, self.trainable_variables), loss, sums, counts

    def _replicas(self):
        return tf.distribute.get_replica_context().num_replicas_in_sync

    def _report(self, loss, sums, counts):
        replicas = self._replicas()
        # The replicas' parts of the loss add up; a mean of them would not.
        metrics = {metric.name: metric for metric in self.metrics}
        metrics["loss"].update_state(loss * replicas, sample_weight=1.0 / replicas)
        for kind in sums:
            mean = tf.math.divide_no_nan(sums[kind], counts[kind])
            metrics[f"{kind}_loss"].update_state(mean, sample_weight=counts[kind])


def part(
    batch: Mapping[str, tf.Tensor], index: int, count: int, after: Any = None
) -> dict[str, tf.Tensor]:
    """One of `count` parts of a batch, in order and of nearly equal sizes.

    Args:
      batch: tensors `[B, ...]`.
      index: of the part, 0 <= index < count.
      count: 1 gives the whole batch.
      after: tensors that are computed first, such as the gradients of the part before.  Without
        them a graph might hold the activations of two parts at once.

    Returns:
      Tensors of about B / count images.
    """
    if count == 1:
        return dict(batch)
    size = tf.shape(batch["images"])[0]
    begin, end = size * index // count, size * (index + 1) // count
    earlier = [each for each in tf.nest.flatten(after) if each is not None]
    with tf.control_dependencies(earlier):
        return {name: tf.identity(each[begin:end]) for name, each in batch.items()}


def add(total: Sequence[Any] | None, gradients: Sequence[Any]) -> list[Any]:
    """Sums of the gradients of two parts, in the order of the variables; None is zero.

    Args:
      total: the sums of the parts so far, or None before the first.
      gradients: of one part.
    """
    if total is None:
        return list(gradients)
    return [
        one if other is None else other if one is None else tf.add(one, other)
        for one, other in zip(total, gradients, strict=True)
    ]


def clipped(gradients: Sequence[Any], norm: float) -> list[Any]:
    """The gradients that an optimizer gets so that the sum over replicas has at most a norm.

    Replicas are summed before: clipped one by one, they would give another step than one device.

    Args:
      gradients: of this replica's part of the loss; None where the loss does not depend on a
        variable.
      norm: > 0, of all variables' gradients together.
    """
    found = [each for each in gradients if each is not None]
    shares = iter(_changed_in_sum(lambda sums: tf.clip_by_global_norm(sums, norm)[0], found))
    return [None if each is None else next(shares) for each in gradients]


def _clip_sum_of_replicas(optimizer):
    """Makes a Keras optimizer that clips do it as `clipped` does, and not replica by replica."""
    if optimizer.clipnorm or optimizer.global_clipnorm or optimizer.clipvalue:
        # Of the class, so that an optimizer that is given to two detectors changes once.
        clip = functools.partial(type(optimizer)._clip_gradients, optimizer)
        optimizer._clip_gradients = functools.partial(_changed_in_sum, clip)


def _changed_in_sum(change, gradients):
    """This replica's share of what `change` makes of the gradients' sums over replicas."""
    replica = tf.distribute.get_replica_context()
    sums = [tf.convert_to_tensor(each) for each in gradients]
    if replica.num_replicas_in_sync > 1:
        sums = replica.all_reduce(tf.distribute.ReduceOp.SUM, sums)
    # The optimizer sums over replicas again, each of which now has the whole.
    return [each / replica.num_replicas_in_sync for each in change(sums)]


def _over_replicas(counts):
    """The counts of all replicas together, in one message."""
    summed = tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.SUM, tf.stop_gradient(tf.stack(list(counts.values())))
    )
    return dict(zip(counts, tf.unstack(summed, num=len(counts))))


def _total(parts):
    """The sum of structures of scalars that are built alike."""
    return tf.nest.map_structure(lambda *each: _sum(each), *parts)


def _sum(values):
    """In their order, which `tf.add_n` does not keep: the last bit would differ between runs."""
    return functools.reduce(tf.add, values)
