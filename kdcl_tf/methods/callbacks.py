"""Keras callbacks for `cohort.fit`."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf.cohort import membership
from kdcl_tf.cohort.cohort import Cohort
from kdcl_tf.cohort.fitting import told_in_one_line
from kdcl_tf.cohort.hyperparameters import number
from kdcl_tf.methods.kdcl import NoHeldOutError
from kdcl_tf.objectives import ensembles

__all__ = ["GeneralWeights", "Schedule"]

_BATCH = 256


class GeneralWeights(keras.callbacks.Callback):
    """Renews the weights of a `General` ensemble after every epoch (paper, section 3.2).

    The new weights join the epoch's logs as `general_weight_<student>`.  Where `fit` validates
    after the epoch, they are renewed before that, so that `val_ensemble_accuracy` is of them.

    It runs before all other callbacks, in whatever order they are given, so that each of them
    sees the weights in its logs.

    Args:
      held_out: held-out images, undistorted and not trained on: `(images or {student: view},
        labels)` as arrays, or an iterable of such batches that can be iterated again each epoch,
        such as a `tf.data.Dataset`, batched or not.  A third element is the weight of each image.
    """

    # `Cohort.fit` moves such callbacks to the front.
    comes_first = True
    # `KDCL.check_callbacks` says where no callback does.
    renews_ensemble = True

    def __init__(self, held_out: Any):
        super().__init__()
        self.held_out = _batches(held_out)
        self._in_epoch = False
        # The weights of the epoch, once they are renewed.
        self._renewed: dict[str, float] | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._in_epoch, self._renewed = False, None
        # Refused before the first epoch, not after it.
        ensemble = getattr(self.model, "ensemble", None)
        if not isinstance(ensemble, ensembles.General):
            raise ValueError(
                "GeneralWeights expected a KDCL cohort with a General ensemble; got "
                f"{type(self.model).__name__} with {type(ensemble).__name__}"
            )
        if _gives_single_images(self.held_out, self.model):
            self.held_out = self.held_out.batch(_BATCH)
        _check_first(self.held_out, self.model)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._in_epoch, self._renewed = True, None

    def on_test_begin(self, logs: dict | None = None) -> None:
        # Keras validates before the end of the epoch.
        if self._in_epoch and self._renewed is None:
            self._renewed = self.model.renew_ensemble(self.held_out)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        weights = self._renewed or self.model.renew_ensemble(self.held_out)
        self._in_epoch, self._renewed = False, None
        if logs is not None:
            logs.update({f"general_weight_{name}": value for name, value in weights.items()})


class Schedule(keras.callbacks.Callback):
    """Sets the distillation weight, the temperature, or both, before every epoch.

        # Lambda rises to 1 in ten epochs.
        Schedule(distillation_weight=lambda epoch: min(epoch / 10, 1))

    The values join the epoch's logs under the names of the arguments.

    Args:
      distillation_weight: gives the weight, >= 0, of an epoch, counted from 0.
      temperature: gives the temperature, > 0, of an epoch.

    Raises:
      ValueError: when there is nothing to set, or what sets it cannot be called; in `fit`, for a
        value that a cohort refuses, and for a model that is no cohort.
    """

    # So that all others see the values in their logs.
    comes_first = True

    def __init__(
        self,
        distillation_weight: Callable[[int], float] | None = None,
        temperature: Callable[[int], float] | None = None,
    ):
        super().__init__()
        given = {"distillation_weight": distillation_weight, "temperature": temperature}
        self._schedules = {name: each for name, each in given.items() if each is not None}
        if not self._schedules or not all(map(callable, self._schedules.values())):
            raise ValueError(
                "Schedule expected a function of the epoch for distillation_weight or "
                f"temperature; got {self._schedules or 'neither'}"
            )

    def on_train_begin(self, logs: dict | None = None) -> None:
        if not isinstance(self.model, Cohort):
            raise ValueError(f"Schedule expected a cohort; got {type(self.model).__name__}")

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        for name, schedule in self._schedules.items():
            setattr(self.model, name, float(schedule(epoch)))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if logs is not None:
            logs.update({name: number(getattr(self.model, name)) for name in self._schedules})


def _batches(held_out):
    """Batches that can be iterated again, of what `GeneralWeights` takes.

    Raises:
      ValueError: for anything else.
    """
    if isinstance(held_out, tf.data.Dataset):
        spec = held_out.element_spec
        if not isinstance(spec, tuple) or len(spec) not in (2, 3):
            raise ValueError(
                "GeneralWeights expected a tf.data.Dataset of (images, labels), or with a weight of "
                f"each image; got one of {spec}"
            )
        return held_out  # It is batched where a cohort says what a batch is.
    if isinstance(held_out, (tuple, list)) and held_out and _are_arrays(held_out):
        if len(held_out) not in (2, 3):
            raise ValueError(
                "GeneralWeights expected arrays (images, labels), or with a weight of each image; "
                f"got {len(held_out)} arrays"
            )
        images, *others = held_out
        arrays = (
            # A list would become one array.
            tuple(images) if isinstance(images, list) else images,
            *(each if hasattr(each, "shape") else np.asarray(each) for each in others),
        )
        return tf.data.Dataset.from_tensor_slices(arrays).batch(_BATCH)
    if not isinstance(held_out, Iterable) or iter(held_out) is held_out:
        raise ValueError(
            "GeneralWeights expected arrays (images, labels), or batches of them that can be "
            f"iterated again each epoch, such as a tf.data.Dataset; got {type(held_out).__name__}, "
            "which gives its batches once"
        )
    return held_out


def _gives_single_images(held_out, cohort):
    """Whether a data set gives one image at a time, which no batch of the cohort's students is."""
    if not isinstance(held_out, tf.data.Dataset):
        return False
    images, labels = (tf.nest.flatten(each)[0].shape for each in held_out.element_spec[:2])
    batch = membership.input_shape(next(iter(cohort.students.values())))
    # Of several inputs the one that comes first where they are flattened.
    if isinstance(batch, dict):
        batch = batch[min(batch)]
    elif isinstance(batch, list):
        batch = batch[0]
    return labels.rank == 0 or (bool(batch) and images.rank == len(batch) - 1)


def _check_first(held_out, cohort):
    """Refuses before the first epoch what could only fail, or never end, after it.

    Raises:
      NoHeldOutError: when there are no examples.
      ValueError: for a data set without an end, and a first batch that cannot be measured.
    """
    is_dataset = isinstance(held_out, tf.data.Dataset)
    if is_dataset and held_out.cardinality().numpy() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "GeneralWeights expected held-out images that end; got a tf.data.Dataset that repeats "
            "without end: leave out repeat()"
        )
    first = next(iter(held_out), None)
    if first is None:
        raise NoHeldOutError
    with told_in_one_line():
        cohort.error_sums(first)


def _are_arrays(held_out):
    """Whether several are images and labels, and not batches of them.

    Images are an array, views, or the arrays of several inputs, which labels come after.
    """
    images, labels = held_out[0], held_out[1] if len(held_out) > 1 else None
    if isinstance(images, (tuple, list)):
        return hasattr(labels, "shape") and all(hasattr(each, "shape") for each in images)
    return isinstance(images, dict) or hasattr(images, "shape")
