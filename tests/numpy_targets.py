"""The soft targets of KDCL in float64 NumPy, and random logits to try them on."""

import numpy as np

from kdcl_tf.objectives import targets

BY_EXAMPLE = {"naive": targets.naive, "linear": targets.linear, "min_logit": targets.min_logit}


def softmax(logits):
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def log_sum_exp(logits):
    top = logits.max(-1)
    return top + np.log(np.exp(logits - top[..., np.newaxis]).sum(-1))


def cross_entropy(dense, logits):
    return (dense * (log_sum_exp(logits)[..., np.newaxis] - logits)).sum(-1)


def numpy_naive(logits, dense, temperature):
    best = cross_entropy(dense, logits).argmin(0)
    chosen = logits[best, np.arange(logits.shape[1])]
    return softmax(chosen / temperature)


def numpy_min_logit(logits, dense, temperature):
    shifted = logits - (dense * logits).sum(-1, keepdims=True)
    return softmax(shifted.min(0) / temperature)


def numpy_linear(logits, dense, temperature):
    """With the library's weights, whose optimality other tests show."""
    weights = targets.linear_weights(logits, dense).numpy().astype(np.float64)
    return softmax(np.einsum("bm,mbc->bc", weights, logits) / temperature)


NUMPY = {"naive": numpy_naive, "linear": numpy_linear, "min_logit": numpy_min_logit}


def random_logits(students=3, examples=16, classes=6, scale=3.0, soft=False, seed=0):
    rng = np.random.default_rng([seed, students, classes])
    logits = scale * rng.normal(size=[students, examples, classes])
    if soft:
        return logits, rng.dirichlet(np.ones(classes), size=examples)
    return logits, rng.integers(classes, size=examples)


def as_probabilities(labels, classes):
    return labels if labels.ndim == 2 else np.eye(classes)[labels]
