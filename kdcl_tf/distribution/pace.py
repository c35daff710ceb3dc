"""How many steps a loop takes at once, and how long they take."""

from __future__ import annotations

import json

from kdcl_tf.distribution import strategies
from kdcl_tf.distribution.workers import Workers

__all__ = ["Pace"]


class Pace:
    """How many steps are taken at once, and how long they take.

    Args:
      steps_per_loop: as for `Loop`.  Of several workers that of the first counts: others that
        took another number would wait for each other for ever.
      workers: those that must take as many; all of them make a pace.
    """

    def __init__(self, steps_per_loop: int, workers: Workers):
        self._workers = workers
        own = steps_per_loop or 1, steps_per_loop == 0 and strategies.has_accelerators()
        self.steps, self._is_open = json.loads(workers.from_chief(json.dumps(own).encode()))
        # Whether the next call also makes the graph.
        self._makes = True
        # Seconds and steps of the call in this epoch that did, if one did.
        self._making: tuple[float, int] | None = None

    def begin_epoch(self, makes: bool = False) -> None:
        """Takes note that an epoch begins.

        Args:
          makes: whether its first call makes the graph again.
        """
        self._makes |= makes
        self._making = None

    def look(self, seconds: float, steps: int) -> None:
        """Takes note of a call, and chooses how many steps the next ones take.

        Args:
          seconds: that the call took.
          steps: of the call.
        """
        if self._makes:
            self._makes, self._making = False, (seconds, steps)
        elif self._is_open:
            self._is_open = False
            wanted = max(1, round(steps / max(seconds, 1e-4)))
            self.steps = int(self._workers.from_chief(b"%d" % wanted))

    def usual_time(self, seconds: float, steps: int) -> float:
        """What an epoch takes in which no graph is made.

        Args:
          seconds: that this epoch took, from its first step on.
          steps: in it.
        """
        first, taken = self._making or (0.0, 0)
        return (seconds - first) * steps / (steps - taken) if steps > taken else seconds
