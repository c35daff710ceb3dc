"""The engine: trains any task, with exact resume; it knows neither classifiers nor detectors.

Importing this package does not import TensorFlow; `optimizers` and `schedules` do, at their first use.
"""

import importlib
from typing import Any

_LAZY = ("optimizers", "schedules")


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
