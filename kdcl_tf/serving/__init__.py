"""What leaves the house: students as files and SavedModels, read again, and used as teachers.

A student is *exported* once it lies on disk, as a SavedModel or a file with its card.  *Served*
is what answers out of a SavedModel, with or without this package: the module that is saved in
it, or a layer or an object that calls it.

Importing this package does not import TensorFlow.
"""

import importlib
from typing import Any

# Public names, and the modules that define them.
_HOMES = {
    "Card": "cards",
    "WeightSource": "weight_sources",
    "export_student": "saved_model",
    "load_student": "saved_model",
    "save_keras": "keras_files",
    "save_weights": "keras_files",
    "weight_source": "weight_sources",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
