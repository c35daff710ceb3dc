"""A page of pictures with what a student takes them for: one HTML file, without scripts."""

from __future__ import annotations

import html

from kdcl_tf.files import escaping
from kdcl_tf.prediction.predicting import Prediction

__all__ = ["END", "figure", "head"]

_STYLE = """
:root { color-scheme: light dark; --paper: #fcfcfb; --ink: #1d1f21; --soft: #63686e;
  --rule: #dcdedb; --bar: #bcd6ec; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181a; --ink: #e6e7e4; --soft: #9da3a8;
  --rule: #34383b; --bar: #24506f; } }
body { margin: 0; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; }
p { color: var(--soft); margin: 0 0 1.2rem; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem; }
figure { margin: 0; padding: .6rem; border: 1px solid var(--rule); border-radius: 6px;
  min-width: 0; }
img { display: block; max-width: 100%; max-height: 12rem; margin: 0 auto .5rem; }
figcaption { font-size: .8rem; color: var(--soft); overflow-wrap: anywhere; }
ol { list-style: none; margin: .4rem 0 0; padding: 0; font-variant-numeric: tabular-nums; }
li { display: flex; justify-content: space-between; gap: .5rem; padding: .1rem .35rem;
  margin-top: 2px; border-radius: 3px; overflow-wrap: anywhere;
  background: linear-gradient(to right, var(--bar) var(--share), transparent var(--share)); }
li:first-child { font-weight: 650; }
"""

END = "</main>\n</body>\n</html>\n"


def head(student: str, images: int) -> str:
    """The page up to the first picture.

    Args:
      student: its name.
      images: how many there are.
    """
    title = html.escape(f"What {escaping.escaped(student)} sees")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f"<p>{images:,} image{'s' * (images != 1)}; classes with their probabilities</p>\n<main>\n"
    )


def figure(prediction: Prediction, picture: str) -> str:
    """One image: its picture, its name, and its classes or why it could not be read.

    Args:
      prediction: of the image.
      picture: a URI, or "" for none.
    """
    name = html.escape(prediction.name)
    shown = f'<img src="{html.escape(picture)}" alt="{name}">\n' if picture else ""
    if prediction.fault:
        found = f"<p>not read: {html.escape(prediction.fault)}</p>"
    else:
        found = f"<ol>{''.join(map(_row, prediction.classes, prediction.probabilities))}</ol>"
    return f"<figure>\n{shown}<figcaption>{name}</figcaption>\n{found}\n</figure>\n"


def _row(name, probability):
    text = html.escape(escaping.escaped(name))
    return (
        f'<li style="--share: {100 * probability:.2f}%"><span>{text}</span>'
        f"<span>{probability:.2%}</span></li>"
    )
