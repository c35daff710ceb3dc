"""How near the FLOP/s of a step come to what the same cores reach in a large matrix product."""

import numpy as np
import tensorflow as tf

import kdcl_tf
from benchmarking import steps, timing
from benchmarking.options import Options
from kdcl_tf.students.cost import multiply_adds
from kdcl_tf.training.settings import POLICIES

_SIZE = 2048


def share(options: Options) -> None:
    """Prints FLOP/s of a step and of a matrix product, timed in turn, and their ratio.

    A training step costs as much as three forward passes: the gradients with respect to the
    inputs and to the weights each cost as much as the outputs.  Only the multiply-adds of
    convolutions and dense layers count; everything else keeps the ratio below 1.
    """
    networks = steps.students(options)
    macs = sum(multiply_adds(each) for each in networks.values())
    step_flops = 2 * 3 * macs * options.batch_size * options.steps
    repeats = max(1, round(step_flops / (2 * _SIZE**3)))
    dtype = tf.bfloat16 if "bfloat16" in POLICIES[options.precision] else tf.float32
    a, b = (tf.cast(tf.random.normal([_SIZE, _SIZE]), dtype) for _ in range(2))
    product = tf.function(lambda: tf.matmul(a, b))

    def products():
        for _ in range(repeats):
            result = product()
        result.numpy()

    step = steps.step_of(kdcl_tf.KDCL(networks), options)
    of_products, of_step = timing.in_pairs(products, step, options.pairs)
    rates = 2 * _SIZE**3 * repeats / of_products, step_flops / of_step
    shares = timing.ratio(rates[1], rates[0])
    print(
        f"{macs / 1e6:.0f} million multiply-adds per image in the forward pass; step "
        f"{np.median(rates[1]) / 1e9:.0f} GFLOP/s, matrix product of size {_SIZE} "
        f"{np.median(rates[0]) / 1e9:.0f} GFLOP/s: ratio {shares}",
        flush=True,
    )
