"""Files of safetensors, read into NumPy: they hold numbers alone, and reading one runs no code.

Importing this module imports nothing but the standard library.
"""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["arrays", "shapes"]

_FLOATS = ("F64", "F32", "F16", "BF16")


def shapes(path: str | os.PathLike) -> dict[str, tuple[int, ...]]:
    """`{name: shape}` of the tensors in a file, of which only the header is read.

    Raises:
      ValueError: when it is no whole file of safetensors, or it has no tensor.
    """
    with _opened(path) as file:
        found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
    if not found:
        raise ValueError(f"{path}: expected weights in a .safetensors file; got none in it")
    return found


def arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """`{name: array}` of a file: tensors of any float type as float32, others as they are.

    Raises:
      ValueError: as `shapes`, and for a type that NumPy does not have.
    """
    import ml_dtypes  # Registers bfloat16 with NumPy, and comes with TensorFlow.
    import numpy as np

    found = {}
    with _opened(path) as file:
        for name in file.keys():
            kind = file.get_slice(name).get_dtype()
            try:
                value = file.get_tensor(name)
            except (TypeError, KeyError, AttributeError) as error:
                raise ValueError(
                    f"{path}: expected numbers of 32 or 16 bits; got {name} of type {kind}"
                ) from error
            if value.dtype == np.dtype("V2"):
                value = value.view(ml_dtypes.bfloat16)
            found[name] = np.asarray(value, np.float32) if kind in _FLOATS else value
    return found


def _opened(path):
    try:
        import safetensors
    except ImportError as error:
        raise ValueError(
            f"{path}: .safetensors files are read with the package safetensors: pip install "
            "safetensors"
        ) from error
    try:
        return safetensors.safe_open(str(pathlib.Path(path).expanduser()), framework="np")
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(
            f"{path}: expected a whole .safetensors file; got {str(error).splitlines()[0]}: convert "
            "or copy it again"
        ) from error
