"""What a source of weights holds, by the paths that a student's own variables have."""

from __future__ import annotations

import dataclasses
import itertools
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kdcl_tf.students import keras_applications

__all__ = [
    "Found",
    "NotNormalizedError",
    "check_takes_normalized",
    "head_of",
    "headless",
    "of_model",
    "own_variables",
    "plain_path",
    "scaling",
    "settings_of",
]

# Prefix of the layers that belong to one branch of a branched network.
_COPY = re.compile(r"^copy\d+_")
# What decides a layer's numbers beside its variables.
_SETTINGS = ("strides", "padding", "dilation_rate", "groups", "epsilon", "data_format")
# Keras's operations that leave normalised images normalised. Of any other that comes before all
# weights, such as those of `preprocess_input`, it is not known.
_HARMLESS = (
    "Cast",
    "ExpandDims",
    "ExtractPatches",
    "Pad",
    "Reshape",
    "Resize",
    "Squeeze",
    "Transpose",
)


class NotNormalizedError(ValueError):
    """A model scales or normalises its images itself, which students never do."""


@dataclasses.dataclass(frozen=True)
class Found:
    """The variables of a source.

    Attributes:
      arrays: `{path: array}`.
      left_over: names in the source of what no student has, such as counters.
      settings: `{layer: {setting: value}}` where the source tells it.
      file: of a source that is no path.
      image_shape: (height, width, channels) of its images, where the source tells it.
    """

    arrays: Mapping[str, np.ndarray]
    left_over: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    file: pathlib.Path | None = None
    image_shape: tuple[int, int, int] | None = None


def plain_path(path: str) -> str:
    """A path, or the name of a layer, without what says which branch has it."""
    return _COPY.sub("", path)


def head_of(student: keras.Model) -> keras.layers.Layer:
    """The layer that gives the logits: the last one with a kernel."""
    return [each for each in student.layers if hasattr(each, "kernel")][-1]


def headless(source: str | os.PathLike, head: str) -> ValueError:
    """What a source that has no layer of this name, the head, is refused with."""
    return ValueError(
        f"{source}: expected weights with a head, which gives the logits; got none of "
        f"{head}/kernel: give a file of the whole student"
    )


def own_variables(student: keras.Model) -> dict[str, keras.Variable]:
    """`{path: variable}` of what a student learns or measures on images.

    Seeds of dropout are not among them, nor is what `Normalization` of EfficientNet measures:
    students get normalised images.
    """
    left_out = {
        id(variable)
        for layer in student.layers
        if isinstance(layer, keras.layers.Normalization)
        for variable in layer.variables
    }
    return {
        plain_path(each.path): each
        for each in student.variables
        if "seed_generator" not in each.path and id(each) not in left_out
    }


def of_model(model: keras.Model, takes_normalized: bool = True) -> Found:
    """The variables of a model that may be a student, by the names that a student has.

    Args:
      model: built.
      takes_normalized: refuse a model that scales or normalises its images itself; otherwise the
        caller knows the normalisation that takes the place of those layers.

    Raises:
      NotNormalizedError: when it is refused for that.
      ValueError: when it has several variables of one name, as a cohort has.
    """
    if takes_normalized:
        check_takes_normalized(model)
    layers = {each.name for each in model.layers}
    names = keras_applications.own_names(getattr(model, "operations", model.layers))
    arrays, settings, left_over = {}, {}, []
    owners: dict[str, keras.Variable] = {}
    for layer in _in_use(model):
        name = plain_path(names.get(layer.name, layer.name))
        if layer.name not in layers:
            name = layer.path
        settings[name] = settings_of(layer)
        for variable in layer.variables:
            path = f"{name}/{variable.path.rpartition(f'{layer.name}/')[2]}"
            if owners.setdefault(path, variable) is not variable:
                raise ValueError(
                    f"expected one student; got {model.name} with several variables of one name, "
                    f"such as {path}"
                )
            if isinstance(layer, keras.layers.Normalization):
                left_over.append(path)
            elif "seed_generator" not in path:
                arrays[path] = np.asarray(variable)
    return Found(arrays, tuple(left_over), settings)


def settings_of(layer: keras.layers.Layer) -> dict[str, Any]:
    """What decides a layer's numbers beside its variables."""
    told = layer.get_config()
    return {key: told[key] for key in _SETTINGS if key in told}


def _in_use(model):
    """The layers of a model, and the layers of models in it."""
    return (each for each in _operations(model) if isinstance(each, keras.layers.Layer))


def _operations(model):
    """What a model computes, in order: its layers and plain operations, and those of models in it."""
    for each in getattr(model, "operations", model.layers):
        if isinstance(each, keras.Model):
            yield from _operations(each)
        else:
            yield each


def check_takes_normalized(model: keras.Model) -> None:
    """Raises NotNormalizedError for what students never do: they get normalised images.

    Args:
      model: built.
    """
    for layer in _in_use(model):
        if _scales(layer):
            raise scaling(model.name, layer.name)
    for each in itertools.takewhile(_has_no_weights, _operations(model)):
        if not isinstance(each, keras.layers.Layer) and type(each).__name__ not in _HARMLESS:
            raise NotNormalizedError(
                f"expected a model of normalised images, as students get them; got {model.name}, "
                f"whose operation {each.name} changes its images before any layer with weights, as "
                "preprocess_input does: save it without"
            )


def check_distorts_nothing(model: keras.Model) -> None:
    """Raises ValueError for layers that move or change images, while a model trains or always.

    Args:
      model: built.
    """
    for layer in _in_use(model):
        if _distorts(layer):
            raise ValueError(
                f"expected a model that leaves its images as they are; got {model.name}, whose layer "
                f"{layer.name}, a {type(layer).__name__}, moves or changes them: save it without"
            )


def scaling(model: str | os.PathLike, layer: str) -> NotNormalizedError:
    """What a model is refused with whose layer scales its images."""
    return NotNormalizedError(
        f"expected a model of normalised images, as students get them; got {model}, whose layer "
        f"{layer} scales its images itself: save it without"
    )


def _has_no_weights(operation):
    return not getattr(operation, "weights", ())


def _distorts(layer):
    is_keras = type(layer).__module__.startswith("keras.")
    # Of Keras's layers for images the later versions know what they do to boxes.
    is_of_images = hasattr(layer, "transform_bounding_boxes")
    is_one = is_keras and (is_of_images or type(layer).__name__.startswith("Random"))
    # As a `Pipeline` of them, which is no model.
    return is_one or any(map(_distorts, getattr(layer, "layers", ())))


def _scales(layer):
    scales = isinstance(layer, keras.layers.Rescaling) and (
        np.any(np.asarray(layer.scale) != 1) or np.any(np.asarray(layer.offset) != 0)
    )
    if isinstance(layer, keras.layers.Normalization):
        measured = [np.asarray(each) for each in (layer.mean, layer.variance)]
        scales = np.any(measured[0] != 0) or np.any(measured[1] != 1)
    return scales
