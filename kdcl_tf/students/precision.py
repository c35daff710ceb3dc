"""Students of any precision as float32 ones, for what leaves training."""

from __future__ import annotations

import contextlib

import keras

__all__ = ["copy_in_float32", "in_float32", "is_float32"]

_OTHER_FLOATS = {"bfloat16", "float16", "float64"}
# A quantized policy is not among them: its layers have other variables.
_POLICIES = {"DTypePolicy", "DTypePolicyMap"}


def is_float32(model: keras.Model) -> bool:
    """Whether all layers and variables of a built model that are of a float type are float32."""
    return not _other_floats(model)


def in_float32(model: keras.Model) -> keras.Model:
    """The same model, computing and storing everything in float32.

    Its outputs are bitwise those of a model that was built in float32 and given the weights.

    Args:
      model: a built keras.Model of any precision; it is not changed.

    Returns:
      A model that is not compiled, with weights of its own; or `model` itself, of any kind, when
      it is float32 throughout.

    Raises:
      ValueError: for a model that is not float32 and that Keras cannot build again from its
        configuration, in one line.
    """
    return model if is_float32(model) else copy_in_float32(model)


def copy_in_float32(model: keras.Model) -> keras.Model:
    """`in_float32`, which is always a model with weights of its own."""
    copies = _Copies()
    try:
        with _default_policy("float32"):
            copy = copies.of(model)
        copies.take_weights()
    except Exception as error:  # What a layer of the user's raises may be anything.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(_refusal(model, reason)) from error
    if left := _other_floats(copy):
        raise ValueError(_refusal(model, f"its layer {left[0]!r} ignores a dtype of float32"))
    return copy


def _refusal(model, reason):
    return (
        f"student {model.name!r} cannot be exported in float32: expected a functional or "
        "Sequential model whose layers can be built from their configuration with "
        f"dtype='float32'; got {type(model).__name__}: {reason}; build it in float32 and give it "
        "the trained weights"
    )


def _other_floats(model):
    """Paths of layers and variables that are of a float type but float32."""
    typed = [
        (each.path or each.name, {each.compute_dtype, each.variable_dtype})
        for each in _with_inner(model)
    ]
    typed += [(each.path, {each.dtype}) for each in model.variables]
    typed += [(model.name, {each.dtype}) for each in getattr(model, "inputs", None) or []]
    return [path for path, dtypes in typed if dtypes & _OTHER_FLOATS]


def _with_inner(layer):
    """A layer and all layers within it, for which Keras has no public name."""
    return layer._flatten_layers()


class _Copies:
    """Builds layers again in float32, each once however often it is used."""

    def __init__(self):
        self._pairs = {}

    def of(self, layer):
        """The copy of a layer, a model or an operation."""
        if id(layer) not in self._pairs:
            self._pairs[id(layer)] = (layer, self._copy(layer))
        return self._pairs[id(layer)][1]

    def take_weights(self):
        """Gives every copy the weights of its original."""
        for layer, copy in self._pairs.values():
            # A model's are those of its layers.
            if isinstance(layer, keras.layers.Layer) and not isinstance(layer, keras.Model):
                for one, other in zip(_with_inner(layer), _with_inner(copy), strict=True):
                    # More than `get_weights`: Normalization derives its constants here.
                    store = {}
                    one.save_own_variables(store)
                    other.load_own_variables(store)

    def _copy(self, layer):
        if not isinstance(layer, keras.Model):
            return _rebuilt(layer)
        if not _is_graph(layer):
            raise ValueError(f"{layer.name} has code of its own beside its layers")
        # Of its own tensors, which leaves behind what it was compiled with.
        graph = keras.Model(*_ends(layer), name=layer.name)
        inputs = keras.tree.map_structure(_float32_input, graph.input)
        return keras.models.clone_model(graph, inputs, clone_function=self.of)


def _is_graph(model):
    """Whether what the model computes is the graph of its layers, which can be built again."""
    if not getattr(model, "inputs", None):
        return False
    of_keras = next(each for each in type(model).__mro__ if each.__module__.startswith("keras."))
    return of_keras is not keras.Model and type(model).call is of_keras.call


def _ends(model):
    """Its own tensors: `input` of a Sequential is what it was called on."""
    if isinstance(model, keras.Sequential):
        return model.inputs[0], model.outputs[0]
    return model.input, model.output


def _float32_input(tensor):
    dtype = "float32" if tensor.dtype in _OTHER_FLOATS else tensor.dtype
    return keras.Input(batch_shape=tensor.shape, dtype=dtype, name=tensor.name)


def _rebuilt(layer):
    config = layer.get_config()
    if isinstance(layer, keras.layers.Layer):
        config = _with_float32(config)
    if isinstance(layer, keras.layers.Lambda):
        # Its Python function itself: what Keras would read back has lost its global names.
        config |= {name: getattr(layer, name) for name in ("function", "mask", "arguments")}
        if isinstance(config.get("output_shape"), dict):
            del config["output_shape"]
        return type(layer)(**config)
    return type(layer).from_config(config)


def _with_float32(config):
    """A configuration whose float policies, those of inner layers too, are float32."""
    if isinstance(config, (list, tuple)):
        return type(config)(_with_float32(each) for each in config)
    if not isinstance(config, dict):
        return config
    return {
        key: "float32" if key == "dtype" and _is_float(value) else _with_float32(value)
        for key, value in config.items()
    }


def _is_float(dtype):
    if isinstance(dtype, dict):
        name = str(dtype.get("config", {}).get("name", ""))
        return dtype.get("class_name") in _POLICIES and not name.startswith(("int", "uint"))
    return dtype in _OTHER_FLOATS


@contextlib.contextmanager
def _default_policy(name):
    """Layers that a layer makes by itself have Keras's default policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
