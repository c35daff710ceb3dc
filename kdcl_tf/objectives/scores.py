"""Scores of a classifier from its logits, in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def scores(logits: ArrayLike, labels: ArrayLike) -> dict[str, float | int]:
    """Accuracy, as `hits` counts it, likelihood and calibration.

    Args:
      logits: `[N, C]`, N >= 1.
      labels: `[N]` integer classes.

    Returns:
      `{"top_1", "top_5"}` in 0..1, `"nll"` in nats, `"ece"` in 0..1 (15 bins), `"examples"`; and
      `"balanced_accuracy"`, the mean over classes of their top-1, where they differ in size.
    """
    labels = np.asarray(labels)
    log_probabilities = log_softmax(logits)
    of_label = log_probabilities[np.arange(len(labels)), labels]
    correct = hits(logits, labels)
    confidence = np.exp(log_probabilities.max(axis=1))
    return {
        "top_1": float(correct.mean()),
        "top_5": float(hits(logits, labels, top=5).mean()),
        "nll": float(-of_label.mean()),
        "ece": expected_calibration_error(confidence, correct),
        "examples": len(labels),
        **_balanced(correct, labels),
    }


def _balanced(correct, labels):
    """The mean of the accuracies of the classes that have images."""
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(set(counts.tolist())) < 2:
        return {}
    return {"balanced_accuracy": float(np.mean(np.bincount(classes, correct) / counts))}


def hits(logits: ArrayLike, labels: ArrayLike, top: int = 1) -> np.ndarray:
    """Whether the true class is among the best `top`: `[N]` bool.

    It is if fewer than `top` other classes have a logit as large as its own or larger, so that
    ties count against it.  NaN counts as larger, and is never a hit.

    Args:
      logits: `[N, C]`.
      labels: `[N]` integer classes.
    """
    logits = np.asarray(logits)
    of_label = np.take_along_axis(logits, np.asarray(labels)[:, None], axis=1)
    rivals = (~(logits < of_label)).sum(axis=1) - 1
    return (rivals < top) & ~np.isnan(of_label[:, 0])


def log_softmax(logits: ArrayLike) -> np.ndarray:
    """`[N, C]` logits -> log probabilities, float64."""
    logits = np.asarray(logits, np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """How far confidence is from accuracy, averaged over bins by their share of examples.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, Eq. 3.

    Args:
      confidence: `[N]`, probability of the predicted class.
      correct: `[N]` bool, whether that class is the true one.
      bins: number of bins of equal width over 0..1.

    Returns:
      A float in 0..1.
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    # Bins are (low, high], so that confidence 1 is in the last.
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(index, weights=correct - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(confidence))
