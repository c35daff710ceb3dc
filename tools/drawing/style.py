"""How every picture looks: colours, lines, and files that come out the same each time.

The colours are those of Okabe and Ito, which people who see less red or green tell apart.  No
picture needs them: what differs in colour also differs in its marker, its line or its hatching, and
is light or dark in grey.
"""

from __future__ import annotations

import io
import pathlib
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from PIL import Image

from kdcl_tf import files

INK, QUIET, PAPER = "#1d1f21", "#6b7280", "#ffffff"
BLUE, ORANGE, GREEN, VERMILION, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9"
COLOURS = (BLUE, ORANGE, GREEN, VERMILION, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

# So wide that text of 10 points is read where a page shows the picture about 800 pixels wide.
WIDTH = 8.0
MOST_BYTES = 200_000

_SETTINGS = {
    # Letters as outlines: no reader needs the font.
    "svg.fonttype": "path",
    # Names of parts inside the file do not depend on chance.
    "svg.hashsalt": "kdcl_tf",
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "text.color": INK,
    "axes.labelcolor": INK,
    "legend.frameon": False,
    "hatch.linewidth": 0.8,
    # A picture may lie on a dark page.
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
}


def new(height: float, rows: int = 1, columns: int = 1, **more: Any) -> tuple[Any, Any]:
    """A figure of so many axes; the height is in inches."""
    matplotlib.rcdefaults()
    matplotlib.rcParams.update(_SETTINGS)
    return pyplot.subplots(
        rows, columns, figsize=(WIDTH, height), layout="constrained", squeeze=False, **more
    )


def save(figure: Any, path: pathlib.Path) -> None:
    """Writes the figure, as SVG or PNG by the suffix, and closes it.

    Raises:
      ValueError: when the file is too large to be shown in a page.
    """
    written = io.BytesIO()
    if path.suffix == ".svg":
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    else:
        figure.savefig(written, format="png", dpi=110, metadata={"Software": None})
        written = _few_colours(written)
    pyplot.close(figure)
    content = written.getvalue()
    if len(content) >= MOST_BYTES:
        raise ValueError(f"expected {path.name} below {MOST_BYTES:,} bytes; got {len(content):,}")
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_bytes(path, content)


def _few_colours(png):
    """The picture with 256 colours, which makes a photograph a third of the size."""
    picture = Image.open(png).convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
    written = io.BytesIO()
    picture.save(written, format="png", optimize=True)
    return written


def without_axes(axes: Any) -> None:
    """Takes away everything but what is drawn in it."""
    axes.set_axis_off()
