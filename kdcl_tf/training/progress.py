"""What a person sees while a run trains: a bar with images a second and time left."""

import sys
import time

import tqdm

_BAR = "{desc} {percentage:3.0f}%|{bar:20}| {rate_fmt} {elapsed} + {remaining} left{postfix}"


class Progress:
    """A progress bar over all images of the run, this session's speed beside it.

    Args:
      total: images in the whole run.
      done: images trained on before this session.
    """

    def __init__(self, total, done=0):
        # A file or a log collector gets a line now and then instead of a moving bar.
        interval = 0.2 if sys.stderr.isatty() else 10.0
        self._bar = tqdm.tqdm(
            total=total,
            initial=done,
            unit="img",
            mininterval=interval,
            dynamic_ncols=True,
            bar_format=_BAR,
        )

    def start_epoch(self, epoch, epochs):
        """Names the epoch, counted from 1."""
        self._bar.set_description_str(f"epoch {epoch}/{epochs}", refresh=False)

    def advance(self, images, loss):
        """Counts one step."""
        self._bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
        self._bar.update(images)

    def say(self, text):
        """Prints a line above the bar."""
        self._bar.write(text)

    def close(self):
        self._bar.close()


class Stopwatch:
    """Seconds of training, without those of evaluation and saving."""

    def __init__(self):
        self.seconds = 0.0
        self._started = None

    def __enter__(self):
        self._started = time.perf_counter()

    def __exit__(self, *_):
        self.seconds += time.perf_counter() - self._started
