"""What it costs to make M views of a photograph that is a JPEG on disk."""

import dataclasses
import pathlib
import time

import numpy as np
from absl import app

import kdcl_tf
from benchmarking import steps
from kdcl_tf.data import bad_images, dataset as dataset_lib, encoded, normalization, storage

_BATCH = 32
_SIZE = 224
_VIEWS = (1, 2, 4)
# Of the paper, once more for four: those whose step is shortest need their views the soonest.
_STUDENTS = ("mobilenet_v2_0.5", "resnet18") * 2


def compare_views(options):
    """Work of M views of an image from one decode, without the start of an epoch.

    Beside that of other numbers of views, and of the step of M students that needs them.
    Counted in seconds of processor time, which others on the machine do not take away.
    """
    dataset = _dataset(options.images, times=4)
    feeds = {count: _feed(dataset, count) for count in _VIEWS}
    seconds = {count: [] for count in feeds}
    for _ in range(options.pairs):
        for count, run in feeds.items():
            seconds[count].append(run())
    for count, each in seconds.items():
        low, middle, high = np.quantile(np.divide(each, seconds[1]), [0.25, 0.5, 0.75])
        rate = 1 / np.median(each)
        print(
            f"M = {count}: {rate:.0f} images/s a core, {rate * count:.0f} views/s a core; an image "
            f"over one of M = 1: {middle:.2f} (quartiles {low:.2f}, {high:.2f}); "
            f"{_seconds_of_step(options, count) / np.median(each):.0f} times what the step of "
            f"{', '.join(_STUDENTS[:count])} needs",
            flush=True,
        )


def _seconds_of_step(options, count):
    """Work of a training step of the first students, an image."""
    options = dataclasses.replace(
        options,
        students=_STUDENTS[:count],
        image_size=_SIZE,
        num_classes=1000,
        batch_size=_BATCH,
    )
    step = steps.step_of(kdcl_tf.KDCL(steps.students(options)), options)
    step()
    began = time.process_time()
    step()
    return (time.process_time() - began) / (options.steps * _BATCH)


def _feed(dataset, count):
    """A function that gives the seconds of work an image, over twice the test images."""
    names = tuple(map(str, range(count)))
    views = kdcl_tf.data.create_views(dataset, names, seed=0)

    def run():
        batches = iter(views.epoch(0, _BATCH))
        next(batches)
        began, seen = time.process_time(), 0
        while seen < 2 * len(dataset.test):
            seen += len(next(batches)[1])
        return (time.process_time() - began) / seen

    return run


def _dataset(folder, times):
    """The JPEGs of a folder of folders as a streamed data set, each so many times."""
    root = pathlib.Path(folder).expanduser()
    names = sorted(bytes(file.relative_to(root)) for file in root.glob("*/*.JPEG"))
    if not folder or not names:
        raise app.UsageError(f"--images={folder}: wanted a folder of folders of *.JPEG")
    classes = tuple(map(str, range(len(names))))
    split = encoded.EncodedSplit(
        storage.Files(str(root), np.tile(names, times)),
        np.tile(np.arange(len(names)), times),
        classes,
        (_SIZE, _SIZE),
        bad_images.BadImages(),
        encoded.CENTRAL,
    )
    return dataset_lib.ImageDataset(
        name="photographs",
        train=split,
        held_out=split.take([]),
        test=split.take(slice(len(names))),
        class_names=classes,
        normalization=normalization.IMAGENET,
        flip=True,
        distortion="resized_crop",
    )
