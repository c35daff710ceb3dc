"""Keeps the variables of a run's best epoch, in its checkpoints, until they are exported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from kdcl_tf.training.checkpoint import SavedCheckpoint

__all__ = ["Kept", "positions"]

# Below every measure: checkpoints refuse an infinity.
_NONE_YET = -1.0


class Kept:
    """Copies of variables as they were after the best epoch so far.

    The copies are variables themselves, which a run saves in every checkpoint: a run that is
    stopped, or goes on from an older checkpoint, keeps what it would have kept.

    Args:
      variables: Keras variables; one that is there twice is kept once.  Made in the scope of the
        strategy of theirs.
      measure: the key of an epoch's record, 0 or more, of which the greatest is the best; the
        earliest of equals.

    Attributes:
      variables: the copies, and what is known of them; in a fixed order.
    """

    def __init__(self, variables: Iterable[keras.Variable], measure: str):
        self._live = list({id(each): each for each in variables}.values())
        self._measure = measure
        self._copies = [_zeros(each.shape, each.dtype) for each in self._live]
        self._epoch, self._best = _zeros([], "int64"), _zeros([], "float32")
        self._best.assign(_NONE_YET)
        self.variables = [self._epoch, self._best, *self._copies]

    @property
    def epoch(self) -> int:
        """The number of the epoch whose variables are kept, from 1; 0 before the first."""
        return int(self._epoch.numpy())

    def offer(self, record: Mapping[str, Any]) -> None:
        """Keeps the variables as they are, if an epoch is the best so far.

        Called by every worker, since all have the same numbers and each its own copies.

        Args:
          record: of the epoch, with its evaluation.
        """
        value = record[self._measure]
        if not value > float(self._best.numpy()):
            return
        for copy, live in zip(self._copies, self._live):
            copy.assign(live.value)
        self._best.assign(value)
        self._epoch.assign(record["epoch"])

    def restore(self) -> None:
        """Gives the variables the values that were kept, if any were."""
        if not self.epoch:
            return
        for copy, live in zip(self._copies, self._live):
            live.assign(copy.value)

    def card(self, first: int, groups: Mapping[str, Sequence[keras.Variable]]) -> dict[str, Any]:
        """What `positions` reads in a checkpoint.

        Args:
          first: the position of `variables` in what the checkpoint saves.
          groups: variables of the run, by names.
        """
        place = {id(each): first + 2 + number for number, each in enumerate(self._live)}
        places = {name: [place[id(each)] for each in group] for name, group in groups.items()}
        return {"epoch": first, "variables": places}


def positions(checkpoint: SavedCheckpoint) -> tuple[int, dict[str, list[int]]]:
    """Where a checkpoint has the variables of its run's best epoch.

    Returns:
      (the number of that epoch, `{name: positions}` as `Kept.card` grouped them); `(0, {})` where
      none is kept.
    """
    facts = checkpoint.card.get("kept")
    if not facts:
        return 0, {}
    epoch = _zeros([], "int64")
    checkpoint.assign([epoch], [facts["epoch"]])
    number = int(epoch.numpy())
    return number, facts["variables"] if number else {}


def _zeros(shape, dtype):
    return keras.Variable(np.zeros(shape, dtype), dtype=dtype, trainable=False, name="kept")
