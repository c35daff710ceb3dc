"""What it costs to make M views of a photograph from a JPEG file on disk."""

import dataclasses
import pathlib
import time

import numpy as np
from absl import app

import kdcl_tf
from benchmarking import steps
from benchmarking.options import Options
from kdcl_tf.data import bad_images, dataset as dataset_lib, encoded, normalization, storage

_BATCH = 32
_SIZE = 224
_VIEWS = (1, 2, 4)
# Students of the paper, twice for four views. Those with the shortest step need views fastest.
_STUDENTS = ("mobilenet_v2_0.5", "resnet18") * 2


def compare_views(options: Options) -> None:
    """Prints the cost of M views of an image, without the start of an epoch.

    Compares it with the cost of one view, and with the step of the M students that need the
    views.  Costs are seconds of processor time, which other programs on the machine do not use up.
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
            f"M = {count}: {rate:.0f} images/s and {rate * count:.0f} views/s per core; an image "
            f"over one with M = 1: {middle:.2f} (quartiles {low:.2f}, {high:.2f}); step of "
            f"{', '.join(_STUDENTS[:count])} over its views: "
            f"{_seconds_of_step(options, count) / np.median(each):.0f}",
            flush=True,
        )


def _seconds_of_step(options, count):
    """Processor time of a training step of the first students, per image."""
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
    """A function that measures processor time per image, over twice the test images."""
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
    """The JPEG files of a folder of folders as a streamed data set, `times` times over."""
    root = pathlib.Path(folder).expanduser()
    names = sorted(bytes(file.relative_to(root)) for file in root.glob("*/*.JPEG"))
    if not folder or not names:
        raise app.UsageError(
            f"--images: expected a folder of folders with *.JPEG files; got {folder!r}"
        )
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
