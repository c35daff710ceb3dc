"""What leaves the house: students as files and SavedModels, read again, and used as teachers.

Importing this package does not import TensorFlow.
"""

import importlib

# Public names, and the modules that define them.
_HOMES = {
    "Card": "cards",
    "export_student": "saved_model",
    "load_student": "saved_model",
    "save_keras": "saved_model",
    "save_weights": "saved_model",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
