"""What a run is going to do, told before it does: its students, and which epoch it exports."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from kdcl_tf import students
from kdcl_tf.data.normalization import KEPT, Normalization
from kdcl_tf.serving.weight_sources import WeightSource
from kdcl_tf.students import cost
from kdcl_tf.students.weights import kinds

__all__ = ["normalized", "of_students", "of_teacher", "told"]


def of_students(members: Mapping[str, keras.Model]) -> list[str]:
    """A line for each student: its parameters, and the multiply-adds of one image.

    Args:
      members: `{name: student}`.
    """
    return [
        f"student {name}: {students.parameter_count(student):,} parameters{_multiply_adds(student)}"
        for name, student in members.items()
    ]


def of_teacher(source: WeightSource, own: Normalization) -> list[str]:
    """A line on how a teacher's images are normalised; none for one that was exported whole.

    Args:
      source: of its weights.
      own: the normalisation of the students' images, which holds where the source says none.
    """
    if source.kind == "saved_model":
        return []
    whose = "as its card says"
    if source.normalization is None:
        whose = "as the students' are, since nothing says how the teacher was trained"
    elif source.kind == "safetensors":
        whose = "as torchvision's weights for ImageNet ask, which it is taken to be"
    elif source.kind == kinds.IMAGENET:
        whose = "as such weights for ImageNet were trained"
    used = source.normalization or own
    return [f"the teacher is {source.where}: {normalized(used)}, {whose}"]


def normalized(normalization: Normalization) -> str:
    """What becomes of images, in words."""
    order = "" if normalization.channels == KEPT else ", blue before red"
    mean, deviation = (
        "/".join(f"{each:.3g}" for each in numbers)
        for numbers in (normalization.mean, normalization.deviation)
    )
    return f"images lose a mean of {mean} and are divided by {deviation}{order}"


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
