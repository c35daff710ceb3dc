"""Students as backbones: their levels, for images of any size."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import keras
import tensorflow as tf

from kdcl_tf import students
from kdcl_tf.detection.model.backbone_source import BackboneSource
from kdcl_tf.students.normalization import FusedBatchNormalization
from kdcl_tf.students.weights import found, imagenet, kinds, reading

# Fresh students are built at this size, which `_freed` then removes.
_BUILT_AT = (224, 224, 3)

# Pixels a side, on which strides of a model for images of any size are measured.
_MEASURED_AT = 512


def build(
    source: BackboneSource,
    feature_layers: Sequence[str] = (),
    synchronized: bool = False,
    dtype: str | None = None,
) -> keras.Model:
    """Builds a backbone.

    Args:
      source: where the student comes from.
      feature_layers: names of the layers that end its levels; by default those of
        `students.feature_levels`, which knows every student but `keras:`.
      synchronized: batch normalisation uses the statistics of all replicas.
      dtype: dtype policy of the layers.

    Returns:
      A functional `keras.Model`, images `[B, H, W, 3]` of any size -> `{str(stride):
      features}`, of which every layer is trained.

    Raises:
      ValueError: when the file does not fit the architecture, has a layer that distorts images,
        there are no such layers, or a level is not the size of the images divided by its stride.
    """
    student = _student(source)
    levels = _levels(student, feature_layers)
    outputs = {str(stride): student.get_layer(name).output for stride, name in levels.items()}
    built = _freed(keras.Model(student.inputs[0], outputs), student.name, synchronized, dtype)
    _check_sizes(built)
    return built


def downloaded(source: BackboneSource) -> pathlib.Path | None:
    """The file of Keras's own weights for ImageNet, downloaded where it is not there yet.

    Returns:
      None for every other source.

    Raises:
      ValueError: when there is no network to download it by.
    """
    if source.kind != kinds.IMAGENET:
        return None
    try:
        return imagenet.file_of(source.architecture)
    except ValueError as error:
        raise ValueError(f"backbone={kinds.IMAGENET}: {error}") from error


def _student(source):
    """The whole student with its weights, in float32 variables."""
    if source.kind == "fresh":
        return students.build(source.architecture, 1000, _BUILT_AT)
    try:
        student = reading.student(
            source.path or source.kind, source.architecture, _BUILT_AT, needs_head=False
        )
    except ValueError as error:
        raise ValueError(f"backbone={error}") from error
    if not hasattr(student, "input_shape"):
        raise ValueError(
            f"backbone={source.path}: expected one student, a functional model; got "
            f"{type(student).__name__}: save one of its students"
        )
    if student.input_shape[-1] != 3:
        raise ValueError(
            f"backbone={source.path}: expected a student of images of 3 channels; got one of "
            f"{student.input_shape[-1]}"
        )
    try:
        # Boxes and masks would stay where they were.
        found.check_distorts_nothing(student)
    except ValueError as error:
        raise ValueError(f"backbone={source.path}: {error}") from error
    return student


def _levels(student, feature_layers):
    """`{stride: layer name}`."""
    if not feature_layers:
        try:
            return students.feature_levels(student)
        except ValueError as error:
            raise ValueError(f"{error}, or pass feature_layers=NAMES") from error
    known = {layer.name for layer in student.layers}
    missing = [name for name in feature_layers if name not in known]
    if missing:
        raise ValueError(
            f"feature_layers: expected layers of {student.name}; got {', '.join(missing)}, which it "
            "does not have"
        )
    levels = {_stride(student, name): name for name in feature_layers}
    if len(levels) < len(feature_layers):
        raise ValueError(
            f"feature_layers={','.join(feature_layers)}: expected one layer a stride; got "
            f"{len(feature_layers)} layers at strides {sorted(levels)}"
        )
    return levels


def _stride(student, name):
    """The stride of a layer's output."""
    output = student.get_layer(name).output
    if len(output.shape) != 4:
        raise ValueError(
            f"feature_layers: expected layers that give features [B, H, W, C]; got {name} of "
            f"{student.name}, which gives {list(output.shape)}"
        )
    _, height, width, channels = student.input_shape
    shape = (1, height or _MEASURED_AT, width or _MEASURED_AT, channels)
    features = keras.Model(student.inputs[0], output).compute_output_shape(shape)
    return round(shape[1] / features[1])


def _check_sizes(model):
    """Refuses levels that a feature pyramid could not join with those above them."""
    last = max(map(int, model.output))
    side = -(-_MEASURED_AT // last) * last
    # A call, as `compute_output_shape` refuses nested models that were built at another size.
    infer = tf.function(lambda images: model(images, training=False), autograph=False)
    traced = infer.get_concrete_function(tf.TensorSpec([1, side, side, 3]))
    for stride, shape in traced.output_shapes.items():
        if not shape.is_compatible_with([1, *[side // int(stride)] * 2, None]):
            raise ValueError(
                f"backbone {model.name}: expected features of H / stride; got {shape[1]} at stride "
                f"{stride} of {side} pixels, as its convolutions are not padded: take another backbone"
            )


def _freed(model, name, synchronized, dtype):
    """The model for images of any size, with its weights."""

    def renewed(layer):
        kind, config = type(layer), layer.get_config()
        # Operations that are no layers, such as sums, take the type of their inputs.
        if dtype is not None and isinstance(layer, keras.layers.Layer):
            config["dtype"] = dtype
        if isinstance(layer, keras.layers.BatchNormalization):
            kind, config["synchronized"] = FusedBatchNormalization, synchronized
        return kind.from_config(config)

    images = keras.Input([None, None, model.input_shape[-1]], name="images")
    freed = keras.models.clone_model(model, input_tensors=images, clone_function=renewed)
    freed.set_weights(model.get_weights())
    # A file may keep what its user, or distillation from it, has frozen.
    for layer in freed._flatten_layers():
        layer.trainable = True
    return keras.Model(images, freed.output, name=name)
