"""Whether an exported file answers as the student does, within the bound of its format."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from kdcl_tf.objectives.scores import hits
from kdcl_tf.serving.formats.names import FORMATS
from kdcl_tf.serving.formats.processes import Runtimes

__all__ = ["LARGEST_DIFFERENCE", "BoundError", "Measured", "checked", "measured", "table"]

# Of logits, for formats in float32.  Logits above 100, which a student has that has diverged or
# sees noise, may differ by 1e-5 of the largest: float32 has no more digits after a whole network.
LARGEST_DIFFERENCE = 1e-3
_LARGE = 100.0

_COLUMNS = ("file", "size", "top-1", "agreement", "largest difference", "ms an image")


class BoundError(ValueError):
    """A file does not answer as the student does."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured of an exported file.

    Attributes:
      images: how many it was run on.
      bytes: of the file, or of all files in a folder.
      top_1: share of the images with a label whose class is right, where a tie for the largest
        logit is not; None without labels.
      labelled: how many images have a label.
      agreement: share of the images whose class is the student's.
      largest_difference: of logits, from the student's.
      milliseconds: of one image on one thread, the median.
      images_from: which images they are, see `Pictures.source`; "" where unknown.
    """

    images: int
    bytes: int
    top_1: float | None
    agreement: float
    largest_difference: float
    milliseconds: float
    images_from: str = ""
    labelled: int = 0

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON holds it, without what is unknown."""
        found = dataclasses.asdict(self)
        return {name: value for name, value in found.items() if value not in (None, "")}


def checked(
    file: pathlib.Path,
    form: str,
    runtimes: Runtimes,
    expected: np.ndarray,
    labels: np.ndarray,
    name: str | None = None,
    **facts: Any,
) -> Measured:
    """Runs a file in its own runtime, and compares what it answers with the student.

    Args:
      file: whole, under any name that ends as the format's.
      form: one of `FORMATS`.
      runtimes: processes, that of the format among them.
      expected: `[N, num_classes]` float32, the student's logits of the same images.
      labels: `[N]` integers, below 0 where unknown.
      name: what messages call it; by default as it is called now.
      **facts: see `Runtimes.run`.

    Raises:
      BoundError: in one line, when it misses its bound or cannot be run.
    """
    name = name or file.name
    try:
        ran = runtimes.run(FORMATS[form].runtime, file, **facts)
    except ValueError as error:
        raise BoundError(f"{name} is not written: {error}") from error
    if ran.logits.shape != expected.shape or not np.isfinite(ran.logits).all():
        raise BoundError(
            f"{name} is not written: expected finite logits {list(expected.shape)}; got "
            f"{list(ran.logits.shape)}, of which {np.isfinite(ran.logits).mean():.1%} are finite"
        )
    found = measured(ran.logits, expected, labels, _size(file), ran.latency)
    scale = max(1.0, float(np.abs(expected).max()) / _LARGE)
    _check_bound(name, FORMATS[form].least_agreement, LARGEST_DIFFERENCE * scale, found)
    return found


def measured(
    logits: np.ndarray, expected: np.ndarray, labels: np.ndarray, size: int, latency: float
) -> Measured:
    """The figures of logits `[N, num_classes]`; the other arguments as in `checked`."""
    classes, known = logits.argmax(axis=1), labels >= 0
    right = hits(logits[known], labels[known])
    return Measured(
        images=len(logits),
        bytes=size,
        top_1=float(np.mean(right)) if known.any() else None,
        agreement=float(np.mean(classes == expected.argmax(axis=1))),
        largest_difference=float(np.abs(logits - expected).max()),
        milliseconds=1e3 * latency,
        labelled=int(known.sum()),
    )


def table(rows: Sequence[tuple[str, Measured]]) -> str:
    """A text with a line for each `(file, measured)`, and one of what the columns are."""
    cells = [_COLUMNS, *(_cells(name, found) for name, found in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = []
    for first, *others in cells:
        padded = [each.rjust(width) for each, width in zip(others, widths[1:])]
        lines.append("  ".join([first.ljust(widths[0]), *padded]))
    counts = sorted({_images(found) for _, found in rows})
    lines.append(f"run on {' and '.join(counts)}")
    return "\n".join(lines)


def _images(found):
    """How many images a file was run on, and how many of them have a class where not all do."""
    if not 0 < found.labelled < found.images:
        return f"{found.images} images"
    return f"{found.images} images, of which {found.labelled} are in folders of classes"


def _cells(name, found):
    top_1 = "-" if found.top_1 is None else f"{found.top_1:.1%}"
    size = f"{found.bytes / 1e6:.2f} MB"
    difference = f"{found.largest_difference:.2g}"
    return name, size, top_1, f"{found.agreement:.1%}", difference, f"{found.milliseconds:.2f}"


def _check_bound(name, least_agreement, most, found):
    if least_agreement and found.agreement < least_agreement:
        raise BoundError(
            f"{name} is not written: expected the student's class of at least "
            f"{least_agreement:.0%} of {found.images} images; got {found.agreement:.1%}: check it on "
            "more images with --images=FOLDER, or export another format"
        )
    if not least_agreement and not found.largest_difference <= most:
        raise BoundError(
            f"{name} is not written: expected logits within {most:g} of the "
            f"student's; got a difference of {found.largest_difference:.2g}"
        )


def _size(file):
    if file.is_dir():
        return sum(each.stat().st_size for each in file.rglob("*") if each.is_file())
    return file.stat().st_size
