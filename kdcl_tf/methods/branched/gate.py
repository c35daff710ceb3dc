"""The gate of ONE: weights for the logits of branches, from the features that they share.

Dense -> batch norm -> ReLU -> softmax on the pooled features (Lan, Zhu and Gong, NeurIPS 2018,
section 3.1).
"""

import keras
import numpy as np

from kdcl_tf.students.calls import calls

__all__ = ["teacher"]

# By the number of axes of the features.
_POOLING = {
    3: keras.layers.GlobalAveragePooling1D,
    4: keras.layers.GlobalAveragePooling2D,
    5: keras.layers.GlobalAveragePooling3D,
}


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
    """`[B, ..., C]` with up to three axes of places -> `[B, branches]`, weights that sum to 1."""
    x = features
    if len(x.shape) in _POOLING:
        x = _POOLING[len(x.shape)](dtype="float32", name="gate_pool")(x)
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
    """The features at which the branches part: the last that all compute.

    They are told by the calls of layers, since one layer may be called several times, as by each
    branch for itself, or by a model that is called as a layer.
    """
    first, *others = [calls(student) for student in students.values()]
    shared = [node for key, node in first.items() if all(key in other for other in others)]
    # Of an operation that gives several tensors, as a recurrent layer with its states, the first.
    return shared[-1].output_tensors[0]
