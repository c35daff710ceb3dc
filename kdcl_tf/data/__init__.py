"""Labelled images, in memory or on disk, and the distorted views that students train on.

    dataset = kdcl_tf.data.load("cifar100", data_dir="~/tensorflow_datasets")
    views = kdcl_tf.data.create_views(dataset, ("resnet32", "wrn_16_2"), seed=0)
    for images, labels in views.epoch(0, batch_size=128): ...
    for images, labels in dataset.batches(dataset.test, batch_size=256): ...

    dataset = kdcl_tf.data.load("imagenet2012", distortion="resized_crop", image_size=224)

Importing this package imports neither TensorFlow nor TFDS: a program can
check its `--dataset` flag with `validate_name` before it pays for them.
"""

import importlib

from kdcl_tf.data.dataset import ImageDataset, ImageSplit
from kdcl_tf.data.distortions import DISTORTIONS
from kdcl_tf.data.formats.rules import ImageRules
from kdcl_tf.data.loading import STORAGES, check_storage, load, validate_name
from kdcl_tf.data.normalization import Normalization

__all__ = [
    "DISTORTIONS",
    "STORAGES",
    "EncodedViews",
    "ImageDataset",
    "ImageRules",
    "ImageSplit",
    "Normalization",
    "Share",
    "Views",
    "check_storage",
    "create_views",
    "load",
    "validate_name",
]

# On first use, because these modules import TensorFlow.
_LAZY = {
    "EncodedViews": "encoded_views",
    "Share": "stream",
    "Views": "views",
    "create_views": "views",
}


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
