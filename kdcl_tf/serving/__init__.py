"""What leaves the house: students as files and SavedModels, read again, and used as teachers.

Importing this package does not import TensorFlow.
"""

import importlib

__all__ = ["export_student", "load_student", "save_keras", "save_weights", "write_card"]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.saved_model"), name)
