"""The gate of ONE: weights for the logits of branches, from the features that they share.

Dense -> batch norm -> ReLU -> softmax on the pooled features (Lan, Zhu and Gong, NeurIPS 2018,
section 3.1).
"""

import keras
import numpy as np

__all__ = ["teacher"]


def teacher(students: dict[str, keras.Model]) -> keras.KerasTensor:
    """Logits `[B, C]`, float32: the branches' logits weighted by the gate.

    Args:
      students: `{name: keras.Model}`, functional models on one input that share layers.
        The gate's batch norm is synchronised over replicas, so that several devices weigh the
        branches as one does.

    Returns:
      A Keras tensor, as a further output of the network that the students are parts of.
    """
    logits = [keras.ops.cast(student.output, "float32") for student in students.values()]
    weights = _weights(_shared_features(students), len(logits))
    return _weighted_sum(weights, keras.ops.stack(logits, axis=1))


def _weighted_sum(weights, logits):
    """`[B, C]` from `[B, M]` and `[B, M, C]`; -inf where a branch masks the class with -inf.

    The masked logits are left out of the product, in which they would make NaN gradients.
    """
    is_masked = keras.ops.equal(logits, -np.inf)
    summed = keras.ops.sum(weights[:, :, None] * keras.ops.where(is_masked, 0.0, logits), axis=1)
    return keras.ops.where(keras.ops.any(is_masked, axis=1), -np.inf, summed)


def _weights(features, branches):
    """`[B, H, W, C]` or `[B, C]` -> `[B, branches]`, weights that sum to 1."""
    x = features
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="gate_pool")(x)
    x = keras.layers.Dense(branches, dtype="float32", name="gate_logits")(x)
    x = keras.layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        synchronized=True,
        dtype="float32",
        name="gate_norm",
    )(x)
    x = keras.layers.ReLU(dtype="float32", name="gate_relu")(x)
    return keras.layers.Softmax(dtype="float32", name="gate_softmax")(x)


def _shared_features(students):
    """The features at which the branches part: the output of the last operation they share."""
    first, *others = [student.operations for student in students.values()]
    known = [{id(operation) for operation in other} for other in others]
    shared = [each for each in first if all(id(each) in other for other in known)]
    # A shared layer that each branch calls by itself, such as one Flatten, has many outputs,
    # none of which all branches share.
    outputs = [_only_output(each) for each in shared]
    return [output for output in outputs if output is not None][-1]


def _only_output(operation):
    try:
        return operation.output
    except AttributeError:
        return None
