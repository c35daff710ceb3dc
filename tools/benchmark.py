"""Measures speed as ratios, in pairs within one run.

    python tools/benchmark.py --what=step         KDCL's step over Independent's
    python tools/benchmark.py --what=batch_norm   stock batch norm's step over ours
    python tools/benchmark.py --what=input        input pipeline over the step
    python tools/benchmark.py --what=placement    both placements, against their cost model
    python tools/benchmark.py --what=accumulation memory and time of a step in parts

Two programs are timed in turn, A B A B ..., so that a machine whose speed drifts slows both.
A ratio is the median over the pairs, with the quartiles beside it.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

import kdcl_tf
from kdcl_tf.training.factory import POLICIES
from kdcl_tf.training.optimizers import CoupledSGD

_ENSEMBLES = ("naive", "linear", "min_logit", "general")

flags.DEFINE_enum(
    "what",
    "step",
    ("step", "batch_norm", "input", "placement", "accumulation"),
    "Which comparison.",
)
flags.DEFINE_list("students", ["resnet32", "wrn_16_2"], "Architectures.")
flags.DEFINE_enum("precision", "float32", list(POLICIES), "Of the students' activations.")
flags.DEFINE_integer("batch_size", 128, "Images a step.", lower_bound=1)
flags.DEFINE_integer("num_classes", 100, "Classes.", lower_bound=2)
flags.DEFINE_integer("pairs", 15, "How often the two are timed in turn.", lower_bound=1)
flags.DEFINE_integer("steps", 2, "Steps a timing.", lower_bound=1)
FLAGS = flags.FLAGS


def build_students():
    policy = POLICIES[FLAGS.precision]
    return {
        f"{index}_{name}": kdcl_tf.students.build(
            name, FLAGS.num_classes, dtype=policy, model_name=f"{name}_{index}"
        )
        for index, name in enumerate(FLAGS.students)
    }


def with_stock_batch_norm(student):
    """The same network with Keras's own batch normalisation layers."""
    from kdcl_tf.students.normalization import FusedBatchNormalization

    def clone(layer):
        if isinstance(layer, FusedBatchNormalization):
            return keras.layers.BatchNormalization.from_config(layer.get_config())
        return layer.__class__.from_config(layer.get_config())

    return keras.models.clone_model(student, clone_function=clone)


def step_of(cohort):
    """A function that runs some training steps on random images and waits for them."""
    cohort.compile(CoupledSGD(0.01, momentum=0.9, coupled_weight_decay=5e-4))
    shape = (FLAGS.batch_size, *next(iter(cohort.students.values())).input_shape[1:])
    views = {name: tf.random.normal(shape) for name in cohort.students}
    labels = tf.random.uniform([FLAGS.batch_size], maxval=FLAGS.num_classes, dtype=tf.int64)
    step = tf.function(cohort.train_step)

    def run():
        for _ in range(FLAGS.steps):
            logs = step((views, labels))
        return logs["loss"].numpy()

    return run


def time_in_pairs(first, second):
    """Seconds of each, `[pairs]` twice, after one run of each to trace and warm up."""
    first(), second()
    seconds = np.zeros([FLAGS.pairs, 2])
    for pair in seconds:
        for index, run in enumerate((first, second)):
            began = time.perf_counter()
            run()
            pair[index] = time.perf_counter() - began
    return seconds.T


def show(name, numerator, denominator):
    """Prints the ratio of two timings, pair by pair."""
    low, middle, high = np.quantile(numerator / denominator, [0.25, 0.5, 0.75])
    milliseconds = 1000 * np.median([numerator, denominator], axis=1) / FLAGS.steps
    print(
        f"{name}: ratio {middle:.3f} (quartiles {low:.3f}, {high:.3f}), "
        f"{milliseconds[0]:.1f} ms / {milliseconds[1]:.1f} ms a step",
        flush=True,
    )


def compare_methods():
    for ensemble in _ENSEMBLES:
        kdcl = step_of(kdcl_tf.KDCL(build_students(), ensemble=ensemble))
        independent = step_of(kdcl_tf.Independent(build_students()))
        show(f"KDCL {ensemble} over Independent", *time_in_pairs(kdcl, independent))


def compare_batch_norm():
    ours = build_students()
    stock = {name: with_stock_batch_norm(student) for name, student in ours.items()}
    timings = time_in_pairs(step_of(kdcl_tf.Independent(stock)), step_of(kdcl_tf.Independent(ours)))
    show("stock batch norm over ours", *timings)


def compare_input():
    """Both views of CIFAR-sized images against the step that eats them."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, [50_000, 32, 32, 3], np.uint8)
    labels = rng.integers(0, FLAGS.num_classes, 50_000)
    split = kdcl_tf.data.ImageSplit(images, labels)
    dataset = kdcl_tf.data.ImageDataset(
        name="random",
        train=split,
        held_out=split.take(np.arange(0)),
        test=split,
        class_names=tuple(map(str, range(FLAGS.num_classes))),
        mean=(0.5,) * 3,
        deviation=(0.25,) * 3,
        flip=True,
    )
    cohort = kdcl_tf.KDCL(build_students())
    views = kdcl_tf.data.Views(dataset, tuple(cohort.students), seed=0)
    batches = 100

    def feed():
        # A fresh epoch each time: one that goes on would have filled its buffer meanwhile.
        for _ in views.epoch(0, FLAGS.batch_size).take(batches):
            pass

    step, feeding = time_in_pairs(step_of(cohort), feed)
    rate = batches * FLAGS.batch_size / np.median(feeding)
    show("KDCL min_logit step over its input", step, feeding * FLAGS.steps / batches)
    print(f"input pipeline: {rate:,.0f} images/s, {len(cohort.students)} views of each")


def main(_):
    if FLAGS.what in ("placement", "accumulation"):
        import device_benchmark

        getattr(device_benchmark, f"compare_{FLAGS.what}")(FLAGS)
        return
    {"step": compare_methods, "batch_norm": compare_batch_norm, "input": compare_input}[
        FLAGS.what
    ]()


if __name__ == "__main__":
    app.run(main)
