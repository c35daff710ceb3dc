"""Students as backbones: their levels, for images of any size."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Sequence

import h5py
import keras

from kdcl_tf import students
from kdcl_tf.detection.model.backbone_source import BackboneSource
from kdcl_tf.serving import exported
from kdcl_tf.students.normalization import FusedBatchNormalization

# Fresh students are built at this size, which `_freed` then removes.
_BUILT_AT = (224, 224, 3)

# Pixels a side, on which strides of a model for images of any size are measured.
_MEASURED_AT = 512

# Prefix of the layers that belong to one branch of a branched network.
_COPY = re.compile(r"^copy\d+_")


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
      features}`.

    Raises:
      ValueError: when the file does not fit the architecture, or there are no such layers.
    """
    student = _student(source)
    levels = _levels(student, feature_layers)
    outputs = {str(stride): student.get_layer(name).output for stride, name in levels.items()}
    return _freed(keras.Model(student.inputs[0], outputs), student.name, synchronized, dtype)


def _student(source):
    """The whole student with its weights, in float32 variables."""
    if source.kind == "fresh":
        return students.build(source.architecture, 1000, _BUILT_AT)
    read = {"keras": _from_keras, "weights": _from_weights, "saved_model": _from_saved_model}
    student = read[source.kind](source)
    if student.input_shape[-1] != 3:
        raise ValueError(
            f"backbone={source.path}: expected a student of images of 3 channels; got one of "
            f"{student.input_shape[-1]}"
        )
    return student


def _from_keras(source):
    if not zipfile.is_zipfile(source.path):
        raise ValueError(
            f"backbone={source.path}: expected a .keras file that can be read here; got no whole zip "
            "file: save or export it again"
        )
    try:
        return keras.saving.load_model(source.path, compile=False)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise ValueError(
            f"backbone={source.path}: expected a .keras file that can be read here; got "
            f"{_first_line(error)}"
        ) from error


def _from_saved_model(source):
    try:
        # Kept in a variable, because a signature does not keep its variables alive.
        loaded = exported.load(source.path)
    except ValueError as error:
        raise ValueError(f"backbone: {error}") from error
    try:
        served = loaded.signatures["serving_default"]
        classes = served.structured_outputs["logits"].shape[-1]
        image_shape = served.structured_input_signature[1]["images"].shape[1:]
    except KeyError as error:
        raise ValueError(
            f"backbone={source.path}: expected a SavedModel of kdcl-train or kdcl-export, with a "
            f"signature serving_default that takes images and gives logits; got no {error}"
        ) from error
    student = students.build(source.architecture, classes, tuple(image_shape))
    found = {_COPY.sub("", each.name.removesuffix(":0")): each for each in served.variables}
    # Seeds of dropout are not among what a function in inference mode reads.
    own = {each.path: each for each in student.variables if "seed_generator" not in each.path}
    _check_same(source, own, found)
    for path, variable in own.items():
        variable.assign(found[path])
    return student


def _check_same(source, own, found):
    """Raises ValueError unless both have variables of the same names and shapes."""
    # Variables that the architecture lacks are refused, too: every block of a ResNet-18 is one
    # of a ResNet-34.
    for path in [*own, *found]:
        expected, got = (
            list(each[path].shape) if path in each else None for each in (own, found)
        )
        if expected != got:
            raise ValueError(
                f"backbone={source.path} is no {source.architecture}: expected "
                f"{expected or 'nothing'} at {path}; got {got or 'nothing'}"
            )


def _from_weights(source):
    try:
        student = students.build(source.architecture, _classes_in(source.path), _BUILT_AT)
        with warnings.catch_warnings():
            # Keras warns of each layer that does not fit, before an error that says it once.
            warnings.simplefilter("ignore")
            student.load_weights(source.path)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(
            f"backbone={source.path}: expected weights of a {source.architecture}; got "
            f"{_first_line(error)}"
        ) from error
    return student


def _classes_in(path):
    """How many classes the student of a `.weights.h5` file has: the length of its last bias."""
    with h5py.File(path) as file:
        dense = [name for name in file["layers"] if name.startswith("dense")]
        if not dense:
            raise ValueError("no dense layer")
        last = max(dense, key=lambda name: (len(name), name))
        return file["layers"][last]["vars"]["1"].shape[0]


def _first_line(error):
    """Keras's message up to its first line that says something."""
    lines = str(error.args[0] if error.args else error).split("\n")
    while len(lines) > 1 and (not lines[0].strip() or lines[0].endswith(":")):
        lines[:2] = [f"{lines[0]} {lines[1]}".strip()]
    return lines[0]


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
    return keras.Model(images, freed.output, name=name)
