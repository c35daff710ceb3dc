"""Compares a training step with the input pipeline that makes its views."""

import numpy as np

import kdcl_tf
from benchmarking import steps, timing
from benchmarking.options import Options
from kdcl_tf.data.normalization import Normalization

_BATCHES = 100


def compare_input(options: Options) -> None:
    """Prints a step over its input: views of images in memory, one per student."""
    cohort = kdcl_tf.KDCL(steps.students(options))
    views = kdcl_tf.data.Views(_random_dataset(options), tuple(cohort.students), seed=0)

    def feed():
        # A fresh epoch each time: one that continues would have filled its buffer meanwhile.
        for _ in views.epoch(0, options.batch_size).take(_BATCHES):
            pass

    step = steps.step_of(cohort, options)
    of_step, feeding = timing.in_pairs(step, feed, options.pairs)
    rate = _BATCHES * options.batch_size / np.median(feeding)
    of_batches = feeding * options.steps / _BATCHES
    timing.show("KDCL min_logit step over its input", of_step, of_batches, options.steps)
    print(f"input pipeline: {rate:,.0f} images/s, {len(cohort.students)} views of each")


def _random_dataset(options):
    rng, side = np.random.default_rng(0), options.image_size
    # As many pixels as CIFAR's 50,000 images have, and enough images for all batches.
    count = max(50_000 * 32**2 // side**2, _BATCHES * options.batch_size)
    images = rng.integers(0, 256, [count, side, side, 3], np.uint8)
    split = kdcl_tf.data.ImageSplit(images, rng.integers(0, options.num_classes, count))
    return kdcl_tf.data.ImageDataset(
        name="random",
        train=split,
        held_out=split.take(np.arange(0)),
        test=split,
        class_names=tuple(map(str, range(options.num_classes))),
        normalization=Normalization((0.5,) * 3, (0.25,) * 3),
        flip=True,
    )
