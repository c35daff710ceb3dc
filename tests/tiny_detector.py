"""A detector that is small enough to be made anew in every test."""

import functools
import pathlib
import tempfile

import keras

from kdcl_tf.detection import served
from kdcl_tf.detection.model.detector import Detector

CLASS_NAMES = ["person", "car", "brush"]
FEATURE_LAYERS = ("at_4", "at_8")


def backbone(dtype=None):
    """Images of any size -> features at strides 4 and 8."""
    images = keras.Input([None, None, 3])
    settings = {"padding": "same", "activation": "relu", "dtype": dtype}
    x = keras.layers.Conv2D(4, 3, strides=4, name=FEATURE_LAYERS[0], **settings)(images)
    y = keras.layers.Conv2D(6, 3, strides=2, name=FEATURE_LAYERS[1], **settings)(x)
    return keras.Model(images, {"4": x, "8": y}, name="tiny")


def backbone_flags(folder):
    """Flags of `kdcl-detect`, as a dict, for the backbone in a `.keras` file; images are small."""
    keras.utils.set_random_seed(0)
    path = pathlib.Path(folder) / "tiny.keras"
    keras.saving.save_model(backbone(), path)
    return {
        "backbone": str(path),
        "feature_layers": FEATURE_LAYERS,
        "short_side": 32,
        "long_side": 48,
        "regions_per_image": 8,
        "batch_size": 2,
        "learning_rate": 0.01,
    }


def detector(masks=True, seed=0, dtype=None):
    """Of three classes, with fresh weights."""
    keras.utils.set_random_seed(seed)
    return Detector(
        backbone(dtype),
        len(CLASS_NAMES),
        masks=masks,
        regions_per_image=16,
        channels=8,
        dtype_policy=dtype,
    )


def card(masks=True):
    """What its export says of it."""
    return {
        "detector": "mask" if masks else "faster",
        "architecture": "",
        "dataset": "coco:nowhere",
        "class_names": CLASS_NAMES,
        "category_ids": [1, 3, 90],
        "short_side": 32,
        "long_side": 48,
        "mean": [0.5, 0.5, 0.5],
        "deviation": [0.25, 0.25, 0.25],
    }


@functools.cache
def exported(masks=True, dtype=None):
    """The folder of its SavedModel; it finds something, as it is sure of everything."""
    made = detector(masks, dtype=dtype)
    # Biases that make every region a brush, surely.
    bias = made.box_head.get_layer("classes").bias
    bias.assign([0.0, 0.0, 4.0, 0.0])
    folder = pathlib.Path(tempfile.mkdtemp()) / "detector"
    return served.export(made, folder, card(masks))
