"""Keras callbacks for `cohort.fit`."""

from collections.abc import Iterable

import keras

from kdcl_tf.objectives import ensembles

__all__ = ["GeneralWeights"]


class GeneralWeights(keras.callbacks.Callback):
    """Renews the weights of a `General` ensemble after every epoch (paper, section 3.2).

    The new weights join the epoch's logs as `general_weight_<student>`.

    Args:
      held_out: an iterable of `(images or {student: view}, labels)` batches that can be
        iterated again each epoch, such as a batched `tf.data.Dataset`; undistorted and
        not trained on.
    """

    def __init__(self, held_out: Iterable):
        super().__init__()
        self.held_out = held_out

    def on_train_begin(self, logs: dict | None = None) -> None:
        # Refused before the first epoch, not after it.
        ensemble = getattr(self.model, "ensemble", None)
        if not isinstance(ensemble, ensembles.General):
            raise ValueError(
                "GeneralWeights expected a KDCL cohort with a General ensemble; got "
                f"{type(self.model).__name__} with {type(ensemble).__name__}"
            )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        weights = self.model.renew_ensemble(self.held_out)
        if logs is not None:
            logs.update({f"general_weight_{name}": value for name, value in weights.items()})
