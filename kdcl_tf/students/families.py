"""The families of students: one row each, with all that differs between them but the network.

Read without TensorFlow or Keras.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable

from kdcl_tf.students.names import StudentName


@dataclasses.dataclass(frozen=True)
class Family:
    """What is known of a family of students before any is built.

    Attributes:
        smallest_image: pixels a side. Below, a network's last strides see one pixel and
            padding, and no longer do what they say.
        usual_image: pixels a side of the images that the family is made for, CIFAR's or
            ImageNet's.
        arguments: fields of `StudentName` that the `parts` of the family's module takes
            first; None for a family that is not built of parts.
    """

    smallest_image: int
    usual_image: int
    arguments: tuple[str, ...] | None


# By the name of the module that has the network.
FAMILIES = {
    "cifar_resnet": Family(4, 32, ("depth",)),
    "wide_resnet": Family(4, 32, ("depth", "width")),
    "resnet": Family(32, 224, ("depth",)),
    "mobilenet_v2": Family(32, 224, ("width",)),
    # Keras's classifiers check their images themselves.
    "keras": Family(1, 224, None),
}


def parts(student: StudentName, num_classes: int, layers) -> list[Callable]:
    """The functions that make a student's parts, from the stem to the head.

    Args:
        student: of a family that is built of parts.
        num_classes: length of the logits.
        layers: `layers.Layers`.

    Raises:
        KeyError: for a family without a row here.
    """
    module = importlib.import_module(f"kdcl_tf.students.{student.family}")
    given = [getattr(student, name) for name in FAMILIES[student.family].arguments or ()]
    return module.parts(*given, num_classes, layers)
