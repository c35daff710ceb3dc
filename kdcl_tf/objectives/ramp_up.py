"""The factor with which ONE lets its distillation loss rise, which settings read without TensorFlow."""

from __future__ import annotations

from typing import Any

__all__ = ["exponent"]


def exponent(share: Any) -> Any:
    """`-5 (1 - share)^2`: the factor is e to this power, 0.0067 at the start and 1 at the end.

    It is that of Laine and Aila (ICLR 2017, arXiv:1610.02242), which ONE's authors use.

    Args:
      share: of the ramp-up that is over, 0..1: a float, or a tensor of any shape.

    Returns:
      As `share`.
    """
    return -5.0 * (1.0 - share) ** 2
