"""Measures speed as ratios, in pairs within one run.

    python tools/benchmark.py --what=step         KDCL's step over Independent's
    python tools/benchmark.py --what=batch_norm   stock batch norm's step over ours
    python tools/benchmark.py --what=input        input pipeline over the step
    python tools/benchmark.py --what=imagenet_input --images=DIR
                                                  photographs: M = 2 and 4 views over one

Two programs are timed in turn, A B A B ..., so that a machine whose speed drifts slows both.
A ratio is the median over the pairs, with the quartiles beside it.
"""

import os
import pathlib
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

_COMPARISONS = ("step", "batch_norm", "input", "imagenet_input")
flags.DEFINE_enum("what", "step", _COMPARISONS, "Which comparison.")
flags.DEFINE_string("images", None, "For imagenet_input: a folder of folders of JPEGs.")
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


def photographs(times):
    """The JPEGs of `--images` as a streamed data set, each so many times."""
    from kdcl_tf.data import bad_images, encoded, storage

    root = pathlib.Path(FLAGS.images or "").expanduser()
    names = sorted(bytes(file.relative_to(root)) for file in root.glob("*/*.JPEG"))
    if not FLAGS.images or not names:
        raise app.UsageError(f"--images={FLAGS.images}: wanted a folder of folders of *.JPEG")
    files = storage.Files(str(root), np.tile(names, times))
    labels = np.tile(np.arange(len(names)), times)
    classes = tuple(map(str, range(len(names))))
    split = encoded.EncodedSplit(
        files, labels, classes, encoded.DEFAULT_SIZE, bad_images.BadImages()
    )
    return encoded.EncodedDataset(
        name="photographs",
        train=split,
        held_out=split.take([]),
        test=split.take(slice(len(names))),
        class_names=classes,
        mean=encoded.MEAN,
        deviation=encoded.DEVIATION,
        flip=True,
    )


def compare_imagenet_input():
    """Work of M views of an image from one decode, without the start of an epoch.

    Counted in seconds of processor time, which others on the machine do not take away.
    """
    dataset = photographs(times=4)
    images = 2 * len(dataset.test)

    def feed(count):
        names = tuple(map(str, range(count)))
        views = kdcl_tf.data.EncodedViews(dataset, names, seed=0)

        def run():
            batches = iter(views.epoch(0, 32))
            next(batches)
            began, seen = time.process_time(), 0
            while seen < images:
                seen += len(next(batches)[1])
            return (time.process_time() - began) / seen

        return run

    feeds = {count: feed(count) for count in (1, 2, 4)}
    seconds = {count: [] for count in feeds}
    for _ in range(FLAGS.pairs):
        for count, run in feeds.items():
            seconds[count].append(run())
    for count, each in seconds.items():
        low, middle, high = np.quantile(np.divide(each, seconds[1]), [0.25, 0.5, 0.75])
        rate = 1 / np.median(each)
        print(
            f"M = {count}: {rate:.0f} images/s a core, {rate * count:.0f} views/s a core; an image "
            f"over one of M = 1: {middle:.2f} (quartiles {low:.2f}, {high:.2f})",
            flush=True,
        )


def main(_):
    {
        "step": compare_methods,
        "batch_norm": compare_batch_norm,
        "input": compare_input,
        "imagenet_input": compare_imagenet_input,
    }[FLAGS.what]()


if __name__ == "__main__":
    app.run(main)
