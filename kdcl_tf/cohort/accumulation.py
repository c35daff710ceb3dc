"""Gradient accumulation: one step's batch in parts whose gradients add up to the whole's.

Keras's `gradient_accumulation_steps` of an optimizer is something else: it averages over
calls whatever their sizes, so that a short last batch counts as a full one, and its
`iterations` count calls, so that schedules run too fast.  Here a step is a whole batch:
the optimizer, its schedule and the metrics see it once.
"""

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.cohort.step import Step

__all__ = [
    "add",
    "check_count",
    "check_size",
    "join",
    "least_examples",
    "part",
    "told_of_least",
]


_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)


def check_count(count: int) -> None:
    """Raises ValueError unless `count`, the number of parts, is a whole number >= 1."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(f"accumulation_steps must be a whole number >= 1; got {count}")


def least_examples(networks: Iterable[keras.Model], count: int) -> int:
    """How many examples every batch needs, so that each of its `count` parts can be run.

    TensorFlow's convolution for CPUs gives an empty part the shape of its input, and the layer
    after it fails.
    """
    if count == 1 or tf.config.list_logical_devices("GPU"):
        return 0
    layers = [each for network in networks for each in network._flatten_layers()]
    return count if any(isinstance(each, _CONVOLUTIONS) for each in layers) else 0


def told_of_least(least: int) -> str:
    """What a batch of fewer examples is refused with, up to what was got."""
    return (
        f"labels: expected {least} examples or more in every batch, as on CPUs convolutions need one "
        f"in each of accumulation_steps={least} parts (choose a batch_size that leaves as many for "
        "the last batch, or drop it)"
    )


def check_size(labels: tf.Tensor, least: int) -> tf.Operation | None:
    """An operation that fails when it is run with fewer labels than `least`; None in eager mode."""
    size = tf.shape(labels)[0]
    return tf.debugging.Assert(size >= least, [told_of_least(least), size])


def part(batch: Any, index: int, count: int, after: Any = None) -> Any:
    """One of `count` parts of a batch, in order and of nearly equal sizes.

    Parts are empty where the batch has fewer than `count` examples: the number of parts
    must not depend on the batch, since replicas reduce together in each.

    Args:
      batch: a structure of `[B, ...]` tensors and Nones.  A tensor that it holds twice is
        cut once, and is again one tensor in the result.
      index: of the part, 0 <= index < count.
      count: 1 gives the batch itself.
      after: a structure of tensors and operations that must be computed first, such as the
        gradients of the part before.  Without those a graph might compute the activations of two
        parts at once, and hold both in memory.

    Returns:
      The structure, with B near B / count.
    """
    if count == 1:
        return batch
    tensors = {id(each): each for each in tf.nest.flatten(batch) if each is not None}
    size = tf.shape(next(iter(tensors.values())))[0]
    begin, end = size * index // count, size * (index + 1) // count
    earlier = [each for each in tf.nest.flatten(after) if each is not None]
    slices = {key: each[begin:end] for key, each in tensors.items()}
    with tf.control_dependencies(earlier):
        slices = {key: tf.identity(each) for key, each in slices.items()}
    return tf.nest.map_structure(lambda each: slices.get(id(each)), batch)


def add(total: Any, gradients: Any) -> Any:
    """The sum of two structures of gradients that are built alike; None is zero.

    Args:
      total: the sum of the parts so far, or None before the first.
      gradients: of one part.
    """
    if total is None:
        return gradients
    return tf.nest.map_structure(_sum, total, gradients)


def join(steps: list[Step]) -> Step:
    """The step of the whole batch, from the steps of its parts in order.

    The mean of penalties is taken.  Those of weights are the same in each part but for rounding; those
    that layers compute from images, by `add_loss`, are not those of the whole batch.
    """
    if len(steps) == 1:
        return steps[0]
    *of_examples, penalties = zip(*steps)
    logits, cross_entropy, distillation_loss, loss = (
        tf.concat(parts, axis=1) for parts in of_examples
    )
    means = [tf.add_n(parts) / len(steps) for parts in zip(*penalties)]
    return Step(logits, cross_entropy, distillation_loss, loss, means)


def _sum(total, gradient):
    if total is None or gradient is None:
        return gradient if total is None else total
    # Of a student that lives on a device of its own, gradients stay there.
    with tf.device(gradient.device):
        return tf.convert_to_tensor(total) + tf.convert_to_tensor(gradient)
