"""How many steps a loop takes at once, and how long they take."""

from __future__ import annotations

from kdcl_tf.distribution import strategies
from kdcl_tf.distribution.workers import Workers

__all__ = ["Pace"]


class Pace:
    """How many steps are taken at once, and how long they take.

    Args:
      steps_per_loop: as for `Loop`.
      workers: those that must take as many.
    """

    def __init__(self, steps_per_loop: int, workers: Workers):
        self._workers = workers
        self._is_open = steps_per_loop == 0 and strategies.has_accelerators()
        self.steps = steps_per_loop or 1
        # Seconds and steps of the first call, which also makes the graph.
        self._first: tuple[float, int] | None = None

    def look(self, seconds: float, steps: int) -> None:
        """Takes note of a call, and chooses how many steps the next ones take.

        Args:
          seconds: that the call took.
          steps: of the call.
        """
        if self._first is None:
            self._first = seconds, steps
        elif self._is_open:
            self._is_open = False
            wanted = max(1, round(steps / max(seconds, 1e-4)))
            self.steps = int(self._workers.from_chief(b"%d" % wanted))

    def usual_time(self, seconds: float, steps: int) -> float:
        """What an epoch takes, of the first, whose first call also made the graph.

        Args:
          seconds: that the first epoch took.
          steps: in it.
        """
        first, taken = self._first or (0.0, 0)
        return (seconds - first) * steps / (steps - taken) if steps > taken else seconds
