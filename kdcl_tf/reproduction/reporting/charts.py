"""Line charts as inline SVG: no script, colours from the page's style sheet."""

import dataclasses
import html
import math

_WIDTH, _HEIGHT = 640, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 14, 46


@dataclasses.dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
      label: in the legend.
      points: `(x, y)`, x rising.
      colour: number of the page's colour, `--c0` (neutral), `--c1`, ...
      dashed: drawn with gaps.
      heavy: drawn thicker, such as a baseline.
      marked: a dot at each point.
    """

    label: str
    points: tuple
    colour: int = 0
    dashed: bool = False
    heavy: bool = False
    marked: bool = False


def line_chart(series, title, x_label, y_label, log_x=False):
    """An SVG element as text, with its legend below it.

    Args:
      series: `Series`; those without points are left out.
      title: for those who cannot see it, and on hovering.
      x_label, y_label: with units.
      log_x: a logarithmic x axis with a tick at every x.

    Returns:
      HTML, or a sentence in place of it when there is nothing to draw.
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
    """From numbers to places in the picture."""

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
        """The grid, the numbers along it and what they are."""
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


def ticks(low, high, wanted=5):
    """Round numbers from at most `low` to at least `high`, about `wanted` of them."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def number(value):
    """`0.5`, `40`, `-0.05`: no digits that say nothing."""
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")


def _ends(values):
    values = list(values)
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def _text(x, y, text, anchor):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{html.escape(str(text))}</text>'


def _line(series, axes):
    points = " ".join(f"{axes.x(x)},{axes.y(y)}" for x, y in series.points)
    style = f' style="stroke:var(--c{series.colour})"'
    line = f'<polyline class="{_classes(series)}" points="{points}"{style}/>'
    if series.marked or len(series.points) == 1:
        line += "".join(
            f'<circle cx="{axes.x(x)}" cy="{axes.y(y)}" r="3.5" '
            f'style="fill:var(--c{series.colour})"/>'
            for x, y in series.points
        )
    return line


def _classes(series):
    names = ["line", *(["dashed"] if series.dashed else []), *(["heavy"] if series.heavy else [])]
    return " ".join(names)


def _legend(series):
    items = "".join(
        f'<li><svg class="key" viewBox="0 0 26 8" aria-hidden="true"><polyline '
        f'class="{_classes(each)}" points="0,4 26,4" style="stroke:var(--c{each.colour})"/></svg>'
        f"{html.escape(each.label)}</li>"
        for each in series
    )
    return f'<ul class="legend">{items}</ul>'
