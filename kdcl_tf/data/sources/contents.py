"""One line that says what was read of a data set, and what was passed over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kdcl_tf.data.sources import source as source_lib
from kdcl_tf.files import escaping

# So many names or reasons are shown; the others are counted.
_SHOWN = 10


def told(source: source_lib.Source) -> str:
    """What a source has: images, classes, their sizes, and what was passed over.

    Args:
      source: with at least one class and one image of each split.

    Returns:
      such as `read 1,437 training images and 360 test images of 10 classes, 138 ('8') to 147
      ('3') training images per class; 2 classes without a test image: 'a', 'b'; ignored: 3 with
      suffix .txt, 1 hidden`.  Images that are held out count as training images.
    """
    between = " and"
    if source.validation is not None:
        between = f", {len(source.validation):,} validation images and"
    parts = [
        f"read {len(source.train):,} training images{between} {len(source.test):,} test images of"
        f" {len(source.class_names):,} classes, {_sizes(source)} training images per class",
        of_test(source),
    ]
    return "; ".join(filter(None, parts))


def of_test(source: source_lib.Source) -> str:
    """The end of `told`, for those who only test: all but the numbers of images; "" for nothing.

    Args:
      source: with or without training images.
    """
    parts = source.told, _untested(source), passed_over(source.passed_over)
    return "; ".join(filter(None, parts))


def _sizes(source: source_lib.Source) -> str:
    """Images of the smallest and of the largest class, with their names."""
    counts = np.bincount(source.train.labels, minlength=len(source.class_names))
    least, most = int(counts.argmin()), int(counts.argmax())
    if counts[least] == counts[most]:
        return f"{counts[least]:,}"
    names = [_shown(source.class_names[label]) for label in (least, most)]
    return f"{counts[least]:,} ({names[0]}) to {counts[most]:,} ({names[1]})"


def _untested(source: source_lib.Source) -> str:
    counts = np.bincount(source.test.labels, minlength=len(source.class_names))
    return classes_without("a test image", source.class_names, np.flatnonzero(counts == 0))


def classes_without(what: str, class_names: Sequence[str], labels: Iterable[int]) -> str:
    """Names the classes that lack something; "" for none.

    Args:
      what: such as "a test image".
      class_names: of all classes.
      labels: of those that lack it.
    """
    names = [_shown(class_names[label]) for label in labels]
    noun = "class" if len(names) == 1 else "classes"
    return f"{len(names):,} {noun} without {what}: {_first(names)}" if names else ""


def passed_over(counts: Mapping[str, int]) -> str:
    """The reasons for which files were none of the images, the most frequent first; "" for none.

    Args:
      counts: `{reason: number}`, in words that follow the number.
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return f"ignored: {_first([f'{n:,} {why}' for why, n in ordered])}" if counts else ""


def _first(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _shown(name: str) -> str:
    return f"'{escaping.escaped(name)}'"
