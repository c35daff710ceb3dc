"""A student in float32, whatever precision it was trained in."""

from __future__ import annotations

from typing import Any

import keras

_HALF = ("bfloat16", "float16", "mixed_bfloat16", "mixed_float16")


def in_float32(student: keras.Model) -> keras.Model:
    """The student with every layer computing in float32, and the same weights.

    Exported models must be: converters and accelerators outside TensorFlow read bfloat16
    poorly or not at all.

    Args:
      student: a built model.

    Returns:
      The student itself where no layer computes in half precision; otherwise a copy, equal to
      a student that was built in float32.

    Raises:
      ValueError: for a subclassed model in half precision, which Keras cannot copy.
    """
    if not any(_is_half(layer) for layer in _layers(student)):
        return student
    before = keras.config.dtype_policy()
    # The model itself takes the global policy, and would cast its inputs to it.
    keras.config.set_dtype_policy("float32")
    try:
        copy = keras.models.clone_model(student, clone_function=_in_float32, recursive=True)
    except ValueError as error:
        raise ValueError(
            f"student {student.name!r} computes in half precision and cannot be copied to float32; "
            "expected a functional or Sequential model: build it with dtype='float32', give it the "
            f"weights, and export that ({error})"
        ) from error
    finally:
        keras.config.set_dtype_policy(before)
    copy.set_weights(student.get_weights())
    return copy


def _layers(model):
    """The model and all layers in it, those of nested models and wrappers too."""
    return [model, *model._flatten_layers(include_self=False)]


def _is_half(layer) -> bool:
    policy = getattr(layer, "dtype_policy", None)
    return policy is not None and policy.compute_dtype in _HALF


def _in_float32(layer):
    if not isinstance(layer, keras.layers.Layer):
        return layer
    return type(layer).from_config(_float32_config(layer.get_config()))


def _float32_config(config: Any) -> Any:
    """A layer's configuration with float32 in the place of every half precision."""
    if isinstance(config, dict):
        return {
            name: "float32" if name == "dtype" and _names_half(value) else _float32_config(value)
            for name, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_float32_config(each) for each in config)
    return config


def _names_half(value) -> bool:
    """Whether the `dtype` of a configuration, a name or a serialised policy, is half precision."""
    if isinstance(value, dict):
        return (value.get("config") or {}).get("name") in _HALF
    return str(getattr(value, "name", value)) in _HALF
