"""A cohort of branches: students that share their lower layers, one network with many heads."""

import keras
import tensorflow as tf

from kdcl_tf.cohort.cohort import Cohort
from kdcl_tf.methods.branched import gate

__all__ = ["Branched"]


class Branched(Cohort):
    """Students that share their lower layers; the base of `ONE` and `CLNN`.

    Args:
      students: `{name: keras.Model}`, two or more functional models on one `keras.Input`,
        such as `kdcl_tf.students.build_branches` makes.
      temperature, distillation_weight: as `Cohort`.
      gated: whether a gate on the shared features mixes the students into a teacher that
        trains along, see `gate`.
      rescaled: whether the gradient is divided by the number of ways where the network
        splits, so that layers shared by many students move at the pace of those that are
        not.  In a tree whose splits are even, that makes the gradient of a variable the mean
        over the students that share it, which is how it is computed.

    What is shared runs once a step, so that all students see one view: inputs are one batch
    `[B, H, W, C]`.  Each student alone is the plain architecture.
    """

    may_share_layers = True

    def __init__(
        self,
        students,
        temperature=1.0,
        distillation_weight=1.0,
        gated=False,
        rescaled=False,
        **kwargs,
    ):
        super().__init__(students, temperature, distillation_weight, **kwargs)
        _check_branches(self.students, type(self).__name__)
        self._gated, self._is_rescaled = gated, rescaled
        teacher = [gate.teacher(self.students)] if gated else []
        # One model of all their outputs, so that what is shared runs once.
        self.network = keras.Model(_images(self.students), [*_logits(self.students), *teacher])

    def run(self, views, training=False):
        outputs = self.network(next(iter(views.values())), training=training)
        outputs = [tf.cast(each, tf.float32) for each in outputs]
        teacher = outputs.pop() if self._gated else None
        return tf.stack(outputs), teacher

    def stacked_logits(self, views, training=False):
        return self.run(views, training)[0]

    def call(self, inputs, training=False):
        return dict(
            zip(self.students, tf.unstack(self.stacked_logits(self.views(inputs), training)))
        )

    def views(self, inputs):
        if isinstance(inputs, dict):
            raise ValueError(
                f"the students of {type(self).__name__} share their lower layers, and so their "
                "view: wanted one batch of images; got a dict of views (with kdcl-train pass "
                "--noinvariant)"
            )
        return super().views(inputs)

    def compile(self, optimizer="rmsprop", **kwargs):
        """As `Cohort.compile`, with one optimizer for all, since they share variables."""
        if isinstance(optimizer, dict):
            raise ValueError(
                f"the students of {type(self).__name__} share variables: wanted one optimizer "
                f"for all; got a dict with keys {sorted(optimizer)}"
            )
        super().compile(optimizer=optimizer, **kwargs)

    def owners(self, variable):
        """How many students a variable belongs to; 0 for one that is only the network's."""
        return sum(
            any(variable is each for each in student.trainable_variables)
            for student in self.students.values()
        )

    def get_config(self):
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
    def from_config(cls, config, custom_objects=None):
        branches = config["students"]
        network = keras.saving.deserialize_keras_object(branches["network"], custom_objects)
        students = {
            name: keras.Model(network.input, output, name=model_name)
            for name, model_name, output in zip(
                branches["names"], branches["model_names"], network.outputs
            )
        }
        return cls(**{**config, "students": students})

    def _rescaled(self, gradients, variables):
        if not self._is_rescaled:
            return gradients
        return [
            None if gradient is None else gradient / max(1, self.owners(variable))
            for gradient, variable in zip(gradients, variables)
        ]

    def _regularised(self):
        # Once: what is shared would count for each student.
        return [self.network]


def _images(students):
    return next(iter(students.values())).input


def _logits(students):
    return [student.output for student in students.values()]


def _check_branches(students, method):
    images = [student.inputs for student in students.values() if hasattr(student, "operations")]
    one_input = len({id(each) for inputs in images for each in inputs}) == 1
    if len(images) < len(students) or len(students) < 2 or not one_input:
        raise ValueError(
            f"{method} wants two or more functional models on one keras.Input, branches of one "
            "network: make them with kdcl_tf.students.build_branches"
        )
