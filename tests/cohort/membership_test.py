"""Tests of kdcl_tf.cohort.membership: who is let in, and what the others are told."""

import unittest.mock

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import methods
from kdcl_tf.cohort import membership


class _Subclassed(keras.Model):
    def __init__(self, classes=3):
        super().__init__()
        self.normalization = keras.layers.BatchNormalization()
        self.logits = keras.layers.Dense(classes)
        # Last by attribute, but not what gives the logits.
        self.gate = keras.layers.Dense(5, activation="softmax")

    def call(self, inputs, training=False):
        return self.logits(inputs * self.gate(self.normalization(inputs, training=training)))


def _student(classes=3, activation=None):
    layers = [keras.Input((5,)), keras.layers.Dense(classes, activation=activation)]
    return keras.Sequential(layers)


def _built(model):
    model(np.zeros([2, 5], np.float32))
    return model


def _functional(head):
    images = keras.Input((5,))
    return keras.Model(images, head(images))


class _Ending(_Subclassed):
    """A subclassed model, of which nothing betrays what it does last."""

    def __init__(self, ending):
        super().__init__()
        self.ending = ending

    def call(self, inputs, training=False):
        return self.ending(super().call(inputs, training))


class _Attending(keras.layers.Layer):
    """A head that weighs rows of logits by a softmax, which it calls its activation."""

    def __init__(self, classes):
        super().__init__()
        self.activation = keras.activations.softmax
        self.weights_of_rows = keras.layers.Dense(4)
        self.rows = keras.layers.Dense(4 * classes)

    def call(self, inputs):
        weights = self.activation(self.weights_of_rows(inputs))[:, :, None]
        rows = keras.ops.reshape(self.rows(inputs), (-1, 4, self.rows.units // 4))
        return keras.ops.sum(weights * rows, axis=1)


class _Adding(keras.layers.Layer):
    def call(self, inputs):
        self.add_loss(keras.ops.mean(inputs**2))
        return inputs


class _OfTwo(keras.Model):
    """Takes two inputs in a dict, and gives logits as it is told."""

    def __init__(self, wrap=lambda logits: logits):
        super().__init__()
        self.logits, self.wrap = keras.layers.Dense(3), wrap

    def call(self, inputs, training=False):
        return self.wrap(self.logits(inputs["left"] - inputs["right"]))


def _built_of_two(**kwargs):
    model = _OfTwo(**kwargs)
    model({"left": np.zeros([2, 5], np.float32), "right": np.zeros([2, 5], np.float32)})
    return model


class _Own(keras.layers.Dense):
    """A dense layer whose `call` is not Keras's."""

    def call(self, inputs):
        return super().call(inputs)


class _Activated(keras.layers.Layer):
    """A head that ends in an activation, or in what is made of it."""

    def __init__(self, activation, finish=lambda x: x, **kwargs):
        super().__init__()
        self.activation, self.finish = activation, finish
        self.dense = keras.layers.Dense(3, **kwargs)

    def call(self, inputs):
        return self.finish(self.activation(self.dense(inputs)))


class _Softened(keras.layers.Dense):
    """A dense layer that gives probabilities, of which its activation says nothing."""

    def call(self, inputs, training=None):
        return keras.ops.softmax(super().call(inputs, training))


class _OfLayers(keras.Sequential):
    """A model of layers that does more than they do."""

    def call(self, inputs, training=None, mask=None):
        return keras.ops.softmax(super().call(inputs, training, mask))


class AcceptedTest(tf.test.TestCase, parameterized.TestCase):
    def test_sequential_functional_and_subclassed_students(self):
        membership.check_students(
            {
                "sequential": _student(),
                "functional": _functional(keras.layers.Dense(3)),
                "subclassed": _built(_Subclassed()),
                "late": _built(keras.Sequential([keras.layers.Dense(3)])),
                "nested": keras.Sequential([keras.Input((5,)), _student()]),
            }
        )

    def test_log_softmax_gives_logits(self):
        membership.check_students({"a": _student(activation="log_softmax")})

    @parameterized.parameters(keras.ops.log_softmax, keras.ops.tanh, keras.ops.relu)
    def test_logits_that_no_layer_tells_are_asked_for(self, ending):
        membership.check_students({"a": _built(_Ending(ending))})
        membership.check_students({"a": _functional(lambda x: ending(keras.layers.Dense(3)(x)))})

    def test_a_dict_of_inputs(self):
        model = _built_of_two()
        membership.check_students({"a": model, "b": _built_of_two()})
        self.assertEqual(membership.input_shape(model), {"left": (None, 5), "right": (None, 5)})
        self.assertEqual(membership.output_shape(model), (None, 3))
        self.assertEqual(membership.input_names(model), {"left", "right"})
        self.assertEmpty(membership.input_names(_built(_Subclassed())))

    def test_what_hands_on_logits_is_no_reason_to_ask(self):
        class Asked(Exception):
            pass

        def ask(*args, **kwargs):
            raise Asked

        for ending in (
            keras.layers.Activation("linear", dtype="float32"),
            keras.layers.Dropout(0.5),
            keras.layers.Reshape((3,)),
            lambda x: keras.ops.cast(x, "float16"),
        ):
            student = _functional(lambda x, ending=ending: ending(keras.layers.Dense(3)(x)))
            with unittest.mock.patch.object(membership, "_probed", ask):
                membership.check_students({"a": student})
                with self.assertRaises(Asked):
                    membership.check_students({"a": _built(_Subclassed())})

    def test_what_cannot_be_asked_is_let_in(self):
        def only_tensors_of_two_examples(x):
            return tf.ensure_shape(x, [2, 3])

        membership.check_students({"a": _built(_Ending(only_tensors_of_two_examples))})

    def test_the_output_shape_of_a_subclassed_model_is_found_without_changing_it(self):
        model = _built(_Subclassed())
        before = model.get_weights()
        self.assertEqual(membership.output_shape(model), (None, 3))
        self.assertEqual(membership.input_shape(model), (None, 5))
        self.assertEqual(membership.input_shape(_student()), (None, 5))
        self.assertAllEqual(model.get_weights()[2], before[2])
        self.assertLen(model.variables, len(before))


class RefusedTest(tf.test.TestCase, parameterized.TestCase):
    def _refused(self, students, message):
        with self.assertRaisesRegex(ValueError, message) as raised:
            membership.check_students(students)
        self.assertNotIn("\n", str(raised.exception))

    @parameterized.parameters((None,), (["resnet20"],), ("a",), ({},))
    def test_what_is_no_dict_of_students(self, students):
        self._refused(students, r"students must be a dict of at least one {name: keras.Model}; got")

    @parameterized.parameters(1, "", None)
    def test_names_that_are_no_strings(self, name):
        self._refused({name: _student()}, "a student's name must be a non-empty string; got")

    def test_layers_and_functions(self):
        self._refused({"a": keras.layers.Dense(3)}, "'a' must be a keras.Model; got Dense")
        self._refused({"a": tf.identity}, "'a' must be a keras.Model; got function")

    def test_students_that_are_not_built(self):
        for student in (_Subclassed(), keras.Sequential([keras.layers.Dense(3)])):
            self._refused({"a": student}, "student 'a' is not built: give it a keras.Input, or")

    def test_different_numbers_of_classes_are_named(self):
        students = {"small": _student(3), "large": _built(_Subclassed(4))}
        self._refused(students, r"same number of classes; got {'small': 3, 'large': 4}")

    def test_outputs_that_are_no_batch_of_vectors(self):
        sequence = keras.Sequential([keras.Input((4, 5)), keras.layers.Dense(3)])
        self._refused(
            {"a": sequence}, r"must give logits \[B, C\]; got output shape \(None, 4, 3\)"
        )
        two = _functional(lambda x: [keras.layers.Dense(3)(x), keras.layers.Dense(3)(x)])
        self._refused({"a": two}, r"must give logits \[B, C\]; got output shape \[")
        named = _functional(lambda x: {"logits": keras.layers.Dense(3)(x)})
        sequential = keras.Sequential([keras.Input((5,)), named])
        for student in (named, sequential):
            told = r"must give logits \[B, C\]; got output shape {'logits': \("
            self._refused({"a": student}, told)
        for wrap in (lambda x: {"logits": x}, lambda x: [x, x]):
            subclassed = _built_of_two(wrap=wrap)
            self._refused({"a": subclassed}, r"must give logits \[B, C\]; got output shape [{\[]")

    def test_any_softmax_at_the_end(self):
        dense = keras.layers.Dense(3)
        softmax = _student(activation="softmax")
        endings = {
            "activation": softmax,
            "keras.ops": _student(activation=keras.ops.softmax),
            "tf.nn": _student(activation=tf.nn.softmax),
            "layer": _functional(lambda x: keras.layers.Softmax()(dense(x))),
            "activation layer": _functional(lambda x: keras.layers.Activation("softmax")(dense(x))),
            "operation": _functional(lambda x: keras.ops.softmax(dense(x))),
            "nested": keras.Sequential([keras.Input((5,)), softmax]),
            "linear": _functional(
                lambda x: keras.layers.Activation("linear")(keras.ops.softmax(dense(x)))
            ),
        }
        for name, student in endings.items():
            self._refused({name: student}, f"student '{name}' ends in a softmax; .*needs logits")

    def test_one_logit(self):
        for student in (_student(1), _student(1, "sigmoid"), _built(_Subclassed(1))):
            self._refused({"a": student}, r"'a' gives one logit; .*two, keras.layers.Dense\(2\)")

    def test_any_sigmoid_at_the_end(self):
        dense = keras.layers.Dense(3)
        for student in (
            _student(activation="sigmoid"),
            _student(activation=tf.nn.sigmoid),
            _functional(lambda x: keras.ops.sigmoid(dense(x))),
            _functional(lambda x: keras.layers.Activation("hard_sigmoid")(dense(x))),
            _functional(lambda x: keras.layers.Dropout(0.1)(keras.ops.sigmoid(dense(x)))),
            keras.Sequential(
                [_student(activation="sigmoid"), keras.layers.Activation("linear", dtype="float32")]
            ),
        ):
            self._refused({"a": student}, "student 'a' ends in a (hard )?sigmoid; .*needs logits")
        sigmoid = keras.activations.sigmoid
        for head in (_Own(3, activation="sigmoid"), _Activated(sigmoid), _Activated(tf.nn.sigmoid)):
            told = "student 'a' ends in a sigmoid; .*needs logits"
            self._refused({"a": _functional(head)}, told)

    def test_probabilities_that_no_last_layer_betrays(self):
        dense = keras.layers.Dense(3)
        students = {
            "subclassed": _built(_Ending(keras.ops.softmax)),
            "two inputs": _built_of_two(wrap=keras.ops.softmax),
            "own layer": _functional(_Softened(3)),
            "own model": _built(_OfLayers([keras.Input((5,)), keras.layers.Dense(3)])),
            "rounded": _functional(
                lambda x: keras.layers.Lambda(
                    lambda y: tf.nn.softmax(tf.cast(y, "bfloat16")), output_shape=(3,)
                )(keras.layers.Dense(3, dtype="mixed_bfloat16")(x))
            ),
            "lambda": _functional(
                lambda x: keras.layers.Lambda(lambda y: tf.nn.softmax(y), output_shape=(3,))(
                    dense(x)
                )
            ),
            "by hand": _functional(
                lambda x: (
                    keras.ops.exp(dense(x))
                    / keras.ops.sum(keras.ops.exp(dense(x)), -1, keepdims=True)
                )
            ),
        }
        for name, student in students.items():
            before = student.get_weights()
            self._refused({name: student}, f"student '{name}' gives probabilities: .*softmax")
            for found, wanted in zip(student.get_weights(), before, strict=True):
                self.assertAllEqual(found, wanted)

    def test_a_layer_of_ones_own_may_use_an_activation_before_its_logits(self):
        membership.check_students({"a": _functional(_Attending(3))})
        sigmoid = keras.activations.sigmoid
        for head in (
            _Activated(sigmoid, lambda x: 4.0 * x - 2.0),
            _Activated(sigmoid, lambda x: x - 0.5, kernel_initializer="zeros"),
            _Own(3),
        ):
            membership.check_students({"a": _functional(head)})

    def test_one_model_twice_and_shared_layers(self):
        student = _student()
        self._refused({"a": student, "b": student}, "'a' and 'b' share the variable .*kernel")
        shared = keras.layers.Dense(3)
        students = {"a": _functional(shared), "c": _student(), "b": _functional(shared)}
        self._refused(students, "'a' and 'b' share the variable .*kernel: build each")

    def test_layers_without_variables_that_have_losses_are_not_shared(self):
        def students(layer):
            return {name: _functional(lambda x: layer(keras.layers.Dense(3)(x))) for name in "ab"}

        regularization = keras.layers.ActivityRegularization(l2=1.0, name="activity")
        self._refused(students(regularization), "'a' and 'b' share the layer activity, which has")
        images, labels = np.ones([4, 5], np.float32), np.zeros([4])
        cohort = methods.Independent(students(_Adding(name="adding")))
        for run_eagerly in (True, False):
            cohort.compile("sgd", run_eagerly=run_eagerly)
            with self.assertRaisesRegex(ValueError, "networks share the layer adding, which adds"):
                cohort.fit(images, labels, verbose=0)
        cohort = methods.Independent(students(keras.layers.ReLU()))
        cohort.compile("sgd", run_eagerly=True)
        cohort.fit(images, labels, verbose=0)


class ScopeTest(tf.test.TestCase):
    def test_students_cohort_and_optimizer_are_of_one_scope(self):
        strategy = tf.distribute.MirroredStrategy(
            ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
        )
        told = r"got {} made outside of it: build the students, .* `with strategy.scope\(\):`"
        outside = methods.Independent({"a": _student()})
        outside.compile("sgd")
        with strategy.scope():
            inside = methods.Independent({"a": _student()})
            with self.assertRaisesRegex(ValueError, told.format("the student 'a'")):
                outside.compile(keras.optimizers.SGD(0.1))
            mixed = methods.Independent({"b": _student(), "a": outside.students["a"]})
            with self.assertRaisesRegex(ValueError, told.format("the student 'a'")):
                mixed.compile("sgd")
        inside.compile("sgd")
        late = methods.Independent({"a": inside.students["a"]})
        data = np.ones([4, 5], np.float32), np.zeros([4])
        for run_eagerly in (True, False):
            late.compile("sgd", run_eagerly=run_eagerly)
            measured = late.evaluate(*data, verbose=0, return_dict=True)["loss"]
            with self.assertRaisesRegex(ValueError, "^expected.*" + told.format("the student 'a'")):
                late.fit(*data, verbose=0)
        self.assertAllClose(measured, inside.evaluate(*data, verbose=0, return_dict=True)["loss"])
        with strategy.scope():
            late.compile("sgd")
            with self.assertRaisesRegex(ValueError, "^expected.*" + told.format("the cohort")):
                late.fit(*data, verbose=0)

    def test_what_no_step_assigns_may_be_of_elsewhere(self):
        norm = keras.layers.BatchNormalization(center=False, scale=False)
        base = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4), norm])
        base.trainable = False
        adapted = keras.layers.Normalization()
        adapted.adapt(np.ones([4, 5], np.float32))
        strategy = tf.distribute.MirroredStrategy(
            ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
        )
        with strategy.scope():
            head = keras.layers.Dense(3)
            student = _functional(lambda x: head(base(adapted(x))))
            cohort = methods.Independent({"a": student})
            cohort.compile("sgd", run_eagerly=True)
        before = head.get_weights()[1]
        cohort.fit(np.ones([4, 5], np.float32), np.zeros([4]), verbose=0)
        self.assertNotAllClose(head.get_weights()[1], before)
        norm.trainable = True
        with self.assertRaisesRegex(ValueError, "got the student 'a' made outside of it"):
            cohort.fit(np.ones([4, 5], np.float32), np.zeros([4]), verbose=0)


if __name__ == "__main__":
    tf.test.main()
