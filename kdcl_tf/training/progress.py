"""The progress of a run for a person: a bar with images per second and the time left."""

from __future__ import annotations

import sys
import time

import tqdm

_NUMBERS = "{rate_fmt} {elapsed} + {remaining} left{postfix}"
_BAR = "{desc} {percentage:3.0f}%|{bar:20}| " + _NUMBERS
_LINE = "{desc} {percentage:3.0f}% " + _NUMBERS


class Progress:
    """A progress bar over all images of the run, with the speed since this process began.

    Args:
      total: images in the whole run.
      done: images that were trained on before this process began.
      shown: whether anything is printed; of several workers only one prints.
    """

    def __init__(self, total: int, done: int = 0, shown: bool = True):
        self._shown = shown
        self._is_terminal = sys.stderr.isatty()
        # A file or a log collector gets a line now and then instead of a moving bar.
        style = (
            {"mininterval": 0.2, "dynamic_ncols": True, "bar_format": _BAR}
            if self._is_terminal
            else {"mininterval": 10.0, "delay": 10.0, "file": _Lines(), "bar_format": _LINE}
        )
        self._bar = tqdm.tqdm(total=total, initial=done, unit="img", disable=not shown, **style)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Names the epoch, counted from 1."""
        self._bar.set_description_str(f"epoch {epoch}/{epochs}", refresh=False)

    def advance(self, images: int, loss: float) -> None:
        """Counts one step."""
        self._bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
        self._bar.update(images)

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        if not self._shown:
            return
        if self._is_terminal:
            self._bar.write(text)
        else:
            print(text, flush=True)

    def close(self) -> None:
        """Ends the bar, which stays on the screen."""
        self._bar.close()


def ending(seconds: float, epochs: int, now: float | None = None) -> str:
    """When a run will end, in words: an estimate from the time that one epoch took.

    Args:
      seconds: that an epoch takes.
      epochs: that are left.
      now: seconds since 1970; by default the current time.
    """
    now = time.time() if now is None else now
    left = seconds * epochs
    end, today = time.localtime(now + left), time.localtime(now)
    form = "%H:%M" if end[:3] == today[:3] else "%Y-%m-%d %H:%M"
    return (
        f"an epoch takes {duration(seconds)}: this run will end at about "
        f"{time.strftime(form, end)}, in {duration(left)}"
    )


def duration(seconds: float) -> str:
    """A time span in its two largest units: 3.4 s, 2 min 5 s, 3 h 20 min, 2 d 4 h."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    units = (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1))
    for unit, size, smaller, part in units:
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


class _Lines:
    """A file for tqdm that turns each refresh of the bar into a line on stderr."""

    def write(self, text):
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)

    def flush(self):
        """Lines are flushed as they are written."""


class Stopwatch:
    """Seconds of training, without those of evaluation and saving."""

    def __init__(self):
        self.seconds = 0.0
        self._started = None

    def __enter__(self):
        self._started = time.perf_counter()

    def __exit__(self, *_):
        self.seconds += time.perf_counter() - self._started
