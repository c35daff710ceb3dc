"""Tests of kdcl_tf.training.optimizers."""

import inspect
import subprocess
import sys

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.classification.settings import Settings
from kdcl_tf.training import optimizers, schedules
from kdcl_tf.training.optimizers import CoupledSGD
from kdcl_tf.training.settings import OPTIMIZERS

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
    def test_it_is_found_by_its_name_in_the_package(self):
        program = "import kdcl_tf; print(kdcl_tf.training.optimizers.CoupledSGD.__name__)"
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        self.assertEqual(done.stdout, "CoupledSGD\n")

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

    def test_what_is_excluded_from_weight_decay_does_not_decay(self):
        optimizer = CoupledSGD(0.1, momentum=0.9, coupled_weight_decay=0.1)
        optimizer.exclude_from_weight_decay(var_names=["weight"])
        self.assertAllClose(_trained(optimizer), _by_formula([0.1] * 4, 0.9, 0.0), rtol=1e-6)
        optimizer = CoupledSGD(0.1, momentum=0.9, coupled_weight_decay=0.1)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        self.assertAllClose(_trained(optimizer), _by_formula([0.1] * 4, 0.9, 0.1), rtol=1e-6)

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


# Keras's classes, and an argument of each that the flag sets.
_OTHERS = {
    "adam": (keras.optimizers.Adam, {"amsgrad": True}),
    "adamw": (keras.optimizers.AdamW, {"beta_2": 0.95}),
    "adamax": (keras.optimizers.Adamax, {"beta_1": 0.8}),
    "nadam": (keras.optimizers.Nadam, {"epsilon": 1e-3}),
    "rmsprop": (keras.optimizers.RMSprop, {"momentum": 0.5}),
    "adagrad": (keras.optimizers.Adagrad, {"initial_accumulator_value": 0.5}),
    "adadelta": (keras.optimizers.Adadelta, {"rho": 0.5}),
    "adafactor": (keras.optimizers.Adafactor, {"clip_threshold": 0.1}),
    "ftrl": (keras.optimizers.Ftrl, {"l2_regularization_strength": 0.1}),
    "lion": (keras.optimizers.Lion, {"beta_2": 0.5}),
    "lamb": (keras.optimizers.Lamb, {"clipnorm": 0.1}),
}


class CreateTest(tf.test.TestCase, parameterized.TestCase):
    def _created(self, **fields):
        settings = Settings(
            epochs=1, schedule="constant", learning_rate=0.1, milestones=(), **fields
        )
        return optimizers.create(settings, schedules.create(settings, 4))

    def test_every_name_is_here(self):
        self.assertEqual({"sgd", *_OTHERS}, set(OPTIMIZERS))

    @parameterized.parameters(*_OTHERS)
    def test_it_is_keras_optimizer_with_decoupled_decay(self, name):
        kind, arguments = _OTHERS[name]
        text = ",".join(f"{key}={value}" for key, value in arguments.items())
        created = self._created(optimizer=name, optimizer_arguments=text, weight_decay=0.01)
        self.assertIs(type(created), kind)
        found = _trained(created)
        self.assertAllEqual(found, _trained(kind(0.1, weight_decay=0.01, **arguments)))
        for other in (kind(0.1, weight_decay=0.01), kind(0.1, **arguments)):
            self.assertNotAllClose(found, _trained(other), rtol=1e-7, atol=1e-7)
        without = self._created(optimizer=name, optimizer_arguments=text, weight_decay=0.0)
        self.assertAllEqual(_trained(without), _trained(kind(0.1, weight_decay=0.0, **arguments)))

    @parameterized.parameters(*_OTHERS)
    def test_arguments_are_those_of_keras(self, name):
        known = inspect.signature(_OTHERS[name][0]).parameters
        self.assertLessEqual(set(OPTIMIZERS[name]), set(known))
        elsewhere = {"learning_rate", "weight_decay", "name", "kwargs", "clipnorm", "clipvalue"}
        elsewhere |= {"global_clipnorm", "loss_scale_factor", "gradient_accumulation_steps"}
        missing = {each for each in known if not each.startswith(("use_ema", "ema_"))} - elsewhere
        self.assertEqual(missing, set(OPTIMIZERS[name]))

    def test_sgd_is_the_papers(self):
        created = self._created(optimizer_arguments="nesterov=true,clipvalue=0.3")
        self.assertIs(type(created), CoupledSGD)
        expected = CoupledSGD(
            0.1, momentum=0.9, coupled_weight_decay=5e-4, nesterov=True, clipvalue=0.3
        )
        self.assertAllEqual(_trained(created), _trained(expected))

    def test_one_text_for_one_meaning(self):
        settings = Settings(optimizer="adamw", optimizer_arguments=" beta_2=0.950, amsgrad=True")
        self.assertEqual(settings.optimizer_arguments, "beta_2=0.95,amsgrad=true")
        turned = Settings(optimizer="adamw", optimizer_arguments="amsgrad=true,beta_2=0.95")
        self.assertEqual(turned, settings)

    @parameterized.parameters(
        ("adamw", "momentum=0.9", "of --optimizer=adamw, .*: beta_1, .*; got momentum=0.9"),
        ("sgd", "beta_1=0.9", "of --optimizer=sgd, NAME=VALUE, each once: nesterov, clipnorm"),
        ("lion", "beta_1=0.9,beta_1=0.8", "got beta_1=0.8"),
        ("lion", "beta_1", "beta_1= a number, true or false; got nothing"),
        ("lion", "beta_1=nan", "got nan"),
        ("adam", "epsilon=1e-50", "epsilon= a number that float32 has: 0, or from .*; got 1e-50"),
        ("sgd", "clipnorm=1e39", "clipnorm= a number that float32 has: .* to 3.4e38; got 1e39"),
        ("rmsprop", "use_ema=true", "got use_ema=true"),
        ("SGD", "", "expected --optimizer of sgd, adam, .*; got SGD"),
    )
    def test_it_is_refused(self, name, arguments, message):
        with self.assertRaisesRegex(ValueError, message):
            Settings(optimizer=name, optimizer_arguments=arguments)


if __name__ == "__main__":
    tf.test.main()
