"""Tests of kdcl_tf.methods.kdcl: its steps, by hand, and the weights of General."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.methods import KDCL
from kdcl_tf.objectives import ensembles, targets

_RATE, _MOMENTUM = 0.2, 0.9


def _student(units, seed, classes=4):
    def initializer(offset):
        return keras.initializers.GlorotUniform(seed=10 * seed + offset)

    return keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(units, activation="tanh", kernel_initializer=initializer(1)),
            keras.layers.Dense(classes, kernel_initializer=initializer(2)),
        ]
    )


def _students(count=2):
    return {name: _student(4 + i, i) for i, name in enumerate("zay"[:count])}


def _data(examples=12, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=[examples, 5]).astype(np.float32)
    return images, rng.integers(classes, size=examples)


def _naive_target(logits, labels, temperature):
    losses = tf.stack(
        [tf.nn.sparse_softmax_cross_entropy_with_logits(labels, each) for each in logits]
    )
    first = (losses[0] <= losses[1])[:, tf.newaxis]
    return tf.nn.softmax(tf.where(first, logits[0], logits[1]) / temperature)


def _min_logit_target(logits, labels, temperature):
    shifted = [
        each - tf.gather(each, labels, axis=1, batch_dims=1)[:, tf.newaxis] for each in logits
    ]
    return tf.nn.softmax(tf.minimum(*shifted) / temperature)


def _general_target(logits, labels, temperature):
    return 0.5 * sum(tf.nn.softmax(each / temperature) for each in logits)


def _linear_target(logits, labels, temperature):
    return targets.linear(tf.stack(logits), labels, temperature)


_TARGETS = {
    "naive": _naive_target,
    "linear": _linear_target,
    "min_logit": _min_logit_target,
    "general": _general_target,
}


def _steps_by_hand(students, batches, target, temperature, weight):
    """Eq. 2 and SGD with momentum, in plain TensorFlow, on variables of its own."""
    models = [keras.models.clone_model(each) for each in students.values()]
    for model, student in zip(models, students.values()):
        model.set_weights(student.get_weights())
    variables = [each for model in models for each in model.trainable_variables]
    velocities = [np.zeros(each.shape, np.float32) for each in variables]
    for images, labels in batches:
        with tf.GradientTape() as tape:
            logits = [model(images) for model in models]
            soft = tf.stop_gradient(target(logits, labels, temperature))
            loss = 0.0
            for each in logits:
                hard = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, each)
                divergence = keras.losses.kl_divergence(soft, tf.nn.softmax(each / temperature))
                loss += tf.reduce_mean(hard + weight * temperature**2 * divergence)
        for i, gradient in enumerate(tape.gradient(loss, variables)):
            velocities[i] = _MOMENTUM * velocities[i] - _RATE * gradient
            variables[i].assign_add(velocities[i])
    return [model.get_weights() for model in models]


class StepTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(ensemble=sorted(_TARGETS), weight=(1.0, 0.3))
    def test_two_steps_equal_those_by_hand(self, ensemble, weight):
        students = _students()
        batches = [_data(seed=1), _data(7, seed=2)]
        expected = _steps_by_hand(students, batches, _TARGETS[ensemble], 3.0, weight)
        cohort = KDCL(students, ensemble, temperature=3.0, distillation_weight=weight)
        cohort.compile(keras.optimizers.SGD(_RATE, momentum=_MOMENTUM), run_eagerly=True)
        for images, labels in batches:
            cohort.train_on_batch(images, labels)
        for student, weights in zip(cohort.students.values(), expected):
            for found, wanted in zip(student.get_weights(), weights):
                self.assertAllClose(found, wanted, atol=2e-6)

    @parameterized.parameters("naive", "linear", "min_logit", "general")
    def test_one_student_learns_from_the_labels_alone(self, ensemble):
        images, labels = _data()
        plain = _student(4, 0)
        plain.compile(
            keras.optimizers.SGD(_RATE, momentum=_MOMENTUM),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        cohort = KDCL({"only": _student(4, 0)}, ensemble, distillation_weight=5.0)
        cohort.compile(keras.optimizers.SGD(_RATE, momentum=_MOMENTUM))
        for model in (plain, cohort):
            model.fit(images, labels, batch_size=5, epochs=2, shuffle=False, verbose=0)
        for found, expected in zip(cohort.get_weights(), plain.get_weights()):
            self.assertAllClose(found, expected, atol=1e-6)

    def test_xla_and_the_graph_agree(self):
        images, labels = _data()
        weights = []
        for compiled in (False, True):
            cohort = KDCL(_students())
            cohort.compile(keras.optimizers.SGD(_RATE), jit_compile=compiled)
            cohort.fit(images, labels, batch_size=12, epochs=2, verbose=0)
            weights.append(cohort.get_weights())
        for found, expected in zip(*weights):
            self.assertAllClose(found, expected, atol=1e-4)

    def test_a_students_update_has_no_part_through_the_others(self):
        cohort = KDCL(_students(), "min_logit")
        images, labels = _data()
        cohort.compile("sgd")
        with tf.GradientTape(persistent=True) as tape:
            logits = cohort.forward(cohort.views(images), training=True)
            first, second = tf.unstack(cohort.distillation_losses(logits, labels, None))
        for loss, other in ((first, "a"), (second, "z")):
            for variable in cohort.students[other].trainable_variables:
                gradient = tape.gradient(loss, variable)
                self.assertAllEqual(tf.zeros([]) if gradient is None else gradient, 0.0 * variable)

    def test_an_ensemble_of_ones_own(self):
        class Uniform(ensembles.Ensemble):
            def soft_target(self, logits, labels, temperature):
                return tf.fill(tf.shape(logits)[1:], 0.25)

        cohort = KDCL(_students(), Uniform(), temperature=1.0)
        logits = tf.math.log(tf.constant([[[0.25, 0.25, 0.25, 0.25]], [[0.7, 0.1, 0.1, 0.1]]]))
        found = cohort.distillation_losses(logits, [0], None)
        expected = 0.25 * np.log(0.25 / np.array([0.7, 0.1, 0.1, 0.1])).sum()
        self.assertAllClose(found, [[0.0], [expected]], atol=1e-6)


class RenewTest(tf.test.TestCase, parameterized.TestCase):
    def _matrix(self, cohort, images, labels, error):
        """C of Eq. 10 from each student's own predictions, in float64."""
        logits = [each.predict(images, verbose=0) for each in cohort.students.values()]
        logits = np.stack(logits).astype(np.float64)
        probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        errors = probabilities - np.eye(4)[labels]
        if error == "target":
            errors = errors[:, np.arange(len(labels)), labels]
        flat = errors.reshape(len(errors), -1)
        return flat @ flat.T / len(labels)

    @parameterized.product(error=("vector", "target"), ridge=(0.0, 0.7))
    def test_it_is_equation_11_of_the_students_predictions(self, error, ridge):
        cohort = KDCL(_students(3), ensembles.General(error=error, constraint="none", ridge=ridge))
        images, labels = _data(40)
        matrix = self._matrix(cohort, images, labels, error)
        matrix += ridge * np.trace(matrix) / 3 * np.eye(3)
        inverse = np.linalg.inv(matrix).sum(1)
        batches = [(images[:25], labels[:25]), (images[25:], labels[25:])]
        found = cohort.renew_ensemble(batches)
        self.assertEqual(list(found), ["z", "a", "y"])
        self.assertAllClose(list(found.values()), inverse / inverse.sum(), rtol=1e-3, atol=1e-4)
        self.assertAllClose(cohort.ensemble.student_weights, list(found.values()))

    def test_the_simplex_bounds_the_weights(self):
        cohort = KDCL(_students(3), ensembles.General(error="target"))
        images, labels = _data(40)
        found = np.array(list(cohort.renew_ensemble([(images, labels)]).values()))
        matrix = self._matrix(cohort, images, labels, "target")
        gradient = matrix @ found
        self.assertAllClose(found.sum(), 1.0)
        self.assertAllGreaterEqual(found, 0.0)
        self.assertAllGreaterEqual(gradient, found @ gradient - 1e-6)

    def test_batches_count_by_their_size_and_each_student_sees_its_view(self):
        cohort = KDCL(_students(), ensembles.General(constraint="none"))
        images, labels = _data(20)
        views = {"a": 2.0 * images, "z": images}
        whole = cohort.renew_ensemble([(views, labels)])
        uneven = tf.data.Dataset.from_tensor_slices((views, labels)).batch(19)
        self.assertAllClose(list(cohort.renew_ensemble(uneven).values()), list(whole.values()))
        shared = cohort.renew_ensemble([(images, labels)])
        self.assertNotAllClose(list(shared.values()), list(whole.values()))

    def test_it_changes_no_student(self):
        normalization = keras.Sequential(
            [keras.Input((5,)), keras.layers.BatchNormalization(), keras.layers.Dense(4)]
        )
        cohort = KDCL({"a": normalization, "b": _student(4, 0)}, "general")
        before = [each.get_weights() for each in cohort.students.values()]
        cohort.renew_ensemble([_data(20)])
        for student, weights in zip(cohort.students.values(), before):
            for found, expected in zip(student.get_weights(), weights):
                self.assertAllEqual(found, expected)

    def test_no_images_and_no_weights(self):
        with self.assertRaisesRegex(ValueError, "expected held-out images to fit .*; got none"):
            KDCL(_students(), "general").renew_ensemble([])
        with self.assertRaisesRegex(ValueError, "expected a General ensemble; got Linear"):
            KDCL(_students(), "linear").renew_ensemble([_data()])
        with self.assertRaisesRegex(ValueError, r"expected \(images, labels\); got no labels"):
            KDCL(_students(), "general").renew_ensemble([_data()[0]])

    @parameterized.parameters("vector", "target")
    def test_labels_that_are_no_classes_are_refused(self, error):
        cohort = KDCL(_students(), ensembles.General(error=error))
        images, labels = _data()
        for shift, got in ((4, "[4-7]"), (-4, "-[1-4]")):
            with self.assertRaisesRegex(ValueError, f"whole numbers from 0 to 3; got {got}"):
                cohort.renew_ensemble([(images, labels + shift)])
        self.assertAllClose(cohort.ensemble.student_weights, [0.5, 0.5])


class SettingsTest(tf.test.TestCase):
    def test_the_defaults_are_the_papers(self):
        cohort = KDCL(_students())
        self.assertIsInstance(cohort.ensemble, ensembles.MinLogit)
        self.assertEqual((cohort.temperature, cohort.distillation_weight), (2.0, 1.0))

    def test_the_ensemble_is_saved_with_its_settings(self):
        general = ensembles.General(error="target", constraint="none", ridge=0.5)
        copy = KDCL.from_config(KDCL(_students(), general, temperature=5.0).get_config())
        self.assertEqual(copy.ensemble.get_config(), general.get_config())
        self.assertEqual(copy.temperature, 5.0)

    def test_settings_of_an_ensemble_that_its_configuration_lacks_are_not_lost(self):
        class Sharpened(ensembles.General):
            def __init__(self, gamma=1.0, **kwargs):
                super().__init__(**kwargs)
                self.gamma = gamma

        class Scaled(ensembles.Ensemble):
            """Keras itself remembers the arguments of a layer without a `get_config`."""

            def __init__(self, alpha=1.0, **kwargs):
                super().__init__(**kwargs)
                self.alpha = alpha

        cohort = KDCL(_students(), Sharpened(gamma=3.0))
        with self.assertRaisesRegex(
            ValueError, r"expected Sharpened.get_config .*got no gamma: return .*\"gamma\": ...}$"
        ):
            keras.models.clone_model(cohort)
        with keras.saving.custom_object_scope({"Scaled": Scaled}):
            copy = keras.models.clone_model(KDCL(_students(), Scaled(alpha=3.0)))
        self.assertEqual(copy.ensemble.alpha, 3.0)

    def test_an_unknown_ensemble_and_one_that_belongs_to_others(self):
        with self.assertRaisesRegex(
            ValueError, "unknown ensemble: expected one of naive.*; got 'best'"
        ):
            KDCL(_students(), "best")
        general = ensembles.General()
        KDCL(_students(3), general)
        with self.assertRaisesRegex(
            ValueError, "to 3 students, .* cohort of 2 would .*: give each"
        ):
            KDCL(_students(2), general)
        self.assertLen(general.student_names, 3)
        general.renew(np.diag([1.0, 1.0, 2.0]))
        with self.assertRaisesRegex(ValueError, "already belongs to 3 students"):
            KDCL(_students(3), general)
        self.assertAllClose(general.student_weights, [0.4, 0.4, 0.2])

    def test_an_own_ensemble_belongs_to_one_cohort_if_it_has_weights(self):
        class Weighted(ensembles.Ensemble):
            def connect(self, num_students):
                self.own = self.add_weight(shape=(num_students,), trainable=False, name="own")

        weighted = Weighted()
        own = KDCL(_students(3), weighted).ensemble.own
        with self.assertRaisesRegex(ValueError, "expected a Weighted ensemble .* to 3 students"):
            KDCL(_students(2), weighted)
        self.assertIs(weighted.own, own)
        without = ensembles.MinLogit()
        self.assertIs(KDCL(_students(3), without).ensemble, KDCL(_students(2), without).ensemble)


class MisshapedTargetTest(tf.test.TestCase):
    def test_a_target_that_is_not_of_each_image_is_refused(self):
        class Told(ensembles.Ensemble):
            def __init__(self, give):
                super().__init__()
                self.give = give

            def soft_target(self, logits, labels, temperature):
                return self.give(tf.nn.softmax(logits))

        for give, told in (
            (lambda soft: soft, r"shape \(2, .*, 4\)"),
            (lambda soft: tf.reduce_mean(soft, axis=[0, 1]), r"shape \(4,\)"),
            (lambda soft: tf.reduce_mean(soft[0], axis=0, keepdims=True), r"shape \(1, 4\)"),
            (lambda soft: tf.reduce_max(soft[0], axis=1, keepdims=True), r"shape \(.*, 1\)"),
            (lambda soft: None, "None"),
        ):
            for eagerly in (True, False):
                cohort = KDCL(_students(), Told(give))
                cohort.compile("sgd", run_eagerly=eagerly)
                with self.assertRaisesRegex(
                    ValueError, rf"Told.soft_target: expected .*\[B, C\], a .*; got {told}"
                ):
                    cohort.fit(*_data(), batch_size=5, verbose=0)


class TrainableEnsembleTest(tf.test.TestCase):
    def test_an_ensemble_with_weights_to_train_is_refused(self):
        class Learned(ensembles.Ensemble):
            def connect(self, num_students):
                self.mix = self.add_weight(shape=(num_students,), name="mix")

        with self.assertRaisesRegex(
            ValueError, "without trainable weights; got .*mix: no gradient"
        ):
            KDCL(_students(), Learned())

    def test_weights_that_are_made_in_a_step_are_refused_in_it(self):
        class Late(ensembles.Ensemble):
            def __init__(self, trainable):
                super().__init__()
                self.mix = keras.layers.Dense(4, trainable=trainable)

            def soft_target(self, logits, labels, temperature):
                return tf.nn.softmax(self.mix(tf.reduce_mean(logits, axis=0)) / temperature)

        clipped = keras.optimizers.SGD(0.1, global_clipnorm=1.0)
        for optimizer, eagerly in (("sgd", True), (clipped, False)):
            cohort = KDCL(_students(), Late(trainable=True))
            cohort.compile(optimizer, run_eagerly=eagerly)
            with self.assertRaisesRegex(ValueError, "without trainable weights; got .*kernel"):
                cohort.train_on_batch(*_data())
        frozen = KDCL(_students(), Late(trainable=False))
        frozen.compile("sgd", run_eagerly=True)
        frozen.train_on_batch(*_data())


if __name__ == "__main__":
    tf.test.main()
