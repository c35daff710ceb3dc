"""Where encoded images lie, on disk or in memory, and how the bytes of each are read.

All classes of images here have the same interface: `len`, `take(indices)`, `name(index)`,
`read(index)` eagerly and `content(index)` in a graph, `size(most)`, and `digest()`, the SHA-256 of
what is known of the images, by name. Names are escaped (`kdcl_tf.files.escaping`), so that each is
one line and no two are the same.
"""

from __future__ import annotations

import dataclasses

from kdcl_tf.data.storage.files import Files
from kdcl_tf.data.storage.memory import Bytes, Numbered, Pixels, held
from kdcl_tf.data.storage.records import (
    HASHES,
    RECORD_FOOTER,
    RECORD_HEADER,
    ChangedError,
    TFRecords,
    hashes_of,
)

__all__ = [
    "HASHES",
    "RECORD_FOOTER",
    "RECORD_HEADER",
    "Bytes",
    "ChangedError",
    "Files",
    "Numbered",
    "Pixels",
    "TFRecords",
    "hashes_of",
    "held",
    "limited",
]


def limited(
    images: Files | TFRecords | Bytes | Pixels, max_bytes: int
) -> Files | TFRecords | Bytes | Pixels:
    """The same images, of which larger ones than `max_bytes` are not read from disk."""
    if isinstance(images, (Files, TFRecords)):
        return dataclasses.replace(images, max_bytes=max_bytes)
    return images
