"""Labelled images, in memory or on disk, and the distorted views that students train on.

    dataset = kdcl_tf.data.load("cifar100", data_dir="~/tensorflow_datasets")
    views = kdcl_tf.data.create_views(dataset, ("resnet32", "wrn_16_2"), seed=0)
    for images, labels in views.epoch(0, batch_size=128): ...
    for images, labels in dataset.batches(dataset.test, batch_size=256): ...

    dataset = kdcl_tf.data.load("imagenet2012", distortion="resized_crop", image_size=224)

Importing this package imports neither NumPy, TensorFlow nor TFDS: a program can check its
`--dataset` flag with `validate_name` before it pays for them.
"""

import importlib
from typing import Any

from kdcl_tf.data.distortions import DISTORTIONS
from kdcl_tf.data.formats.rules import ImageRules
from kdcl_tf.data.sources.names import (
    STORAGES,
    check_keys,
    check_shares,
    check_storage,
    validate_name,
)

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
    "check_keys",
    "check_shares",
    "check_storage",
    "create_views",
    "load",
    "validate_name",
]

# Imported at the first use, because these modules import NumPy or TensorFlow.
_LAZY = {
    "EncodedViews": "encoded_views",
    "ImageDataset": "dataset",
    "ImageSplit": "dataset",
    "Normalization": "normalization",
    "Share": "stream",
    "Views": "views",
    "create_views": "views",
    "load": "loading",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
