"""What a check has found: one line for a person, and whether it may stay so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

PASSED, FAILED, NOT_APPLICABLE = "passed", "FAILED", "not applicable"


class NotApplicable(Exception):
    """What is checked does not exist on this machine; says why."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes:
      name: of the check.
      compared: what was compared with what.
      bound: the largest difference that passes.
      difference: the largest that was found; None where nothing could be compared.
      reason: why nothing was compared.
      applies: whether something should have been.
    """

    name: str
    compared: str
    bound: float
    difference: float | None = None
    reason: str = ""
    applies: bool = True

    @property
    def verdict(self) -> str:
        """`PASSED`, `FAILED` or `NOT_APPLICABLE`; a difference that is NaN has failed."""
        if not self.applies:
            return NOT_APPLICABLE
        is_within = self.difference is not None and self.difference <= self.bound
        return PASSED if is_within else FAILED

    @property
    def line(self) -> str:
        """The finding in one line."""
        if self.difference is None:
            return f"{self.name}: {self.compared}: {self.verdict}: {self.reason}"
        bound = "bit for bit" if self.bound == 0 else f"bound {self.bound:.0e}"
        return (
            f"{self.name}: {self.compared}: largest difference {self.difference:.1e}, {bound}: "
            f"{self.verdict}"
        )


def measured(name: str, compared: str, bound: float, difference: Callable[[], float]) -> Finding:
    """The finding of a check.

    Args:
      name, compared, bound: as in `Finding`.
      difference: gives it; what it raises is a failure, but for `NotApplicable`.
    """
    try:
        return Finding(name, compared, bound, float(difference()))
    except NotApplicable as reason:
        return Finding(name, compared, bound, reason=str(reason), applies=False)
    except Exception as error:
        text = (str(error).strip().splitlines() or [""])[0]
        return Finding(name, compared, bound, reason=f"{type(error).__name__}: {text}")
