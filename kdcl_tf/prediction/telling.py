"""Shows predictions as they come: a line for each image, and a bar on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

import tqdm

from kdcl_tf.prediction.predicting import Prediction

__all__ = ["NothingRead", "tell"]


class NothingRead(Exception):
    """Not one of the images could be read."""


def tell(predictions: Iterable[Prediction], total: int, add: Callable[[Prediction], None]) -> int:
    """Prints every prediction on stdout, and every image that could not be read on stderr.

    Args:
      predictions: of all images.
      total: how many there are.
      add: is given each prediction.

    Returns:
      How many images could not be read.

    Raises:
      NothingRead: when that is all of them.
    """
    skipped = 0
    hidden = not sys.stderr.isatty()
    with tqdm.tqdm(total=total, unit="img", disable=hidden, dynamic_ncols=True) as bar:
        for prediction in predictions:
            where, head = (sys.stderr, "skipped: ") if prediction.fault else (sys.stdout, "")
            bar.write(f"{head}{prediction}", file=where)
            add(prediction)
            skipped += bool(prediction.fault)
            bar.update()
    if skipped == total:
        raise NothingRead(f"expected images that can be read; got none among {total:,}")
    return skipped
