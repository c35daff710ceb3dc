"""Students as backbones: their levels, for images of any size."""

import warnings

import h5py
import keras
import tensorflow as tf

from kdcl_tf import students
from kdcl_tf.students.normalization import FusedBatchNormalization

# Fresh students are built at this size, and then freed of it.
_BUILT_AT = (224, 224, 3)


def build(source, feature_layers=(), synchronized=False, dtype=None):
    """Builds a backbone.

    Args:
      source: `BackboneSource`.
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
    if source.kind == "keras":
        return keras.saving.load_model(source.path, compile=False)
    if source.kind == "fresh":
        return students.build(source.architecture, 1000, _BUILT_AT)
    if source.kind == "weights":
        return _from_weights(source)
    return _from_saved_model(source)


def _from_saved_model(source):
    loaded = tf.saved_model.load(str(source.path))
    saved = {
        variable.name.removesuffix(":0"): variable
        for variable in loaded.signatures["serving_default"].variables
    }
    classes = next(reversed([each for each in saved.values() if each.shape.rank == 1])).shape[0]
    shape = loaded.signatures["serving_default"].structured_input_signature[1]["images"].shape
    student = students.build(source.architecture, classes, tuple(shape[1:]))
    for variable in student.variables:
        found = saved.get(variable.path)
        # Seeds of dropout are not among what a function in inference mode reads.
        if found is None and "seed_generator" in variable.path:
            continue
        if found is None or tuple(found.shape) != tuple(variable.shape):
            has = f"one of {list(found.shape)}" if found is not None else "none"
            raise ValueError(
                f"--backbone={source.path} is no {source.architecture}: wanted a variable "
                f"{variable.path} of {list(variable.shape)}; got {has}"
            )
        variable.assign(found)
    return student


def _from_weights(source):
    try:
        student = students.build(source.architecture, _classes_in(source.path), _BUILT_AT)
        with warnings.catch_warnings():
            # Keras warns of each layer that does not fit, and then says it in one line.
            warnings.simplefilter("ignore")
            student.load_weights(source.path)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(
            f"--backbone={source.path} has no weights of a {source.architecture}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    return student


def _classes_in(path):
    """How many classes the student of a `.weights.h5` file has: the length of its last bias."""
    with h5py.File(path) as file:
        layers = file["layers"]
        dense = [name for name in layers if name.startswith("dense")]
        last = max(dense, key=lambda name: (len(name), name))
        return layers[last]["vars"]["1"].shape[0]


def _levels(student, feature_layers):
    """`{stride: layer name}`."""
    if not feature_layers:
        try:
            return students.feature_levels(student)
        except ValueError as error:
            raise ValueError(f"{error}, or --feature_layers with the names of some") from error
    known = {layer.name for layer in student.layers}
    missing = [name for name in feature_layers if name not in known]
    if missing:
        raise ValueError(f"--feature_layers: {student.name} has no layer {', '.join(missing)}")
    height = student.input_shape[1]
    return {
        round(height / student.get_layer(name).output.shape[1]): name for name in feature_layers
    }


def _freed(model, name, synchronized, dtype):
    """The model for images of any size, with its weights."""

    def renewed(layer):
        config = layer.get_config()
        if dtype is not None:
            config["dtype"] = dtype
        if isinstance(layer, (FusedBatchNormalization, keras.layers.BatchNormalization)):
            config["synchronized"] = synchronized
        return layer.__class__.from_config(config)

    images = keras.Input([None, None, model.input_shape[-1]], name="images")
    freed = keras.models.clone_model(model, input_tensors=images, clone_function=renewed)
    freed.set_weights(model.get_weights())
    return keras.Model(images, freed.output, name=name)
