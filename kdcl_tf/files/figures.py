"""Matplotlib figures, drawn without a screen and written whole or not at all."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from kdcl_tf import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Neutral first, for a baseline; then colours that people who see less red or green can tell
# apart, too.
COLOURS = (
    *("#1d1f21", "#1f6fb2", "#c2541b", "#2a8a57", "#8a4fa8"),
    *("#9a7a0a", "#16879a", "#c03a66", "#6b7280"),
)


def new(width: float, height: float, columns: int = 1) -> tuple[Figure, Any]:
    """Creates a figure of `columns` axes side by side; sizes are in inches.

    Matplotlib is imported here because only the end of a program draws.

    Returns:
      `(figure, axes)`.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, columns, figsize=(width, height), layout="constrained", squeeze=False
    )
    for each in axes[0]:
        each.grid(alpha=0.3)
        each.set_axisbelow(True)
    return figure, axes[0]


def save(figure: Figure, path: str | os.PathLike, dpi: int = 120) -> None:
    """Writes a PNG, and closes the figure.

    Text is drawn as it is written: names of classes and runs may have dollar signs.
    """
    import matplotlib
    from matplotlib import pyplot
    from matplotlib.text import Text

    image = io.BytesIO()
    # Drawing may make further labels of axes.
    with matplotlib.rc_context({"text.parse_math": False}):
        for text in figure.findobj(Text):
            text.set_parse_math(False)
        figure.savefig(image, format="png", dpi=dpi)
    pyplot.close(figure)
    files.write_bytes(path, image.getvalue())
