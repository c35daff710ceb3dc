"""Which training images are held out and which are trained on.

Depends on the labels alone, never on a training seed: every method and every
seed that is compared sees the same images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def held_out_and_train(
    labels: np.ndarray,
    num_classes: int,
    holdout_per_class: int = 0,
    train_per_class: int = 0,
    class_names: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Splits a training set into held-out images and images to train on.

    Each class has a fixed permutation: its first `holdout_per_class` images are
    held out and the next `train_per_class` are trained on. So a larger
    `train_per_class` contains the smaller one. Contents are not compared, as they are for a
    share (`sources.shares`): of two copies of an image, one may be held out and one trained on.

    Args:
      labels: `[N]` integers in 0..num_classes-1.
      num_classes: number of classes.
      holdout_per_class: images of each class kept from training.
      train_per_class: images of each class trained on, beside the held-out ones;
        0 takes all that remain.
      class_names: used in errors, where given.

    Returns:
      (held-out indices, training indices), each sorted int64, disjoint.

    Raises:
      ValueError: when a count is negative or a class has too few images.
    """
    _check_counts(holdout_per_class, train_per_class)
    if not holdout_per_class and not train_per_class:
        return np.zeros([0], np.int64), np.arange(len(labels), dtype=np.int64)
    held_out, train = [], []
    for label in range(num_classes):
        members = _permuted_members(labels, label)
        name = class_names[label] if class_names else str(label)
        _check_class(name, len(members), holdout_per_class, train_per_class)
        end = holdout_per_class + train_per_class if train_per_class else None
        held_out.append(members[:holdout_per_class])
        train.append(members[holdout_per_class:end])
    return np.sort(np.concatenate(held_out)), np.sort(np.concatenate(train))


def _permuted_members(labels: np.ndarray, label: int) -> np.ndarray:
    """Indices of a class in its fixed order.

    Sorts raw random bits: NumPy promises that those never change, and does not
    promise it for `Generator.permutation`.
    """
    members = np.flatnonzero(np.asarray(labels) == label).astype(np.int64)
    bits = np.random.Philox(key=label).random_raw(len(members))
    return members[np.argsort(bits, kind="stable")]


def _check_counts(holdout_per_class: int, train_per_class: int) -> None:
    counts = {
        "holdout_per_class": holdout_per_class,
        "train_per_class": train_per_class,
    }
    for name, count in counts.items():
        if count < 0:
            raise ValueError(f"{name}: expected 0 or more; got {count}")


def _check_class(name: str, got: int, holdout: int, train: int) -> None:
    """A class must keep at least one image to train on."""
    needed = holdout + max(train, 1)
    if got < needed:
        raise ValueError(
            f"class {name!r} has too few training images: expected at least {needed}"
            f" ({holdout} held out + {max(train, 1)} to train on); got {got}: lower"
            " holdout_per_class or train_per_class"
        )
