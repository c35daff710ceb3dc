"""Students: small image classifiers, built by name.

Importing this package imports neither TensorFlow nor Keras, so that a program
can check names of students among its flags before it pays for either.

A student that `student.save` wrote loads where `kdcl_tf` is imported, too; a
`.keras` file of `kdcl-export` needs Keras alone, and an exported SavedModel
TensorFlow alone.
"""

from __future__ import annotations

import itertools
import math
import numbers
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kdcl_tf.students import families
from kdcl_tf.students.levels import feature_levels
from kdcl_tf.students.names import model_name_of, parse, validate, validate_branches
from kdcl_tf.students.sizes import (
    checked_input_shape,
    checked_num_classes,
    default_image_size,
    validate_size,
)
from kdcl_tf.students.weights import kinds

if TYPE_CHECKING:
    import keras

__all__ = [
    "FusedBatchNormalization",
    "build",
    "build_branches",
    "default_image_size",
    "feature_levels",
    "model_name_of",
    "parameter_count",
    "validate",
    "validate_branches",
    "validate_size",
]


def build(
    name: str,
    num_classes: int,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    *,
    synchronized: bool = False,
    dtype: str | keras.DTypePolicy | None = None,
    model_name: str | None = None,
    weights: str | os.PathLike | None = None,
) -> keras.Model:
    """Builds a student, with fresh weights unless some are given.

    Args:
        name: for images as large as ImageNet's, `resnet18`, `resnet34`, `resnet50`,
            `resnet101`, `resnet152`, `mobilenet_v2`, `mobilenet_v2_{width}`
            (`mobilenet_v2_0.5`); for CIFAR's, `resnet{6n+2}` (`resnet32`; not 50
            and 152) or `wrn_{6n+4}_{width}` (`wrn_16_2`); for either,
            `keras:{classifier}` of `keras.applications` (`keras:ResNet50V2`).
        num_classes: number of classes, 2 or more.
        input_shape: (height, width, channels); height and width 4 or more, or 32 or
            more for the networks for ImageNet; Keras's check their images themselves.
        synchronized: under `tf.distribute`, batch norm uses the statistics of all
            replicas together instead of each replica's own.
        dtype: dtype policy of the layers, e.g. "mixed_bfloat16"; None is the
            global policy. The logits are float32 under any.
        model_name: name of the model; None is `model_name_of(name)`. Two students of
            one architecture need two names.
        weights: to start from: the folder of an exported student; a `.keras` or
            `.weights.h5` file of one; a `.safetensors` file of torchvision's ResNet or
            MobileNetV2 of the same name; or "imagenet" for a `keras:` student. They are
            right for images normalised as those that they were trained on, which
            `kdcl_tf.serving.weight_source` tells. It alone also compares an exported
            student with its checksums, and refuses one of an older version that padded
            otherwise: call it first, and give its `path`. The head is made anew where the
            number of classes differs; a line on stderr says what was taken.

    Returns:
        A functional `keras.Model`, images `[B, height, width, channels]` ->
        logits `[B, num_classes]`, unnormalised, float32.

    Raises:
        ValueError: an unknown name, or a size that no student can have; or weights of
            which anything but the head does not fit, naming the first.

    Examples:
        >>> build("resnet32", num_classes=100).count_params()
        475220
    """
    student = parse(name)
    num_classes = checked_num_classes(num_classes)
    input_shape = checked_input_shape(input_shape, student.family)
    model_name = model_name or model_name_of(name)
    settings: dict[str, Any] = {"synchronized": synchronized, "dtype": dtype}

    import keras  # Here: see the top of the file.

    from kdcl_tf.students import keras_applications
    from kdcl_tf.students.layers import Layers

    if weights is not None:
        kinds.check(weights, name)
    if student.family == "keras":
        model = keras_applications.build(
            student.classifier, num_classes, input_shape, name=model_name, **settings
        )
    else:
        images = x = keras.Input(input_shape, name="images")
        for part in families.parts(student, num_classes, Layers(**settings)):
            x = part(x)
        model = keras.Model(images, x, name=model_name)
    if weights is not None:
        _load(model, weights, name)
    return model


def build_branches(
    name: str,
    num_classes: int,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    *,
    copies: tuple[int, ...],
    synchronized: bool = False,
    dtype: str | keras.DTypePolicy | None = None,
    model_names: Sequence[str] | None = None,
) -> dict[str, keras.Model]:
    """Builds students of one architecture that share their lower stages.

    Args:
        name, num_classes, input_shape, synchronized, dtype: as in `build`, but none of
            `keras.applications`.
        copies: how many copies there are of each of the last stages; what is below
            them is shared by all. `(3,)` is three branches that have only the last
            stage, and the head, to themselves; `(2, 4)` is a tree with two copies of
            the stage before it, each shared by two of four heads.
        model_names: a name for each student; by default `name`, `name_2`, ...

    Returns:
        `{model name: keras.Model}`, as many as the last of `copies`, on one
        `keras.Input`. Each is the architecture that `build` makes: the weights of
        one fit the other, in the same order.

    Raises:
        ValueError: as `build`, for copies that do not make a tree, and for names that are not
            as many as the students, or not distinct.

    Examples:
        >>> list(build_branches("resnet32", num_classes=100, copies=(3,)))
        ['resnet32', 'resnet32_2', 'resnet32_3']
    """
    validate_branches(name)
    student = parse(name)
    num_classes = checked_num_classes(num_classes)
    input_shape = checked_input_shape(input_shape, student.family)

    import keras  # Here: see the top of the file.

    from kdcl_tf.students.layers import Layers

    parts = families.parts(student, num_classes, Layers(synchronized=synchronized, dtype=dtype))
    _check_copies(copies, stages=len(parts) - 2)
    shared = len(parts) - 1 - len(copies)
    images = keras.Input(input_shape, name="images")
    outputs = [images]
    for part, count in zip(parts, [*[1] * shared, *copies, copies[-1]]):
        ways = count // len(outputs)
        inputs = [x for x in outputs for _ in range(ways)]
        outputs = [part(x, _copy_prefix(number)) for number, x in enumerate(inputs, start=1)]
    names = model_names or [_numbered(name, number) for number in range(1, len(outputs) + 1)]
    if len(set(names)) != len(outputs) or len(names) != len(outputs):
        raise ValueError(
            f"model_names must be {len(outputs)} distinct names, one for each student; got "
            f"{', '.join(names)}"
        )
    return {each: keras.Model(images, output, name=each) for each, output in zip(names, outputs)}


def parameter_count(model: keras.Model) -> int:
    """Number of trainable parameters; the moving statistics do not count."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def __getattr__(name):
    if name == "FusedBatchNormalization":
        from kdcl_tf.students.normalization import FusedBatchNormalization

        return FusedBatchNormalization
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _load(model, weights, name):
    from kdcl_tf.students.weights import reading

    taken = reading.load(model, weights, name)
    print(f"{model.name} starts from {weights}: {taken}", file=sys.stderr)


def _check_copies(copies, stages: int) -> None:
    is_numbers = isinstance(copies, (tuple, list)) and all(
        isinstance(each, numbers.Integral) for each in copies
    )
    counts = [1, *copies] if is_numbers else []
    if (
        not is_numbers
        or not 1 <= len(copies) <= stages
        or copies[-1] < 2
        or any(below < 1 or above % below for below, above in itertools.pairwise(counts))
    ):
        raise ValueError(
            f"copies must be one to {stages} numbers, each a multiple of the one before and the "
            f"last 2 or more; got {copies!r}; (3,) for three branches, (2, 4) for a tree"
        )


def _copy_prefix(number: int) -> str:
    # The first copy has the names of the plain architecture.
    return "" if number == 1 else f"copy{number}_"


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"
