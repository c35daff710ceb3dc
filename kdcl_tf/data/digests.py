"""Digests of images and labels, which tell one data set from another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["of_array", "of_labels", "of_parts"]


def of_array(array: np.ndarray) -> str:
    """The SHA-256 of an array's bytes, whatever its shape."""
    return hashlib.sha256(np.ascontiguousarray(array).reshape(-1).data.cast("B")).hexdigest()


def of_labels(labels: np.ndarray) -> dict[str, Any]:
    """`images`, how many there are, and `labels`, a SHA-256."""
    return {"images": len(labels), "labels": of_array(labels)}


def of_parts(parts: Iterable[bytes]) -> str:
    """The SHA-256 of byte strings, which are told apart by their lengths."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
