"""Packages that `pip install kdcl_tf` leaves out, and the line that says how to add them.

Importing this module imports nothing but the standard library.
"""

from __future__ import annotations

import importlib.util

__all__ = ["MissingPackageError", "require"]

# `{extra of setup.py: (packages by the name that they are imported by, what needs them)}`.
EXTRAS = {
    "detection": (("pycocotools",), "annotations and scores in COCO's format"),
    "export": (("ai_edge_litert", "onnx", "onnxruntime", "tf2onnx"), "LiteRT and ONNX files"),
}


class MissingPackageError(ValueError):
    """A package of an extra is not installed; the message says how to install it."""


def require(*packages: str) -> None:
    """Refuses to go on without packages of an extra; it imports none of them.

    Args:
      *packages: by the names that they are imported by, all of one extra.

    Raises:
      MissingPackageError: naming those that cannot be imported.
    """
    missing = [name for name in packages if not _is_there(name)]
    if missing:
        extra = next(name for name, (known, _) in EXTRAS.items() if missing[0] in known)
        raise MissingPackageError(
            f"expected {' and '.join(missing)}, which {EXTRAS[extra][1]} need, to be installed; "
            f"got none: run pip install 'kdcl_tf[{extra}]'"
        )


def _is_there(package):
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # ValueError for a module that was made None.
        return False
