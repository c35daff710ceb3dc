"""Tests of kdcl_tf.cohort.optimizers.building: students train as they would alone."""

import keras
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import methods
from tests.small_cohort import CohortTestCase, compiled, fit, make_data, make_students

# Wrappers of others have tests of their own.
_WRAPPERS = ("LossScaleOptimizer", "MultiOptimizer", "Optimizer")
_KINDS = [
    name
    for name, each in vars(keras.optimizers).items()
    if isinstance(each, type)
    and issubclass(each, keras.optimizers.Optimizer)
    and name not in _WRAPPERS
]


def _alone(student, optimizer, **kwargs):
    """A student that `keras.Model.fit` trains by itself, as `fit` trains a cohort."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    student.compile(optimizer, loss, run_eagerly=True)
    fit(student, *make_data(), **kwargs)
    return student


class TrainedAloneTest(CohortTestCase):
    def _assert_as_alone(self, cohort, make):
        # Weights of before `fit`, where Keras builds the optimizer of a student alone.
        students = make_students()
        for name, student in students.items():
            student.set_weights([0.1 + 2 * each for each in student.get_weights()])
            cohort.students[name].set_weights(student.get_weights())
        fit(cohort)
        for name, student in students.items():
            self.assert_same_weights(cohort.students[name], _alone(student, make()), atol=1e-5)

    @parameterized.parameters(*_KINDS)
    def test_every_kind_of_keras(self, kind):
        def make():
            return getattr(keras.optimizers, kind)(0.01)

        if kind == "Muon":
            self._skip_unless_keras_trains_by(make())
        optimizers = {"a": make(), "z": make()}
        self._assert_as_alone(compiled(methods.Independent, optimizer=optimizers), make)

    def _skip_unless_keras_trains_by(self, optimizer):
        """The first versions of Muon fail in any model."""
        try:
            _alone(make_students()["a"], optimizer)
        except AttributeError as error:
            self.skipTest(f"Keras {keras.__version__} does not train by it: {error}")

    @parameterized.parameters(
        {"global_clipnorm": 0.05},
        {"clipnorm": 0.05},
        {"clipvalue": 0.01},
        {"weight_decay": 0.1},
        {"use_ema": True, "ema_momentum": 0.8},
        {"use_ema": True, "ema_overwrite_frequency": 2},
        {"gradient_accumulation_steps": 2},
        {"loss_scale_factor": 8.0},
    )
    @pytest.mark.slow
    def test_every_argument(self, **arguments):
        def make():
            return keras.optimizers.SGD(0.2, momentum=0.9, **arguments)

        self._assert_as_alone(compiled(methods.Independent, optimizer=make()), make)
        optimizers = {"a": make(), "z": make()}
        self._assert_as_alone(compiled(methods.Independent, optimizer=optimizers), make)


if __name__ == "__main__":
    tf.test.main()
