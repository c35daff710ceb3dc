"""Defers SIGTERM and Ctrl-C to the next step boundary, where the loop can save and stop."""

from __future__ import annotations

import signal


class Interruption:
    """While entered, remembers the first SIGTERM or SIGINT, which would end the process.

    A second signal acts as it did before, so an impatient Ctrl-C still works.
    """

    _SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self):
        self.signal: signal.Signals | None = None
        self._before = {}

    def __enter__(self) -> Interruption:
        for number in self._SIGNALS:
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
