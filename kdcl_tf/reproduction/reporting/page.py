"""The HTML page of a report: one file without scripts, for light and dark and any width."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

# Eight colours that are told apart on white and on black, also by readers who see less red or
# green.
_STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fcfcfb; --ink: #1d1f21; --soft: #63686e; --rule: #dcdedb; --wash: #f1f2ef;
  --c0: #1d1f21; --c1: #1f6fb2; --c2: #c2541b; --c3: #2a8a57; --c4: #8a4fa8;
  --c5: #9a7a0a; --c6: #16879a; --c7: #c03a66; --c8: #6b7280;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181a; --ink: #e6e7e4; --soft: #9da3a8; --rule: #34383b; --wash: #1f2225;
    --c0: #e6e7e4; --c1: #62aef0; --c2: #f0905a; --c3: #5fc98f; --c4: #c792e6;
    --c5: #d9b83f; --c6: #56c5d6; --c7: #f27fa3; --c8: #9aa1ab;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; font-weight: 650; }
h2 { font-size: 1.15rem; margin: 3rem 0 .75rem; font-weight: 650; }
p { max-width: 44rem; margin: .6rem 0; }
.note, figcaption { color: var(--soft); font-size: .875rem; }
figcaption { max-width: 44rem; margin-top: .6rem; }
figure { margin: 1.25rem 0 2rem; }
pre {
  background: var(--wash); padding: .75rem 1rem; overflow-x: auto; border-radius: 4px;
  font-size: .85rem;
}
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .34rem .8rem; text-align: right; white-space: nowrap; }
th { font-weight: 500; }
th:first-child { text-align: left; padding-left: 0; }
thead th { color: var(--soft); border-bottom: 1px solid var(--ink); vertical-align: bottom;
  white-space: normal; min-width: 3.2rem; max-width: 6.2rem; line-height: 1.3; }
th:first-child { position: sticky; left: 0; background: var(--paper); }
tbody tr { border-bottom: 1px solid var(--rule); }
tr.quiet > th:first-child, tr.quiet td { background: var(--wash); }
td.best { font-weight: 700; }
figure > svg { display: block; width: 100%; max-width: 46rem; height: auto; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
svg .heavy { stroke-width: 3; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .5rem 0 0;
  padding: 0; font-size: .85rem; }
.legend .key { width: 40px; height: 8px; margin-right: .4rem; vertical-align: middle; }
"""


def page(title: str, blocks: Iterable[Any]) -> str:
    """A complete HTML document.

    Args:
      title: the title, as plain text.
      blocks: the content, such as `blocks.Paragraph`: objects with a method `html`.
    """
    body = "\n".join(block.html() for block in blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{html.escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )
