"""Gradient accumulation: one step's batch in parts whose gradients add up to the whole's.

Keras's `gradient_accumulation_steps` of an optimizer is something else: it averages over
calls whatever their sizes, so that a short last batch counts as a full one, and its
`iterations` count calls, so that schedules run too fast.  Here a step is a whole batch:
the optimizer, its schedule and the metrics see it once.
"""

from typing import Any

import tensorflow as tf

from kdcl_tf.cohort.step import Step

__all__ = ["add", "check_count", "join", "part"]


def check_count(count: int) -> None:
    """Raises ValueError unless `count`, the number of parts, is a whole number >= 1."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(f"accumulation_steps must be a whole number >= 1; got {count}")


def part(batch: Any, index: int, count: int, after: Any = None) -> Any:
    """One of `count` parts of a batch, in order and of nearly equal sizes.

    Parts are empty where the batch has fewer than `count` examples: the number of parts
    must not depend on the batch, since replicas reduce together in each.

    Args:
      batch: a structure of `[B, ...]` tensors and Nones.  A tensor that it holds twice is
        cut once, and is again one tensor in the result.
      index: of the part, 0 <= index < count.
      count: 1 gives the batch itself.
      after: a structure of tensors that must be computed first, the gradients of the part
        before.  Without it a graph might compute the activations of two parts at once, and
        hold both in memory.

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

    Penalties depend on the weights alone, and are the same in each part but for rounding:
    their mean is taken.
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
