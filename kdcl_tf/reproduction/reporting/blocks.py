"""The blocks of a report, each of which can be written as HTML and as Markdown."""

from __future__ import annotations

import dataclasses
import html

_HYPHEN = "\N{NON-BREAKING HYPHEN}"


@dataclasses.dataclass(frozen=True)
class Heading:
    """The heading of a section, or with a greater `level` of a part of one."""

    text: str
    level: int = 2

    def html(self) -> str:
        """The block as HTML."""
        return f"<h{self.level}>{html.escape(self.text)}</h{self.level}>"

    def markdown(self) -> str:
        """The block as Markdown."""
        return f"{'#' * self.level} {self.text}"


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """A paragraph of text; with `code`, a command line."""

    text: str
    code: bool = False

    def html(self) -> str:
        """The block as HTML."""
        text = html.escape(self.text)
        return f"<pre><code>{text}</code></pre>" if self.code else f"<p>{text}</p>"

    def markdown(self) -> str:
        """The block as Markdown."""
        return f"```\n{self.text}\n```" if self.code else self.text


@dataclasses.dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
      heads: the headings of the columns; the first column has the names of the rows.
      rows: the texts of each row, one for each heading.
      caption: what the table shows, and at which scale.
      best: `{(row, column)}` of the cells that are bold.
      quiet: positions of the rows that are shaded, such as the baseline.
    """

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    best: frozenset[tuple[int, int]] = frozenset()
    quiet: frozenset[int] = frozenset()

    def html(self) -> str:
        """The block as HTML, in a box that scrolls sideways by itself."""
        # Headings may break between words, but not inside ResNet-20.
        heads = "".join(
            f'<th scope="col">{html.escape(each.replace("-", _HYPHEN))}</th>' for each in self.heads
        )
        rows = "\n".join(self._row(index, row) for index, row in enumerate(self.rows))
        return (
            f'<figure><div class="scroll" tabindex="0"><table><thead><tr>{heads}</tr></thead>\n'
            f"<tbody>\n{rows}\n</tbody></table></div>"
            f"<figcaption>{html.escape(self.caption)}</figcaption></figure>"
        )

    def markdown(self) -> str:
        """The block as Markdown."""
        lines = [self.heads, ["---", *["---:"] * (len(self.heads) - 1)]]
        for index, row in enumerate(self.rows):
            lines.append(
                [
                    f"**{text}**" if (index, column) in self.best else text
                    for column, text in enumerate(row)
                ]
            )
        table = "\n".join(
            "| " + " | ".join(_escaped(each) for each in line) + " |" for line in lines
        )
        return f"{table}\n\n{self.caption}"

    def _row(self, index, row):
        cells = [f'<th scope="row">{html.escape(row[0])}</th>']
        for column, text in enumerate(row[1:], start=1):
            mark = ' class="best"' if (index, column) in self.best else ""
            cells.append(f"<td{mark}>{html.escape(text)}</td>")
        quiet = ' class="quiet"' if index in self.quiet else ""
        return f"<tr{quiet}>{''.join(cells)}</tr>"


@dataclasses.dataclass(frozen=True)
class Figure:
    """A chart.

    Attributes:
      svg: the chart as HTML, see `charts`.
      caption: what the chart shows, and at which scale.
      picture: the name of a PNG file that Markdown shows; None for a chart of the page alone.
    """

    svg: str
    caption: str
    picture: str | None = None

    def html(self) -> str:
        """The block as HTML."""
        return f"<figure>{self.svg}<figcaption>{html.escape(self.caption)}</figcaption></figure>"

    def markdown(self) -> str:
        """The block as Markdown; empty without a picture."""
        return f"![{self.caption}]({self.picture})" if self.picture else ""


def _escaped(text):
    return text.replace("|", "\\|")
