"""Compilation by XLA of what each replica computes for itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable

import keras
import tensorflow as tf

__all__ = ["Compilation"]


class Compilation:
    """Compiles functions of a cohort, if it is on.

    Keras compiles whole steps, which fails under `tf.distribute`: XLA can neither reduce over
    replicas nor wait for them.  So a cohort compiles only what one replica computes by itself,
    its forward and its backward pass; what replicas reduce and what the optimizer does stays
    outside.

    Args:
      is_on: without it functions stay as they are.
    """

    def __init__(self, is_on: bool = False):
        self._is_on = is_on
        self._functions = {}

    @classmethod
    def asked(cls, jit_compile: bool | str | None, run_eagerly: bool) -> Compilation:
        """The compilation that arguments of `compile` ask for; "auto" leaves it off.

        Raises:
          ValueError: for another `jit_compile`.
        """
        if jit_compile not in (True, False, None, "auto"):
            raise ValueError(f"jit_compile must be True, False or 'auto'; got {jit_compile!r}")
        is_on = jit_compile not in (False, None, "auto")
        if is_on and run_eagerly:
            warnings.warn("run_eagerly turns jit_compile off", stacklevel=3)
        return cls(is_on and not run_eagerly)

    def __bool__(self) -> bool:
        return self._is_on

    def __call__(self, function: Callable, state: Hashable = None) -> Callable:
        """The function, compiled for each shape of its arguments; or as it is.

        Args:
          function: of structures of tensors, without a reduction over replicas.
          state: what else of Python the function reads.  Its graph is made again for another
            one, since a graph keeps what was read when it was made.
        """
        if not self._is_on:
            return function
        key = function, state
        if key not in self._functions:
            self._functions[key] = tf.function(function, jit_compile=True, autograph=False)
        return self._functions[key]

    def check(self, cohort: keras.Model) -> None:
        """Raises ValueError for a cohort that reduces over replicas inside its forward pass."""
        if not self._is_on or cohort.distribute_strategy.num_replicas_in_sync == 1:
            return
        layers = [each for network in cohort.networks() for each in network._flatten_layers()]
        names = [each.name for each in layers if getattr(each, "synchronized", False)]
        if names:
            raise ValueError(
                "jit_compile expected layers that do not wait for other replicas, as XLA cannot; got "
                f"synchronized batch norm on {cohort.distribute_strategy.num_replicas_in_sync} "
                f"replicas, in {', '.join(names[:3])}{' ...' * (len(names) > 3)}: leave out "
                "jit_compile, or the synchronization"
            )
