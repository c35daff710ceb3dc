"""Tests of kdcl_tf.training.optimizers."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.classification.settings import Settings
from kdcl_tf.training import schedules
from kdcl_tf.training.optimizers import CoupledSGD

_START = np.array([1.0, -2.0, 0.5], np.float32)
_GRADIENTS = np.array(
    [[0.3, -0.1, 0.0], [-0.2, 0.4, 1.0], [0.0, 0.0, 0.0], [0.5, 0.5, -0.5]], np.float32
)


def _by_formula(rates, momentum, decay, nesterov=False):
    """PyTorch's SGD in float64; its buffer starts with the first gradient, as m * 0 + g."""
    weight, velocity = _START.astype(np.float64), 0.0
    for gradient, rate in zip(_GRADIENTS, rates):
        gradient = gradient + decay * weight
        velocity = momentum * velocity + gradient
        weight = weight - rate * (gradient + momentum * velocity if nesterov else velocity)
    return weight


def _trained(optimizer, dtype="float32"):
    variable = keras.Variable(_START, dtype=dtype, name="weight")
    optimizer.build([variable])
    for gradient in _GRADIENTS:
        optimizer.apply_gradients([(tf.constant(gradient), variable)])
    return variable.numpy()


class CoupledSGDTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((0.0, 0.0), (0.9, 0.0), (0.0, 0.1), (0.9, 0.1), (0.5, 5e-4))
    def test_equals_the_formula_over_several_steps(self, momentum, decay):
        trained = _trained(CoupledSGD(0.1, momentum=momentum, coupled_weight_decay=decay))
        self.assertAllClose(trained, _by_formula([0.1] * 4, momentum, decay), rtol=1e-6)

    def test_nesterov_is_off_unless_asked_for(self):
        plain = CoupledSGD(0.1, momentum=0.9, coupled_weight_decay=0.1)
        self.assertFalse(plain.nesterov)
        asked = CoupledSGD(0.1, momentum=0.9, coupled_weight_decay=0.1, nesterov=True)
        wanted = _by_formula([0.1] * 4, 0.9, 0.1, nesterov=True)
        self.assertAllClose(_trained(asked), wanted, rtol=1e-6)
        self.assertNotAllClose(_trained(plain), wanted)

    def test_a_drop_of_the_rate_scales_the_old_velocity_too(self):
        """As in PyTorch: with the rate inside the velocity, the old rate would linger."""
        settings = Settings(epochs=4, learning_rate=0.1, milestones=(2,))
        optimizer = CoupledSGD(
            schedules.create(settings, 1), momentum=0.9, coupled_weight_decay=0.1
        )
        wanted = _by_formula([0.1, 0.1, 0.01, 0.01], 0.9, 0.1)
        self.assertAllClose(_trained(optimizer), wanted, rtol=1e-6)

    def test_decay_is_not_that_of_keras(self):
        """Keras's is decoupled: it never enters the momentum."""
        ours = _trained(CoupledSGD(0.1, momentum=0.9, coupled_weight_decay=0.1))
        theirs = _trained(keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1))
        self.assertGreater(np.abs(ours - theirs).max(), 0.02)

    def test_without_decay_a_step_without_momentum_is_that_of_keras(self):
        self.assertAllEqual(_trained(CoupledSGD(0.1)), _trained(keras.optimizers.SGD(0.1)))

    def test_every_variable_of_a_model_decays_batch_norm_too(self):
        model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
        optimizer = CoupledSGD(1.0, coupled_weight_decay=0.25)
        optimizer.build(model.trainable_variables)
        zeros = [tf.zeros(variable.shape) for variable in model.trainable_variables]
        optimizer.apply_gradients(zip(zeros, model.trainable_variables))
        self.assertAllClose(model.layers[-1].gamma.numpy(), [0.75] * 4)

    def test_bfloat16_variables_stay_bfloat16(self):
        trained = _trained(CoupledSGD(0.1, momentum=0.9, coupled_weight_decay=0.1), "bfloat16")
        wanted = _by_formula([0.1] * 4, 0.9, 0.1)
        self.assertAllClose(trained.astype(np.float32), wanted, atol=0.03)

    def test_under_a_strategy_decay_counts_once(self):
        devices = [device.name for device in tf.config.list_logical_devices("CPU")]
        strategy = tf.distribute.MirroredStrategy(
            devices, cross_device_ops=tf.distribute.ReductionToOneDevice()
        )
        with strategy.scope():
            variable = keras.Variable(_START, name="weight")
            optimizer = CoupledSGD(0.1, momentum=0.9, coupled_weight_decay=0.1)
            optimizer.build([variable])

        @tf.function
        def step(gradient):
            def replica(gradient):
                optimizer.apply_gradients([(gradient / len(devices), variable)])

            strategy.run(replica, args=(gradient,))

        for gradient in _GRADIENTS:
            step(tf.constant(gradient))
        self.assertAllClose(variable.numpy(), _by_formula([0.1] * 4, 0.9, 0.1), rtol=1e-6)

    def test_serialization(self):
        optimizer = CoupledSGD(0.2, momentum=0.8, coupled_weight_decay=0.01, nesterov=True)
        config = keras.saving.serialize_keras_object(optimizer)
        again = keras.saving.deserialize_keras_object(config)
        self.assertIsInstance(again, CoupledSGD)
        self.assertEqual(again.get_config(), optimizer.get_config())
        self.assertAllEqual(_trained(again), _trained(optimizer))

    def test_negative_decay_is_refused(self):
        with self.assertRaisesRegex(ValueError, "expected coupled_weight_decay >= 0; got -0.1"):
            CoupledSGD(coupled_weight_decay=-0.1)


if __name__ == "__main__":
    tf.test.main()
