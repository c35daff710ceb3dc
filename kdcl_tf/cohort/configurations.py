"""What the configuration of an object must have for another to be made of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

__all__ = ["accepts", "check", "is_of", "lacking", "takes"]

# Keras sets these after an object is made, or has a default for them that counts everywhere.
_OF_KERAS = ("name", "dtype", "trainable")
_SEVERAL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def lacking(kind: type, config: Iterable[str]) -> list[str]:
    """The arguments of a class's constructor that a configuration lacks, which would get defaults.

    Args:
      kind: the class.
      config: the names that the configuration has.
    """
    _, *arguments = inspect.signature(kind.__init__).parameters.values()  # type: ignore[misc]
    names = [each.name for each in arguments if each.kind not in _SEVERAL]
    return [name for name in names if name not in (*config, *_OF_KERAS)]


def check(kind: type, config: Iterable[str], purpose: str) -> None:
    """Refuses a class whose configuration lacks arguments, which would silently get defaults.

    Args:
      kind: the class.
      config: the names that its configuration has.
      purpose: what is made of it, for the message.

    Raises:
      ValueError: with what `get_config` is to return.
    """
    names = lacking(kind, config)
    if names:
        items = ", ".join(f'"{name}": ...' for name in names)
        raise ValueError(
            f"expected {kind.__name__}.get_config to give all arguments of the constructor, {purpose}; "
            f"got no {', '.join(names)}: return {{**super().get_config(), {items}}}"
        )


def is_of(package: str, function: object) -> bool:
    """Whether a function, or a class, is of a package, such as "keras"."""
    return function.__module__.partition(".")[0] == package


def takes(function: object, argument: str) -> bool:
    """Whether a function, or the constructor of a class, has an argument of this name.

    Args:
      function: of any kind; False for one whose arguments Python cannot tell.
      argument: by its name, not as one of `**kwargs`.
    """
    return argument in _parameters(function)


def accepts(function: object, argument: str) -> bool:
    """As `takes`, or among `**kwargs`, which a constructor hands on to another.

    Args:
      function: as in `takes`.
      argument: its name.
    """
    kinds = [each.kind for each in _parameters(function).values()]
    return takes(function, argument) or inspect.Parameter.VAR_KEYWORD in kinds


def _parameters(function):
    # Of a class, the signature may be that of `__new__`, which Keras gives *args and **kwargs.
    called = function.__init__ if isinstance(function, type) else function
    try:
        return inspect.signature(called).parameters
    except (TypeError, ValueError):
        return {}
