"""What a run is going to do, told before it does: its students, and which epoch it exports."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from kdcl_tf import students
from kdcl_tf.students import cost

__all__ = ["of_students", "told"]


def of_students(members: Mapping[str, keras.Model]) -> list[str]:
    """A line for each student: its parameters, and the multiply-adds of one image.

    Args:
      members: `{name: student}`.
    """
    return [
        f"student {name}: {students.parameter_count(student):,} parameters{_multiply_adds(student)}"
        for name, student in members.items()
    ]


def told(count: int) -> str:
    """A large number in words: 12,345, 12.3 million or 1.23 billion."""
    if count < 1_000_000:
        return f"{count:,}"
    return f"{count / 1e6:.1f} million" if count < 1_000_000_000 else f"{count / 1e9:.2f} billion"


def _multiply_adds(student):
    try:
        return f", {told(cost.multiply_adds(student))} multiply-adds per image"
    except ValueError:
        # A network of Keras's may have layers that are not counted.
        return ""
