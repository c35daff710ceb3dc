"""Makes a detector's training on CPUs bitwise repeatable: every sum is added up in one order."""

from __future__ import annotations

import functools

import tensorflow as tf
from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import backprop


def enable() -> None:
    """Makes gradients deterministic, in the whole process and for good.

    A tensor that several layers read has a gradient that is a sum, which TensorFlow leaves to
    `AddN`.  That operation adds into the buffer of whichever of its inputs nobody else still
    reads, and begins with that one, so that the order of three or more depends on which other
    operations have ended: on a busy machine two runs of the same settings differ in the last
    bits.  A detector ranks thousands of boxes that all but tie, so that the last bit decides what
    it trains on.  Here gradients are added in pairs, in the order in which they are found, and
    the graph's optimiser may not join the pairs again.  TensorFlow's own determinism, which does
    not reach this, is asked for too where that is possible.

    TensorFlow's own determinism is only asked for on CPUs alone: it has none for the products of
    sparse matrices on GPUs, of which every step has some, and `tf.data` then decodes one image after
    the other, for which a faster device would wait.

    It must be called before the first operation.  From then on, an operation that TensorFlow has
    in no deterministic form, and a random one without a seed, is an error on CPUs.
    """
    if all(each.device_type == "CPU" for each in tf.config.get_visible_devices()):
        tf.config.experimental.enable_op_determinism()
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    # TensorFlow has no public way to say how a tape adds.
    space = backprop._default_vspace._replace(aggregate_fn=_in_order)
    pywrap_tfe.TFE_Py_RegisterVSpace(space)


def _in_order(gradients):
    """The sum of a tensor's gradients; sparse ones are left to TensorFlow."""
    if all(isinstance(each, tf.Tensor) for each in gradients):
        return functools.reduce(tf.add, gradients)
    return backprop._aggregate_grads(gradients)
