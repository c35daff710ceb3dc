"""A cohort of branches: students that share their lower layers, one network with many heads."""

from typing import Any

import keras
import tensorflow as tf

from kdcl_tf.cohort.cohort import Cohort

__all__ = ["Branched"]


class Branched(Cohort):
    """Students that share their lower layers; the base of `ONE` and `CLNN`.

    Args:
      students: `{name: keras.Model}`, two or more functional models on one `keras.Input`,
        such as `kdcl_tf.students.build_branches` makes.
      temperature, distillation_weight: as `Cohort`.

    What is shared runs once a step, so that all students see one view: inputs are one batch
    `[B, H, W, C]`.  Each student alone is the plain architecture.

    Attributes:
      network: one functional model that gives the logits of all students, in order, and then
        the `companions`.
    """

    may_share_layers = True

    def __init__(
        self,
        students: dict[str, keras.Model],
        temperature: float = 1.0,
        distillation_weight: float = 1.0,
        **kwargs,
    ):
        super().__init__(students, temperature, distillation_weight, **kwargs)
        _check_branches(self.students, type(self).__name__)
        self.network = keras.Model(
            _images(self.students), [*_logits(self.students), *self.companions()]
        )

    def companions(self) -> list[keras.KerasTensor]:
        """Further outputs of the network, logits `[B, C]`, that train along with the students.

        They learn from the labels alone.  Called once, by the constructor; a subclass makes
        them of the students' own tensors.
        """
        return []

    def forward(self, views: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """`[N, B, C]` float32: the students' logits, then those of the companions."""
        outputs = self.network(next(iter(views.values())), training=training)
        return tf.stack([tf.cast(each, tf.float32) for each in outputs])

    def networks(self) -> list[keras.Model]:
        """The one network, so that the penalty on a shared layer counts once."""
        return [self.network]

    def views(self, inputs: Any) -> dict[str, tf.Tensor]:
        if isinstance(inputs, dict):
            raise ValueError(
                f"the students of {type(self).__name__} share their lower layers, and so their "
                f"view: expected one batch of images; got views for {sorted(inputs)}"
            )
        return super().views(inputs)

    def compile(  # type: ignore[override]  # What follows the optimizer is as in `Cohort`.
        self, optimizer: Any = "rmsprop", *args: Any, **kwargs: Any
    ) -> None:
        """As `Cohort.compile`, with one optimizer for all, since they share variables."""
        if isinstance(optimizer, dict):
            raise ValueError(
                f"the students of {type(self).__name__} share variables: expected one optimizer "
                f"for all; got a dict with keys {sorted(optimizer)}"
            )
        super().compile(optimizer, *args, **kwargs)

    def owners(self, variable: keras.Variable) -> int:
        """How many students have a variable; 0 where it belongs to a companion alone."""
        return sum(
            any(variable is each for each in student.trainable_variables)
            for student in self.students.values()
        )

    def get_config(self) -> dict[str, Any]:
        # As one model: serialised one by one, the students would no longer share anything.
        joined = keras.Model(_images(self.students), _logits(self.students))
        config = super().get_config()
        config["students"] = {
            "names": list(self.students),
            "model_names": [student.name for student in self.students.values()],
            "network": keras.saving.serialize_keras_object(joined),
        }
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None):
        branches = config["students"]
        network = keras.saving.deserialize_keras_object(branches["network"], custom_objects)
        students = {
            name: keras.Model(network.input, output, name=model_name)
            for name, model_name, output in zip(
                branches["names"], branches["model_names"], network.outputs
            )
        }
        return cls(**{**config, "students": students})


def _images(students):
    return next(iter(students.values())).input


def _logits(students):
    return [student.output for student in students.values()]


def _check_branches(students, method):
    images = [student.inputs for student in students.values() if hasattr(student, "operations")]
    one_input = len({id(each) for inputs in images for each in inputs}) == 1
    if len(images) < len(students) or len(students) < 2 or not one_input:
        raise ValueError(
            f"{method} expected two or more functional models on one keras.Input, branches of "
            f"one network; got {', '.join(students)}: make them with "
            "kdcl_tf.students.build_branches"
        )
