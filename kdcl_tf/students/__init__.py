"""Students: small image classifiers, built by name.

Importing this package imports neither TensorFlow nor Keras, so that a program
can check names of students among its flags before it pays for either. For the
same reason a process that only loads a saved student must name the layer once,
so that Keras knows it:

    from kdcl_tf.students import FusedBatchNormalization
    model = keras.saving.load_model("student.keras")

An exported SavedModel needs neither this package nor Keras.
"""

import math
import numbers

from kdcl_tf.students.names import parse, validate

__all__ = ["FusedBatchNormalization", "build", "parameter_count", "validate"]

# Halved twice it is a single pixel; below that the strides no longer do what they say.
_SMALLEST_IMAGE = 4


def build(
    name: str,
    num_classes: int,
    input_shape=(32, 32, 3),
    *,
    synchronized: bool = False,
    dtype=None,
    model_name: str | None = None,
):
    """Builds a student with fresh weights.

    Args:
        name: `resnet{6n+2}` (`resnet32`) or `wrn_{6n+4}_{width}` (`wrn_16_2`).
        num_classes: number of classes, 2 or more.
        input_shape: (height, width, channels); height and width 4 or more.
        synchronized: under `tf.distribute`, batch norm uses the statistics of all
            replicas together instead of each replica's own.
        dtype: dtype policy of the layers, e.g. "mixed_bfloat16"; None is the
            global policy. The logits are float32 under any.
        model_name: name of the model; None is `name`. Two students of one
            architecture need two names.

    Returns:
        A functional `keras.Model`, images `[B, height, width, channels]` ->
        logits `[B, num_classes]`, unnormalised, float32.

    Raises:
        ValueError: an unknown name, or a size that no student can have.

    Example:

    >>> build("resnet32", num_classes=100).count_params()
    475220
    """
    validate(name)
    num_classes = _checked_num_classes(num_classes)
    input_shape = _checked_input_shape(input_shape)

    import keras  # Here: see the top of the file.

    from kdcl_tf.students.layers import Layers

    images = x = keras.Input(input_shape, name="images")
    for part in _parts(name, num_classes, Layers(synchronized=synchronized, dtype=dtype)):
        x = part(x)
    return keras.Model(images, x, name=model_name or name)


def parameter_count(model) -> int:
    """Number of trainable parameters; the moving statistics do not count."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def __getattr__(name):
    if name == "FusedBatchNormalization":
        from kdcl_tf.students.normalization import FusedBatchNormalization

        return FusedBatchNormalization
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _parts(name: str, num_classes: int, layers) -> list:
    """The functions that make the student's parts, from the stem to the head."""
    from kdcl_tf.students import resnet, wide_resnet

    family, depth, width = parse(name)
    if family == "resnet":
        return resnet.parts(depth, num_classes, layers)
    return wide_resnet.parts(depth, width, num_classes, layers)


def _checked_num_classes(num_classes) -> int:
    if not _is_integer(num_classes) or num_classes < 2:
        raise ValueError(
            f"num_classes must be an integer of 2 or more; got {num_classes!r}; "
            "a yes-or-no task has 2 classes"
        )
    return int(num_classes)


def _checked_input_shape(input_shape) -> tuple[int, int, int]:
    shape = tuple(input_shape) if isinstance(input_shape, (tuple, list)) else ()
    if len(shape) != 3 or not all(_is_integer(size) and size > 0 for size in shape):
        raise ValueError(
            "input_shape must be three positive integers (height, width, channels); "
            f"got {input_shape!r}; CIFAR's is (32, 32, 3)"
        )
    if min(shape[:2]) < _SMALLEST_IMAGE:
        raise ValueError(
            f"input_shape must have a height and width of {_SMALLEST_IMAGE} or more, because "
            f"students halve them twice; got {input_shape!r}; resize or pad the images"
        )
    return tuple(int(size) for size in shape)


def _is_integer(value) -> bool:
    # bool is an Integral too, and True is no number of classes.
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
