"""Classifiers of `keras.applications` as students."""

import collections
import inspect
import re
from collections.abc import Iterable
from typing import Any

import keras

from kdcl_tf.students.normalization import FusedBatchNormalization

_NEEDED = {"weights", "classes", "input_shape", "classifier_activation"}


def build(
    classifier: str,
    num_classes: int,
    input_shape: tuple[int, int, int],
    *,
    synchronized: bool,
    dtype: Any,
    name: str,
) -> keras.Model:
    """A classifier of `keras.applications` with fresh weights, of normalised images.

    It is built as Keras defines it, dropout and constants of batch norm included, and
    then copied layer by layer with what students have in common: batch norm is
    `FusedBatchNormalization`, the last layer with a kernel and what follows run in
    float32, nothing rescales the images, since they come normalised, and layers that
    Keras numbers through the whole process are numbered within the model, so that a
    checkpoint fits the same student in another process.

    Args:
        classifier: name of a function of `keras.applications`, `ResNet50V2`.
        num_classes, input_shape, synchronized, dtype: as `kdcl_tf.students.build`.
        name: of the model.

    Returns:
        A functional `keras.Model`, images `[B, height, width, channels]` -> logits
        `[B, num_classes]`, float32.

    Raises:
        ValueError: no such classifier, or images that it refuses, in one line.
    """
    original = _original(classifier, num_classes, input_shape)
    changes = _Changes(original, synchronized, dtype)
    images = keras.Input(input_shape, name="images")
    copy = keras.models.clone_model(original, images, clone_function=changes.copy)
    return keras.Model(copy.inputs[0], copy.outputs[0], name=name)


def _original(classifier, num_classes, input_shape):
    function = getattr(keras.applications, classifier, None)
    arguments = inspect.signature(function).parameters if inspect.isfunction(function) else {}
    if not _NEEDED <= set(arguments):
        raise ValueError(
            f"unknown student 'keras:{classifier}': expected a classifier of keras.applications of "
            f"Keras {keras.__version__}, such as keras:ResNet50V2"
        )
    preprocessing = arguments.keys() & {"include_preprocessing"}
    try:
        return function(
            weights=None,
            classes=num_classes,
            input_shape=input_shape,
            classifier_activation=None,
            **dict.fromkeys(preprocessing, False),
        )
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"student 'keras:{classifier}' cannot be built for images of {input_shape}: {reason}; "
            "resize the images or choose another student"
        ) from error


class _Changes:
    """Copies the layers of one model, each with what students have in common."""

    def __init__(self, model, synchronized, dtype):
        self._synchronized, self._dtype = synchronized, dtype
        self._names = own_names(model.operations)
        last = max(index for index, each in enumerate(model.layers) if hasattr(each, "kernel"))
        self._float32 = {each.name for each in model.layers[last:]}

    def copy(self, layer):
        """A new layer for `layer`, with weights of its own."""
        kind = type(layer)
        config = {**layer.get_config(), "name": self._names[layer.name]}
        if not isinstance(layer, keras.layers.Layer):
            return kind.from_config(config)  # A sum or a product, of the type of its inputs.
        if self._dtype is not None:
            config["dtype"] = self._dtype
        if layer.name in self._float32:
            config["dtype"] = "float32"
        if kind is keras.layers.Rescaling:
            # EfficientNet has no argument to leave it out.
            config.update(scale=1.0, offset=0.0)
        elif kind is keras.layers.BatchNormalization:
            kind = FusedBatchNormalization
            config["synchronized"] = self._synchronized
        return kind.from_config(config)


def own_names(operations: Iterable[Any]) -> dict[str, str]:
    """`{name: name}`: `conv2d_117`, which says what was built before, becomes `conv2d_23`."""
    names, counts = {}, collections.Counter()
    for each in operations:
        base = re.sub(r"_\d+$", "", each.name)
        names[each.name] = each.name
        if base.replace("_", "") == type(each).__name__.lower():
            counts[base] += 1
            names[each.name] = f"{base}_{counts[base]}"
    return names
