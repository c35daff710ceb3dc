"""Labelled images in memory, and the distorted views that students train on.

    dataset = kdcl_tf.data.load("cifar100", data_dir="~/tensorflow_datasets")
    views = kdcl_tf.data.Views(dataset, ("resnet32", "wrn_16_2"), seed=0)
    for images, labels in views.epoch(0, batch_size=128): ...
    for images, labels in dataset.batches(dataset.test, batch_size=256): ...

Importing this package imports neither TensorFlow nor TFDS: a program can
check its `--dataset` flag with `validate_name` before it pays for them.
"""

from kdcl_tf.data.dataset import ImageDataset, ImageSplit
from kdcl_tf.data.loading import load, validate_name

__all__ = ["ImageDataset", "ImageSplit", "Share", "Views", "load", "validate_name"]


def __getattr__(name: str):
    """Gives `Share` and `Views` on first use, because their modules import TensorFlow."""
    if name not in ("Share", "Views"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kdcl_tf.data import stream, views

    return {"Share": stream.Share, "Views": views.Views}[name]
