"""The versions that a run's numbers come from, and of what it writes."""

from __future__ import annotations

import platform

from kdcl_tf.identity import FORMAT

__all__ = ["FORMAT", "versions"]


def versions() -> dict[str, str]:
    """`{name: version}` of this package, of what it is built on, and of Python."""
    import keras
    import tensorflow as tf

    import kdcl_tf

    return {
        "kdcl_tf": kdcl_tf.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "python": platform.python_version(),
    }
