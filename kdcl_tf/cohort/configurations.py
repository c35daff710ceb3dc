"""What the configuration of an object must have for another to be made of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

__all__ = ["is_of", "lacking", "returned", "takes"]

# Keras sets these after an object is made, or has a default for them that counts everywhere.
_OF_KERAS = ("name", "dtype", "trainable")
_SEVERAL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def lacking(kind: type, config: Iterable[str]) -> list[str]:
    """The arguments of a class's constructor that a configuration lacks, which would get defaults.

    Args:
      kind: the class.
      config: the names that the configuration has.
    """
    _, *arguments = inspect.signature(kind.__init__).parameters.values()
    names = [each.name for each in arguments if each.kind not in _SEVERAL]
    return [name for name in names if name not in (*config, *_OF_KERAS)]


def returned(names: Iterable[str]) -> str:
    """What a `get_config` that gives these, too, returns, for messages."""
    items = ", ".join(f'"{name}": ...' for name in names)
    return f"{{**super().get_config(), {items}}}"


def is_of(package: str, function: object) -> bool:
    """Whether a function, or a class, is of a package, such as "keras"."""
    return function.__module__.partition(".")[0] == package


def takes(function: object, argument: str) -> bool:
    """Whether a function, or the constructor of a class, has an argument of this name.

    Args:
      function: of any kind; False for one whose arguments Python cannot tell.
      argument: by its name, not as one of `**kwargs`.
    """
    try:
        return argument in inspect.signature(function).parameters  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
