"""Which models may join a cohort."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = [
    "check_classifier",
    "check_losses_apart",
    "check_scope",
    "check_students",
    "input_names",
    "input_shape",
    "map_shapes",
    "output_shape",
]


def check_students(students: Mapping[str, keras.Model], may_share_layers: bool = False) -> None:
    """Raises ValueError, with the fix, for students that cannot form a cohort."""
    if not isinstance(students, dict) or not students:
        raise ValueError(
            f"students must be a dict of at least one {{name: keras.Model}}; got {students!r}"
        )
    for name, student in students.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"a student's name must be a non-empty string; got {name!r}")
        check_classifier(f"student {name!r}", student)
    classes = {name: output_shape(student)[-1] for name, student in students.items()}
    if len(set(classes.values())) > 1:
        raise ValueError(f"students must have the same number of classes; got {classes}")
    if not may_share_layers:
        _check_nothing_shared(students)


def check_scope(
    students: Mapping[str, keras.Model],
    strategy: tf.distribute.Strategy,
    of_cohort: Iterable[keras.Variable] = (),
) -> None:
    """Refuses a cohort of which a step assigns something that was made outside the strategy's scope.

    TensorFlow would fail in the step, with an error that is empty.  What is only read, as the weights
    of a frozen layer, may be of elsewhere.

    Args:
      students: `{name: student}`.
      strategy: of the cohort where it was made inside a scope, otherwise that of now.
      of_cohort: what the cohort itself has.

    Raises:
      ValueError: naming what was made elsewhere.
    """
    made = {f"the student {name!r}": _assigned(each) for name, each in students.items()}
    elsewhere = [
        what
        for what, own in {**made, "the cohort": of_cohort}.items()
        if not all(strategy.extended.variable_created_in_scope(each.value) for each in own)
    ]
    if elsewhere:
        raise ValueError(
            f"expected students, cohort and optimizer of one strategy's scope; got {elsewhere[0]} made "
            "outside of it: build the students, make the cohort and compile it inside "
            "`with strategy.scope():`"
        )


def _assigned(student):
    """What is trained, and the statistics of batch norm that is."""
    statistics = [
        variable
        for layer in student._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        for variable in layer.non_trainable_variables
    ]
    return [*student.trainable_variables, *statistics]


def input_shape(student: keras.Model) -> Any:
    """The shape of the batches that a built student takes, such as `(None, H, W, C)`.

    Of several inputs it is a list of shapes.  A subclassed model remembers the one it was built on,
    which may be a dict or a list of shapes; None where it does not even that.
    """
    if getattr(student, "inputs", None):
        return student.input_shape
    built_on = (student.get_build_config() or {}).get("input_shape")
    return built_on and map_shapes(lambda shape: (None, *shape[1:]), built_on)


def output_shape(student: keras.Model) -> Any:
    """The shape of a built student's output, `(None, C)` for a classifier.

    A subclassed model remembers only the shape of the images it was built on, and is asked
    for the shape of its output; None where it does not even remember that.
    """
    if hasattr(student, "output_shape"):
        # A Sequential is a functional model inside.
        output = getattr(getattr(student, "_functional", None) or student, "output", None)
        # Keras tells the one shape of a dict of one output as if there were no dict.
        if not isinstance(output, dict):
            return student.output_shape
        return keras.tree.map_structure(lambda each: each.shape, output)
    shape = input_shape(student)
    if not shape:
        return None
    output = student.compute_output_spec(map_shapes(keras.KerasTensor, shape))
    return keras.tree.map_structure(lambda each: each.shape, output)


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """What a function gives of each shape of a dict or a list, which may be nested, or of one.

    Args:
      function: of a shape, a tuple or a list of sizes.
      shapes: a shape, or a structure of them.
    """
    if isinstance(shapes, Mapping):
        return {name: map_shapes(function, each) for name, each in shapes.items()}
    if shapes and isinstance(shapes[-1], (Mapping, tuple, list)):
        return [map_shapes(function, each) for each in shapes]
    return function(shapes)


def input_names(student: keras.Model) -> set[str]:
    """The names under which a model takes its inputs.

    Those of a subclassed model are the keys of the dict it was built on; none for another.
    """
    inputs = getattr(student, "inputs", None)
    if not inputs:
        shape = input_shape(student)
        return set(shape) if isinstance(shape, dict) else set()
    given = getattr(student, "input", None)
    return set(given) if isinstance(given, dict) else {each.name for each in inputs}


def check_classifier(who: str, model: Any, needed_by: str = "a cohort") -> None:
    """Raises ValueError unless the model is built and gives logits.

    Args:
      who: what the message begins with, such as "student a".
      model: any.
      needed_by: what the message says to need logits.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"{who} must be a keras.Model; got {type(model).__name__}")
    if not model.built:
        raise ValueError(f"{who} is not built: give it a keras.Input, or call it once on a batch")
    shape = output_shape(model)
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[-1] is None:
        raise ValueError(f"{who} must give logits [B, C]; got output shape {shape}")
    if shape[-1] == 1:
        raise ValueError(
            f"{who} gives one logit; {needed_by} needs one for each class: give a student of two "
            "classes two, keras.layers.Dense(2), of which the sigmoid of their difference is the "
            "probability of the second class"
        )
    operation = _last_operation(model) or model
    last = _activation(operation)
    if _is_of_keras(getattr(type(operation), "call", type(operation))):
        ends_in = _PROBABILITIES.get(last)
        found = None if ends_in or last in _LOGITS else _probed(model)
    else:
        # Its own `call` may use the activation before the last step: the numbers tell.
        found = _probed(model)
        ends_in = _PROBABILITIES.get(last) if _may_be_of_a_sigmoid(found) else None
    if found is not None and _are_probabilities(found, model):
        raise ValueError(
            f"{who} gives probabilities: the numbers of every image are within 0..1 and their sum "
            f"is 1; {needed_by} needs logits: leave out the softmax"
        )
    if ends_in:
        raise ValueError(
            f"{who} ends in a {ends_in}; {needed_by} needs logits: build it with "
            "classifier_activation=None, or without the last activation"
        )


def _check_nothing_shared(students):
    owners: dict[int, str] = {}
    for name, student in students.items():
        own = [(each, f"variable {each.path}") for each in student.variables]
        own += [
            (each, f"layer {each.name}, which has a loss")
            for each in student._flatten_layers()
            if getattr(each, "activity_regularizer", None) is not None
        ]
        for each, what in own:
            other = owners.setdefault(id(each), name)
            if other != name:
                raise ValueError(
                    f"students {other!r} and {name!r} share the {what}: build each student by itself"
                )


def check_losses_apart(networks: Iterable[keras.Model]) -> None:
    """Refuses a layer without variables that adds losses in several networks.

    A layer keeps the losses of its last call alone, which each of the networks would count.

    Args:
      networks: that have run.  What a layer's `call` adds is known only then.

    Raises:
      ValueError: naming the first such layer.
    """
    seen: set[int] = set()
    for network in networks:
        layers = {id(each): each for each in network._flatten_layers()}
        for key in seen & set(layers):
            if layers[key].losses and not layers[key].variables:
                raise ValueError(
                    f"networks share the layer {layers[key].name}, which adds a loss in each: give "
                    "each network a layer of its own"
                )
        seen |= set(layers)


def _last_operation(model):
    """The operation that gives the numbers of the logits, inside nested models too.

    None for a model with a `call` of its own, which cannot be read.
    """
    if not _is_of_keras(type(model).call):
        return None
    for operation in _from_the_last(model):
        if isinstance(operation, keras.Model):
            return _last_operation(operation)
        if not _keeps_numbers(operation):
            return operation
    return None


def _from_the_last(model) -> Iterator[Any]:
    """The operations of a model from its output back, as far as each has one input."""
    if isinstance(model, keras.Sequential):
        yield from reversed(model.layers)
        return
    tensors: Any = getattr(model, "outputs", None) or []
    while len(tensors) == 1:
        operation, node, _ = tensors[0]._keras_history
        yield operation
        tensors = operation._inbound_nodes[node].input_tensors


# Layers and operations of Keras that hand on the numbers they get, in another shape or type.
_KEEPING = (
    "ActivityRegularization",
    "Cast",
    "Dropout",
    "Flatten",
    "Identity",
    "Reshape",
    "Squeeze",
)


def _keeps_numbers(operation):
    kind = type(operation)
    if not _is_of_keras(kind):
        return False
    is_linear = getattr(operation, "activation", None) is keras.activations.linear
    return kind.__name__ in _KEEPING or (kind is keras.layers.Activation and is_linear)


def _is_of_keras(defined):
    """Whether a class or a method is Keras's own, which does what its name says."""
    return defined.__module__.split(".")[0] == "keras"


# Activations by name, since keras.activations, keras.ops and tf.nn have some of their own.
_PROBABILITIES = {
    "softmax": "softmax",
    "softmax_v2": "softmax",
    "Softmax": "softmax",
    "sigmoid": "sigmoid",
    "Sigmoid": "sigmoid",
    "hard_sigmoid": "hard sigmoid",
    "HardSigmoid": "hard sigmoid",
}
# What a layer with weights of its own gives without an activation, and log-probabilities, which
# are logits, too.
_LOGITS = ("linear of a kernel", "log_softmax", "LogSoftmax")


def _activation(operation):
    """The name of the activation of an operation, or of the operation itself."""
    activation = getattr(operation, "activation", operation)
    name = getattr(activation, "__name__", type(activation).__name__)
    return "linear of a kernel" if name == "linear" and hasattr(operation, "kernel") else name


def _probed(model):
    """`[4, C]`, what images of random numbers get.

    None of a model that cannot be asked, for instance since it takes no arrays of a known shape.
    """
    shapes = input_shape(model)
    if not shapes:
        return None
    rng = np.random.default_rng(0)

    def images(shape):
        sides = [32 if side is None else side for side in shape[1:]]
        return rng.normal(size=[4, *sides]).astype(np.float32)

    try:
        return np.asarray(model(map_shapes(images, shapes), training=False))
    except Exception:  # Whatever a stranger's model raises: it is no proof.
        return None


def _are_probabilities(found, model):
    """Whether numbers are within 0..1 and their sum is 1, of each image."""
    sums = found.astype(np.float64).sum(axis=-1)
    # What is rounded to 16 bits adds up to 1 less exactly.
    short = any(each.compute_dtype in ("bfloat16", "float16") for each in model._flatten_layers())
    return _are_within(found) and np.allclose(sums, 1.0, atol=1e-2 if short else 1e-3)


def _may_be_of_a_sigmoid(found):
    """Whether all numbers are within 0..1, and not all 0, as those of a head of zeros are."""
    return found is not None and _are_within(found) and bool(found.any())


def _are_within(found):
    return bool((found >= 0).all() and (found <= 1).all())
