"""The versions that a run's numbers come from."""

import platform

import keras
import tensorflow as tf

import kdcl_tf


def versions():
    """`{name: version}` of this package, of what it is built on, and of Python."""
    return {
        "kdcl_tf": kdcl_tf.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "python": platform.python_version(),
    }
