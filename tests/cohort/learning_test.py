"""Tests of kdcl_tf.cohort.learning: a method of one's own, written with public hooks alone."""

import pathlib

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

import kdcl_tf
from tests.small_cohort import (
    CohortTestCase,
    compiled,
    compiled_graph,
    fit,
    make_data,
    make_student,
    make_students,
)

_RATE = 0.2


@keras.saving.register_keras_serializable(package="learning_test")
class Tutored(kdcl_tf.Cohort):
    """Students that imitate a tutor, which trains along with them and learns from the labels."""

    def __init__(self, students, tutor, **kwargs):
        super().__init__(students, **kwargs)
        self.tutor = tutor

    def forward(self, views, training=False):
        tutor = self.tutor(next(iter(views.values())), training=training)
        return tf.concat([super().forward(views, training), tutor[tf.newaxis]], axis=0)

    def networks(self):
        return [*super().networks(), self.tutor]

    def distillation_losses(self, logits, labels, views):
        *students, tutor = tf.unstack(logits)
        soft = tf.nn.softmax(tutor / self.temperature)
        return tf.stack(
            [kdcl_tf.losses.distillation(soft, each, self.temperature) for each in students]
        )

    def average(self, logits):
        return tf.nn.softmax(logits[-1])

    def get_config(self):
        return {**super().get_config(), "tutor": keras.saving.serialize_keras_object(self.tutor)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        tutor = keras.saving.deserialize_keras_object(config["tutor"], custom_objects)
        return super().from_config({**config, "tutor": tutor}, custom_objects)


class Slowed(kdcl_tf.Independent):
    """Takes a quarter of each gradient."""

    def transform_gradients(self, gradients, variables):
        return [gradient / 4.0 for gradient in gradients]


class Counting(kdcl_tf.Independent):
    """Has a metric of its own, in Keras's manner."""

    def __init__(self, students, **kwargs):
        super().__init__(students, **kwargs)
        self.seen = keras.metrics.Sum(name="seen")

    def train_step(self, data):
        self.seen.update_state(tf.shape(data[1])[0])
        return super().train_step(data)


def _tutor():
    return make_student(9, regularizer=keras.regularizers.L2(0.1))


def _tutored(**kwargs):
    settings = {"tutor": _tutor(), "temperature": 2.0, "distillation_weight": 0.5}
    return compiled(Tutored, settings=settings, optimizer=keras.optimizers.SGD(_RATE), **kwargs)


def _cross_entropy(labels, logits):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


def _losses_by_hand(students, tutor, images, labels):
    """The tutored cohort's loss and that of its tutor, in plain TensorFlow."""
    taught = tutor(images)
    target = tf.stop_gradient(tf.nn.softmax(taught / 2.0))
    own = _cross_entropy(labels, taught)
    loss = own + 0.1 * tf.reduce_sum(tutor.layers[-1].kernel ** 2)
    for student in students.values():
        logits = student(images)
        imitated = keras.losses.kl_divergence(target, tf.nn.softmax(logits / 2.0))
        loss += _cross_entropy(labels, logits) + 0.5 * 4.0 * tf.reduce_mean(imitated)
    return loss, own


class MetricTest(CohortTestCase):
    def test_a_metric_of_a_subclass_is_reported_and_begins_anew_each_epoch(self):
        history = fit(compiled(Counting), epochs=3)
        self.assertEqual(history["seen"], [14.0, 14.0, 14.0])
        expected = fit(compiled(kdcl_tf.Independent), epochs=3)
        self.assertAllClose({name: history[name] for name in expected}, expected)
        self.assertEqual(set(history), {*expected, "seen"})


class CompanionTest(CohortTestCase):
    def test_a_step_equals_plain_tensorflow(self):
        cohort, images, labels = _tutored(), *make_data()
        students, tutor = make_students(), _tutor()
        variables = [
            *(each for student in students.values() for each in student.trainable_variables),
            *tutor.trainable_variables,
        ]
        with tf.GradientTape() as tape:
            loss, own = _losses_by_hand(students, tutor, images, labels)
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(_RATE * gradient)
        history = fit(cohort, images, labels, batch_size=14, epochs=1)
        for name, student in students.items():
            self.assert_same_weights(cohort.students[name], student)
        self.assert_same_weights(cohort.tutor, tutor)
        # The cohort's loss has the tutor's in it, and no student's has.
        self.assertAllClose(history["loss"], [loss], atol=1e-5)
        self.assertGreater(own, 0.1)
        names = [metric.name for metric in cohort.metrics]
        self.assertEqual(names, [metric.name for metric in compiled().metrics])

    def test_parts_add_up_to_the_batch(self):
        whole, parts = _tutored(), _tutored(accumulation_steps=3)
        self.assertAllClose(fit(parts), fit(whole), atol=1e-6)
        self.assert_same_weights(parts, whole)

    def test_the_ensemble_is_what_the_method_says_and_predictions_are_the_students(self):
        cohort, images, labels = _tutored(), *make_data()
        found = cohort.evaluate(images, labels, batch_size=14, verbose=0, return_dict=True)
        hits = np.argmax(cohort.tutor(images), axis=-1) == labels
        self.assertAllClose(found["ensemble_accuracy"], hits.mean())
        self.assertEqual(list(cohort.predict(images, verbose=0)), ["z", "a"])

    def test_optimizers_of_each_student_would_not_train_a_companion_without_variables(self):
        """Its loss is one of the students' variables, too, and would be left out."""

        class Meeting(kdcl_tf.MutualLearning):
            def forward(self, views, training=False):
                logits = super().forward(views, training)
                return tf.concat([logits, tf.reduce_mean(logits, 0, keepdims=True)], axis=0)

            def distillation_losses(self, logits, labels, views):
                return super().distillation_losses(logits[:-1], labels, views)

        clipped = keras.optimizers.SGD(_RATE, global_clipnorm=1e9)
        for optimizer in (clipped, {"z": "sgd", "a": "adam"}):
            cohort = compiled(Meeting, optimizer=optimizer)
            with self.assertRaisesRegex(
                ValueError,
                "^Meeting.forward appends .*: expected one optimizer for all, without gl",
            ):
                cohort.train_step(make_data())
        fit(compiled(Meeting, optimizer="sgd"))

    def test_it_is_saved_with_the_cohort(self):
        cohort = _tutored()
        fit(cohort)
        path = pathlib.Path(self.get_temp_dir()) / "cohort.keras"
        cohort.save(path)
        loaded = keras.saving.load_model(path)
        self.assert_same_weights(loaded, cohort, atol=0.0)
        self.assert_same_weights(loaded.tutor, cohort.tutor, atol=0.0)
        self.assertAllClose(fit(loaded), fit(cohort), atol=1e-6)

    def test_an_optimizer_for_each_student_would_not_train_it(self):
        cohort = Tutored(make_students(), _tutor())
        with self.assertRaisesRegex(ValueError, "belongs to no student: expected one optimizer"):
            cohort.compile({"z": "sgd", "a": "sgd"})

    def test_variables_that_a_step_makes_would_not_be_trained_by_them(self):
        class Late(kdcl_tf.Independent):
            def __init__(self, students):
                super().__init__(students)
                self.scale = keras.layers.Dense(1)

            def distillation_losses(self, logits, labels, views):
                return tf.squeeze(self.scale(logits), axis=-1)

        cohort = compiled(Late, optimizer={"z": "sgd", "a": "sgd"})
        with self.assertRaisesRegex(ValueError, "kernel belongs to no student: expected one opt"):
            cohort.train_step(make_data())

    @parameterized.parameters(True, False)
    def test_layers_that_are_built_in_a_step_are_refused(self, run_eagerly):
        class Scaling(kdcl_tf.Independent):
            def __init__(self, students, built):
                super().__init__(students)
                self.scale = keras.layers.Dense(1)
                if built:
                    self.scale.build((None, 6))

            def distillation_losses(self, logits, labels, views):
                return tf.squeeze(self.scale(logits), -1)

        kwargs = {"settings": {"built": False}, "run_eagerly": run_eagerly}
        with self.assertRaisesRegex(ValueError, "not built for .*kernel: .* compile again"):
            fit(compiled(Scaling, **kwargs))
        cohort = compiled(Scaling, settings={"built": True})
        before = cohort.scale.get_weights()[0]
        fit(cohort)
        self.assertNotAllClose(cohort.scale.get_weights()[0], before)

    @parameterized.parameters(False, True)
    def test_what_was_frozen_at_compile_is_not_trained_before_another(self, per_student):
        def make():
            return dict.fromkeys("za", "sgd") if per_student else "sgd"

        students = make_students()
        students["z"].layers[0].trainable = False
        cohort = compiled(students=students, optimizer=make())
        students["z"].layers[0].trainable = True
        with self.assertRaisesRegex(ValueError, "not built for .*kernel: .* compile again"):
            fit(cohort)
        cohort.evaluate(*make_data(), verbose=0)
        with self.assertRaisesRegex(ValueError, "not built for .*kernel: .* compile again"):
            cohort.compile(cohort.optimizer)
        cohort.compile(make(), run_eagerly=True)
        fit(cohort)

    def test_a_students_layer_for_training_alone(self):
        class Auxiliary(keras.Model):
            def __init__(self):
                super().__init__()
                self.logits, self.auxiliary = keras.layers.Dense(6), keras.layers.Dense(4)

            def call(self, inputs, training=False):
                if training:
                    self.add_loss(tf.reduce_mean(self.auxiliary(inputs) ** 2))
                return self.logits(inputs)

        student = Auxiliary()
        student(make_data()[0])
        with self.assertRaisesRegex(ValueError, "not built for .*kernel"):
            fit(compiled(students={"z": student}))
        student(make_data()[0], training=True)
        fit(compiled(students={"z": student}))

    def test_devices_of_their_own_are_refused(self):
        cohort = Tutored(make_students(), _tutor())
        with self.assertRaisesRegex(ValueError, "got Tutored, which overrides forward"):
            cohort.compile("sgd", devices=dict.fromkeys("za", "CPU:0"))


class ByClassTest(CohortTestCase):
    def test_images_and_hits_are_counted_by_class_and_in_the_metrics(self):
        images, labels = make_data()
        cohort, plain = compiled(), compiled()
        counts = cohort.test_by_class((images, labels)).numpy()
        plain.test_step((images, labels))
        for found, expected in zip(cohort.metrics, plain.metrics):
            self.assertAllEqual(found.result(), expected.result())
        self.assertAllEqual(counts[0], np.bincount(labels, minlength=6))
        for row, student in zip(counts[1:], cohort.students.values()):
            hits = np.argmax(student(images), axis=-1) == labels
            self.assertAllEqual(row, np.bincount(labels[hits], minlength=6))
        uncompiled = kdcl_tf.KDCL(make_students())
        self.assertAllEqual(uncompiled.test_by_class((images, labels)), counts)

    def test_soft_labels_count_as_their_likeliest_class(self):
        images, labels = make_data()
        soft = np.eye(6, dtype=np.float32)[labels] * 0.9 + 0.1 / 6
        cohort = compiled()
        self.assertAllEqual(
            cohort.test_by_class((images, soft)), cohort.test_by_class((images, labels))
        )

    def test_companions_are_not_counted(self):
        self.assertEqual(_tutored().test_by_class(make_data()).shape, [3, 6])


class GradientTest(CohortTestCase):
    def test_a_quarter_of_the_gradient_is_a_quarter_of_the_rate(self):
        slowed = compiled(Slowed, optimizer=keras.optimizers.SGD(_RATE))
        expected = compiled(kdcl_tf.Independent, optimizer=keras.optimizers.SGD(_RATE / 4))
        fit(slowed)
        fit(expected)
        self.assert_same_weights(slowed, expected)


class Misshaped(kdcl_tf.Independent):
    """Gives what it is told to give."""

    def __init__(self, students, give, **kwargs):
        super().__init__(students, **kwargs)
        self.give = give

    def distillation_losses(self, logits, labels, views):
        return self.give(logits)


class ExtendingTest(CohortTestCase):
    def test_losses_of_another_shape_are_refused_with_what_came(self):
        for give, told in (
            (lambda logits: tf.reduce_mean(logits, axis=-1)[0], r"got shape \(5,\)"),
            (lambda logits: tf.reduce_mean(logits), r"got shape \(\)"),
            (lambda logits: logits, r"got shape \(2, 5, 6\)"),
            (lambda logits: tf.reduce_mean(logits, axis=-1)[:1], r"got shape \(1, 5\)"),
            (lambda logits: None, "got None"),
        ):
            cohort = compiled(Misshaped, settings={"give": give})
            message = rf"distillation_losses: expected a tensor \[M, B\].*2 students.*{told}"
            with self.assertRaisesRegex(ValueError, message):
                fit(cohort)

    def test_floats_of_any_size_are_cast_and_whole_numbers_refused(self):
        def give(dtype):
            return lambda logits: tf.cast(tf.reduce_sum(logits**2, axis=-1), dtype)

        expected = fit(compiled(Misshaped, settings={"give": give("float32")}))
        for dtype, tolerance in (("float64", 1e-6), ("bfloat16", 0.03)):
            found = fit(compiled(Misshaped, settings={"give": give(dtype)}))
            self.assertAllClose(found, expected, rtol=tolerance)
        with self.assertRaisesRegex(ValueError, r"expected floats \[M, B\]; got int32: cast"):
            fit(compiled(Misshaped, settings={"give": give("int32")}))

    @parameterized.parameters(
        (lambda logits: tf.transpose(tf.reduce_mean(logits, axis=-1)), r"\(None, 2\)"),
        (lambda logits: tf.reduce_mean(logits, axis=[1, 2])[:, tf.newaxis], r"\(2, 1\)"),
        (lambda logits: tf.reshape(logits, [-1]), r"\(None,\)"),
    )
    def test_a_graph_that_knows_no_size_of_a_batch_refuses_them_as_well(self, give, told):
        cohort = compiled_graph(Misshaped, settings={"give": give})
        with self.assertRaisesRegex(ValueError, f"expected a tensor .*got shape {told}"):
            fit(cohort)

    def test_a_graph_that_knows_no_number_of_students_counts_their_losses_once(self):
        def give(logits):
            sums = tf.reduce_sum(logits**2, axis=-1)
            return tf.reshape(sums, [-1, tf.shape(logits)[1]])

        def transposed(logits):
            return tf.reshape(logits[:, :, 0], [tf.shape(logits)[1], -1])

        expected = fit(compiled(Misshaped, settings={"give": give}))
        found = fit(compiled_graph(Misshaped, settings={"give": give}))
        self.assertAllClose(found, expected, atol=1e-6)
        entropies, distilled = (
            sum(found[f"{name}_{loss}"][0] for name in "za")
            for loss in ("cross_entropy", "distillation_loss")
        )
        self.assertAllClose(found["loss"][0], entropies + distilled)
        with self.assertRaises(tf.errors.InvalidArgumentError):
            fit(compiled_graph(Misshaped, settings={"give": transposed}))

    def test_a_loss_of_ones_own_is_refused_with_the_reason(self):
        message = "compile expected no loss, since students minimise cross-entropy.*got 'mse'"
        with self.assertRaisesRegex(ValueError, message):
            compiled(loss="mse")
        with self.assertRaisesRegex(ValueError, message):
            kdcl_tf.Independent(make_students()).compile("sgd", "mse")

    def test_students_with_several_inputs(self):
        def student():
            left, right = keras.Input((5,), name="left"), keras.Input((5,), name="right")
            logits = keras.layers.Dense(6)(keras.layers.Add()([left, right]))
            return keras.Model({"left": left, "right": right}, logits)

        images, labels = make_data()
        inputs = {"left": images, "right": 2 * images}
        shared, apart = (compiled(students={"z": student(), "a": student()}) for _ in range(2))
        apart.set_weights(shared.get_weights())
        found = fit(shared, inputs, labels)
        self.assertAllClose(found, fit(apart, {"z": inputs, "a": inputs}, labels))
        self.assertAllClose(shared.students["z"](inputs), shared.predict(inputs, verbose=0)["z"])

    def test_subclassed_students_with_several_inputs(self):
        class Both(keras.Model):
            def __init__(self):
                super().__init__()
                self.logits = keras.layers.Dense(6)

            def call(self, inputs, training=False):
                return self.logits(inputs["left"] + inputs["right"])

        images, labels = make_data()
        inputs = {"left": images, "right": 2 * images}
        students = {"z": Both(), "a": Both()}
        for student in students.values():
            student(inputs)
        shared = compiled(students=students)
        fit(shared, inputs, labels)
        self.assertAllClose(students["z"](inputs), shared.predict(inputs, verbose=0)["z"])


if __name__ == "__main__":
    tf.test.main()
