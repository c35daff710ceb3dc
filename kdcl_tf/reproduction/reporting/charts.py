"""Line charts as inline SVG, without scripts, in the colours of the page's style sheet."""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Sequence

_WIDTH, _HEIGHT = 640, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 14, 46

# Lengths of strokes and gaps in turn; the first line has no gaps.
DASHES = ((), (6, 4), (2, 3), (10, 4, 2, 4), (14, 5))
# No marker, a circle, a square and a triangle, as Matplotlib names them.
MARKERS = ("", "o", "s", "^")
_MARKS_OF_A_CURVE = 8


@dataclasses.dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
      label: the name of the line in the legend.
      points: the points `(x, y)` of the line, in the order of x.
      colour: the number of a colour of the page, `--c0` (neutral), `--c1`, ...
      dash: a position in `DASHES`.
      marker: one of `MARKERS`; it marks every point of a short line, some points of a long one.
      heavy: whether the line is thick, like that of the baseline.
    """

    label: str
    points: tuple[tuple[float, float], ...]
    colour: int = 0
    dash: int = 0
    marker: str = ""
    heavy: bool = False

    @property
    def marks(self) -> tuple[tuple[float, float], ...]:
        """The points that have a marker."""
        if not self.marker:
            return ()
        return self.points[:: max(1, len(self.points) // _MARKS_OF_A_CURVE)]


def telling_apart(number: int) -> tuple[int, str]:
    """`(dash, marker)` of a line by its number, so that lines differ even without colours.

    Raises:
      ValueError: when there are more lines than can be told apart.
    """
    marker, dash = divmod(number, len(DASHES))
    if marker >= len(MARKERS):
        raise ValueError(
            f"expected a line's number below {len(DASHES) * len(MARKERS)}; got {number}: draw "
            "fewer lines in the chart"
        )
    return dash, MARKERS[marker]


def line_chart(
    series: Sequence[Series], title: str, x_label: str, y_label: str, log_x: bool = False
) -> str:
    """An SVG element, with its legend below it.

    Args:
      series: the lines; those without points are left out.
      title: read by screen readers, and shown when the pointer is over the chart.
      x_label, y_label: the names of the axes, with units.
      log_x: whether the x axis is logarithmic, with a tick at every x.

    Returns:
      HTML; a sentence instead of the chart when there is nothing to draw.
    """
    series = [each for each in series if each.points]
    if not series:
        return '<p class="note">Nothing to draw yet.</p>'
    axes = _Axes([point for each in series for point in each.points], log_x)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(title)}">',
        f"<title>{html.escape(title)}</title>",
        *axes.drawn(x_label, y_label),
        *[_line(each, axes) for each in series],
        "</svg>",
        _legend(series),
    ]
    return "\n".join(parts)


class _Axes:
    """Converts values to positions in the picture, and draws the grid."""

    def __init__(self, points, log_x):
        self._scale = math.log if log_x else float
        xs = sorted({x for x, _ in points})
        self._x_ticks = xs if log_x else ticks(xs[0], xs[-1])
        self._y_ticks = ticks(min(y for _, y in points), max(y for _, y in points))
        self._x_ends = _ends(map(self._scale, xs))
        self._y_ends = _ends([*self._y_ticks, *(y for _, y in points)])

    def x(self, value):
        low, high = self._x_ends
        share = (self._scale(value) - low) / (high - low)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value):
        low, high = self._y_ends
        share = (value - low) / (high - low)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)

    def drawn(self, x_label, y_label):
        """The grid, the numbers along it, and the names of the axes."""
        right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        for value in self._y_ticks:
            y = self.y(value)
            yield f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>'
            yield _text(_LEFT - 8, y + 4, number(value), "end")
        for value in self._x_ticks:
            if self._x_ends[0] <= self._scale(value) <= self._x_ends[1]:
                yield _text(self.x(value), bottom + 18, number(value), "middle")
        yield f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
        yield _text((_LEFT + right) / 2, _HEIGHT - 8, x_label, "middle")
        middle = (_TOP + bottom) / 2
        yield (
            f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">'
            f"{html.escape(y_label)}</text>"
        )


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Evenly spaced round numbers from at most `low` to at least `high`, about `count` of them."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def number(value: float) -> str:
    """A number without trailing zeros: `0.5`, `40`, `−0.05`."""
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")


def _ends(values):
    values = list(values)
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def _text(x, y, text, anchor):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{html.escape(str(text))}</text>'


def _line(series, axes):
    points = [(axes.x(x), axes.y(y)) for x, y in series.points]
    line = _polyline(series, points)
    if len(points) == 1 and not series.marker:
        return line + _mark("o", *points[0], series.colour)
    marks = "".join(
        _mark(series.marker, axes.x(x), axes.y(y), series.colour) for x, y in series.marks
    )
    return line + marks


def _polyline(series, points):
    dashes = " ".join(map(str, DASHES[series.dash])) or "none"
    style = f"stroke:var(--c{series.colour});stroke-dasharray:{dashes}"
    named = "line heavy" if series.heavy else "line"
    places = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline class="{named}" points="{places}" style="{style}"/>'


def _mark(marker, x, y, colour):
    style = f'style="fill:var(--c{colour})"'
    if marker == "o":
        return f'<circle cx="{x}" cy="{y}" r="3.5" {style}/>'
    corners = {"s": ((-3, -3), (3, -3), (3, 3), (-3, 3)), "^": ((0, -4), (4, 3), (-4, 3))}[marker]
    places = " ".join(f"{round(x + right, 1)},{round(y + down, 1)}" for right, down in corners)
    return f'<polygon points="{places}" {style}/>'


def _legend(series):
    items = "".join(
        f'<li><svg class="key" viewBox="0 0 40 8" aria-hidden="true">'
        f"{_polyline(each, [(0, 4), (40, 4)])}"
        f"{_mark(each.marker, 20, 4, each.colour) if each.marker else ''}</svg>"
        f"{html.escape(each.label)}</li>"
        for each in series
    )
    return f'<ul class="legend">{items}</ul>'
