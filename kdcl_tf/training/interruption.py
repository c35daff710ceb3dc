"""Defers SIGTERM, SIGHUP and Ctrl-C to the next step boundary, where the loop can save and stop."""

from __future__ import annotations

import signal

# What asks a run to stop; a lost terminal asks as a terminated process does.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)
)


class Interruption:
    """While entered, remembers the first of `SIGNALS`, which would end the process.

    A second signal acts as it did before, so an impatient Ctrl-C still works.
    """

    def __init__(self):
        self.signal: signal.Signals | None = None
        self._before = {}

    def __enter__(self) -> Interruption:
        for number in SIGNALS:
            # `nohup` has a lost terminal ignored.
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number, _):
        self.signal = signal.Signals(number)
        signal.signal(number, self._before[number])


class Interrupted(Exception):
    """The run was stopped by a signal, after it saved.

    Args:
      number: the signal, a `signal.Signals`.
      message: where it stopped and how to go on.
    """

    def __init__(self, number: signal.Signals, message: str):
        super().__init__(message)
        self.exit_status = 128 + number
