"""The moment of a run that an exported model is of, from the facts of its card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["STEP", "of", "told"]

# Of a card: the steps that the run had taken of the epoch after `epoch`; not there after none.
STEP = "steps_of_next_epoch"


def of(facts: Mapping[str, Any]) -> tuple[int, int] | None:
    """(epochs, steps of the next epoch) after which a model was exported; None where unknown."""
    return (facts["epoch"], facts.get(STEP, 0)) if "epoch" in facts else None


def told(facts: Mapping[str, Any]) -> str:
    """The moment in words: `3`, or `3 and 20 steps of the next`; "" where unknown."""
    epoch, steps = of(facts) or ("", 0)
    return f"{epoch} and {steps} step{'s' * (steps != 1)} of the next" if steps else str(epoch)
