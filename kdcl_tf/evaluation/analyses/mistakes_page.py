"""A page with the pictures of the mistakes that students are surest of."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kdcl_tf import files
from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.evaluation.analyses.predictions import Mistake, numbered

__all__ = ["name_of", "pictures", "write"]

_STYLE = """body { font: 15px/1.4 sans-serif; margin: 2em; color: #1d1f21 }
.mistakes { display: flex; flex-wrap: wrap; gap: 1.2em }
figure { margin: 0; width: 190px }
img { width: 190px; height: 190px; object-fit: contain; background: #eee; image-rendering: auto }
img.small { image-rendering: pixelated }
figcaption { overflow-wrap: anywhere }
.file { color: #6b7280; font-size: 12px }"""

# Images that are smaller are shown with sharp pixels.
_SMALL = 96


def name_of(split: Any, index: int) -> str:
    """The name by which a person finds an image of a split, on one line."""
    encoded = split.encoded if isinstance(split, ImageSplit) else split
    return encoded.images.name(index) if encoded else f"image {index}"


def pictures(split: Any, indices: Sequence[int], batch_size: int = 256) -> dict[int, np.ndarray]:
    """`{index: [H, W, C] uint8}` of some images of a split, as students see them."""
    wanted = sorted(set(indices))
    if not wanted:
        return {}
    # Only they are read again.
    part, found = split.take(np.array(wanted)), {}
    for images, places in numbered(part, batch_size):
        found.update((wanted[place], image) for place, image in zip(places, images))
    return found


def write(
    mistakes: Mapping[str, Sequence[Mistake]],
    columns: Mapping[str, Sequence[str]],
    split: Any,
    title: str,
    path: str | os.PathLike,
) -> None:
    """Writes the page; it needs no other file.

    Args:
      mistakes: `{student: mistakes}`, see `confusion.mistakes`.
      columns: `{student: names of its classes}`, of which labels are positions.
      split: which the images are of.
      title: of the page.
      path: of the HTML, replaced in one rename.
    """
    shown = pictures(split, [each.index for found in mistakes.values() for each in found])
    sections = []
    for student, found in mistakes.items():
        entries = "\n".join(
            _entry(each, columns[student], split, shown[each.index]) for each in found
        )
        empty = "" if found else "<p>No mistakes.</p>"
        sections.append(
            f"<h2>{html.escape(student)}</h2>\n{empty}<div class='mistakes'>\n{entries}\n</div>"
        )
    head = f"<meta charset='utf-8'><title>{html.escape(title)}</title><style>{_STYLE}</style>"
    body = f"<h1>{html.escape(title)}</h1>\n" + "\n".join(sections)
    page = f"<html lang='en'><head>{head}</head>\n<body>\n{body}\n</body></html>"
    files.write_text(path, f"<!DOCTYPE html>\n{page}\n")


def _entry(mistake, names, split, image):
    kind = " class='small'" if max(image.shape[:2]) < _SMALL else ""
    name = html.escape(name_of(split, mistake.index))
    return (
        f"<figure><img{kind} alt='{name}' src='data:image/png;base64,{_png(image)}'>"
        f"<figcaption>predicted <b>{html.escape(names[mistake.predicted])}</b> "
        f"{mistake.probability:.1%}<br>true <b>{html.escape(names[mistake.label])}</b> "
        f"{mistake.of_true:.1%}<br><span class='file'>{name}</span></figcaption></figure>"
    )


def _png(image):
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()
