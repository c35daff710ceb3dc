"""How Keras's `fit` and what is beside it run a cohort: the order of callbacks, and wrong labels."""

from __future__ import annotations

import contextlib
import inspect
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf.cohort import accumulation
from kdcl_tf.objectives import targets

__all__ = [
    "Fitting",
    "checked_labels",
    "checked_weights",
    "flat",
    "told_in_one_line",
    "told_of_unknown_rank",
]

# Keras's own, of arrays.
_BATCH_SIZE = 32
# The arguments of `fit` that follow the callbacks.
_FURTHER = tuple(inspect.signature(keras.Model.fit).parameters)[7:]
_UNKNOWN = (
    "a tensor of unknown rank, as tf.numpy_function gives: call its set_shape in the data set, with "
    "None for B"
)
_EXPECTED = "labels: expected whole numbers from 0 to "
_OF_COLUMN = (
    "labels: expected one class for each example, as whole numbers are where their width is not "
    "known (make one-hot labels float32, or call their set_shape)"
)
_OF_FLOATS = (
    ", as floats are where their width is not known (make classes whole numbers, or call their "
    "set_shape)"
)
# As TensorFlow tells it: in a graph, "[expected] [got]"; in eager mode, a line each.
_FAILED = re.compile(r"(labels: expected .+?)(?:\] \[|'?\n)([^\]\n]+)")


class Fitting(keras.Model):
    """`fit`, `evaluate` and their kind for one batch, which `Cohort` inherits."""

    # Whether `train_on_batch` has run since `compile`, without which Keras refuses it.
    _has_begun = True

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """As `keras.Model.fit`, but that callbacks with `comes_first` run before the others.

        Raises:
          ValueError: for labels that are no classes of the students, and a batch of too few
            examples for `accumulation_steps`, in one line; of arrays before the first step.
        """
        self.check_callbacks(_listed(callbacks))
        least = accumulation.least_examples(self.networks(), self.accumulation_steps)
        given = {**dict(zip(_FURTHER, args)), **kwargs}
        if least and given.get("steps_per_epoch") is None:
            # Which Keras passes over where there is validation data.
            is_split = given.get("validation_data") is None
            split = (is_split and given.get("validation_split")) or 0.0
            _check_last_batch(x, batch_size or _BATCH_SIZE, split, least)
        with told_in_one_line():
            ordered = _in_order(callbacks)
            return super().fit(x, y, batch_size, epochs, verbose, ordered, *args, **kwargs)

    def _begin_training(self):
        """What a cohort does once before it trains."""

    def check_callbacks(self, callbacks: Sequence[Any]) -> None:
        """What a method has to say of the callbacks of `fit`, before it begins."""

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`.

        Raises:
          ValueError: for labels that are no classes of the students, in one line.
        """
        with told_in_one_line():
            return super().evaluate(*args, **kwargs)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.train_on_batch`.

        Raises:
          ValueError: for labels that are no classes of the students, in one line.
        """
        if not self._has_begun:
            self._begin_training()
            self._has_begun = True
        with told_in_one_line():
            return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.test_on_batch`.

        Raises:
          ValueError: for labels that are no classes of the students, in one line.
        """
        with told_in_one_line():
            return super().test_on_batch(*args, **kwargs)


def _check_last_batch(x, batch_size, validation_split, least):
    """Raises ValueError where the last batch of arrays has fewer examples than `least`."""
    arrays = [each for each in keras.tree.flatten(x) if isinstance(each, (np.ndarray, tf.Tensor))]
    if not arrays or not arrays[0].shape:
        return
    count = math.floor(arrays[0].shape[0] * (1.0 - validation_split))
    last = count % batch_size or min(batch_size, count)
    if last < least:
        raise ValueError(f"{accumulation.told_of_least(least)}; got {last}")


def checked_labels(labels: Any, num_classes: int) -> tf.Tensor:
    """The labels, which fail when they are run where they are no classes.

    Args:
      labels: `[B]` or `[B, 1]` classes of any type of number, or `[B, C]` probabilities, or
        one-hot of type bool; see `targets.are_probabilities`.
      num_classes: C.

    Raises:
      ValueError: for labels that are not numbers, for one label that is not in a batch, and in a
        graph for labels of which not even the number of dimensions is known.
      tf.errors.InvalidArgumentError: when they are computed, which `fit` tells in one line.
    """
    _check_common("labels", labels)
    labels = tf.convert_to_tensor(labels)
    if labels.dtype == tf.bool and targets.are_probabilities(labels, num_classes):
        # One-hot labels, as pandas.get_dummies gives them.
        return tf.cast(labels, tf.float32)
    if labels.dtype in (tf.bool, tf.string):
        raise ValueError(f"{_EXPECTED}{num_classes - 1}; got labels of type {labels.dtype.name}")
    if labels.shape.rank is None:
        raise ValueError(f"labels: expected [B] or [B, C]; got {_UNKNOWN}")
    if labels.shape.rank == 0:
        raise ValueError(
            "labels: expected [B] or [B, C]; got the label of one example: pass batches, such as "
            "dataset.batch(32)"
        )
    if targets.are_probabilities(labels, num_classes):
        return _of_width(labels, num_classes)
    # In a type that has the number of classes: int8 and uint8 have not, nor have narrow floats.
    wide = tf.cast(labels, tf.float64 if labels.dtype.is_floating else tf.int64)
    is_class = (wide >= 0) & (wide < num_classes)
    if labels.dtype.is_floating:
        is_class &= tf.equal(wide, tf.floor(wide))
    wrong = tf.boolean_mask(labels, ~is_class)
    # Compiled by XLA, the assertion is left out.
    told = [f"{_EXPECTED}{num_classes - 1}", wrong[:3]]
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(is_class), told)]):
        return tf.identity(labels)


def _of_width(probabilities, num_classes):
    """Probabilities of a known width, which fail when they are run where theirs is another."""
    if probabilities.shape[-1] == num_classes:
        return probabilities
    width = tf.shape(probabilities)[-1]
    told = [f"labels: expected a probability for each of {num_classes} classes{_OF_FLOATS}", width]
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(width, num_classes), told)]):
        return tf.ensure_shape(probabilities, [None, num_classes])


def flat(labels: Any) -> tf.Tensor:
    """Labels `[B]` of a column of classes, `[B, 1]`; others stay as they are.

    Raises:
      tf.errors.InvalidArgumentError: when they are computed, for whole numbers whose width is not
        known before and is not 1, which `fit` tells in one line.
    """
    labels = tf.convert_to_tensor(labels)
    # Of an unknown width, whole numbers are classes, see `targets.are_probabilities`.
    widths = (1,) if labels.dtype.is_floating else (1, None)
    if labels.shape.rank != 2 or labels.shape[1] not in widths:
        return labels
    width = tf.shape(labels)[1]
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(width, 1), [_OF_COLUMN, width])]):
        return tf.squeeze(labels, axis=1)


@contextlib.contextmanager
def told_of_unknown_rank(views: Any) -> Iterator[None]:
    """Raises what students fail at, where the rank of their views is unknown, in one line.

    A student with a `call` of its own may give them a shape.

    Args:
      views: a structure of batches.  In a graph not even their number of dimensions may be known.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        tensors = [each for each in tf.nest.flatten(views) if isinstance(each, tf.Tensor)]
        if all(each.shape.rank is not None for each in tensors):
            raise
        raise ValueError(f"views: expected batches [B, ...]; got {_UNKNOWN}") from error


def checked_weights(weights: Any) -> tf.Tensor | None:
    """Weights of examples, `[B]`, or None for none.

    Args:
      weights: `[B]` or `[B, 1]`, or None.

    Raises:
      ValueError: for another shape, such as `[B, C]`.
    """
    if weights is None:
        return None
    _check_common("sample_weight", weights)
    weights = tf.convert_to_tensor(weights)
    shape = weights.shape
    if shape.rank not in (None, 1) and not (shape.rank == 2 and shape[1] in (None, 1)):
        raise ValueError(
            f"sample_weight: expected shape [B] or [B, 1], a weight for each example; got {shape}"
        )
    return tf.reshape(weights, [-1])


def _check_common(what, given):
    if isinstance(given, dict):
        raise ValueError(
            f"{what}: expected one tensor, which all students share; got a dict with keys "
            f"{sorted(given)}"
        )


@contextlib.contextmanager
def told_in_one_line() -> Iterator[None]:
    """Raises what `checked_labels` found wrong as a ValueError of one line."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = _FAILED.search(str(error))
        if not found:
            raise
        got = ", ".join(re.findall(r"[^\s,]+", found[2]))
        raise ValueError(f"{found[1]}; got {got}") from None


def _listed(callbacks: Any) -> list[Any]:
    """The callbacks of what `fit` takes: none, one, several, or Keras's own list of them."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks.callbacks
    return [] if callbacks is None else keras.tree.flatten(callbacks)


def _in_order(callbacks: Any) -> Any:
    """Callbacks with `comes_first` before the others, each group in the order given.

    Keras's own list of them stays the same object, whose callbacks are put in order.
    """
    listed = _listed(callbacks)
    listed.sort(key=lambda each: not getattr(each, "comes_first", False))
    return callbacks if isinstance(callbacks, keras.callbacks.CallbackList) else listed
