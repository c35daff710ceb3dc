"""Gradient accumulation: one step's batch in parts whose gradients add up to the whole's.

Keras's `gradient_accumulation_steps` of an optimizer is something else: it averages over
calls whatever their sizes, so that a short last batch counts as a full one, and its
`iterations` count calls, so that schedules run too fast.  Here a step is a whole batch:
the optimizer, its schedule and the metrics see it once.
"""

import tensorflow as tf

__all__ = ["add", "join", "part"]

# Where a step's tensors are not `[M, B, ...]`.
_FIRST_AXIS = ("average", "teacher_loss")


def part(batch, index, count, after=None):
    """One of `count` parts of a batch, near equal in size and in order.

    Parts are empty where the batch has fewer than `count` examples: how many there are
    must not depend on the batch, since replicas reduce together in each.

    Args:
      batch: a structure of `[B, ...]` tensors and Nones; what is one tensor twice stays so.
      index: 0 or more, less than `count`.
      count: 1 gives the batch itself.
      after: a structure of tensors that must be there first.  In a graph nothing else keeps
        this part's activations from being made while those of the part before are alive.

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


def add(total, gradients):
    """The sum of two equal structures of gradients; None is a gradient of zero.

    Args:
      total: what was added up so far, or None at the start.
      gradients: of one part.
    """
    if total is None:
        return gradients
    return tf.nest.map_structure(_sum, total, gradients)


def join(steps):
    """The tensors of a step, as `Cohort` makes them, from those of its parts."""
    if len(steps) == 1:
        return steps[0]
    penalties = [step["regularisation"] for step in steps]
    joined = {
        name: tf.concat([step[name] for step in steps], axis=0 if name in _FIRST_AXIS else 1)
        for name in steps[0]
        if name != "regularisation"
    }
    return {**joined, "regularisation": [tf.add_n(each) / len(steps) for each in zip(*penalties)]}


def _sum(total, gradient):
    if total is None or gradient is None:
        return gradient if total is None else total
    return tf.convert_to_tensor(total) + tf.convert_to_tensor(gradient)
