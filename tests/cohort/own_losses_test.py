"""Tests of kdcl_tf.cohort.own_losses, through methods that have layers of their own."""

import keras
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import methods
from tests.small_cohort import (
    CohortTestCase,
    compiled,
    compiled_graph,
    fit,
    make_branches,
    make_data,
    make_student,
    make_students,
)

_STRENGTH, _RATE = 0.1, 0.2


class _Scaled:
    """Of each student, its weights times a layer's: the layer is trained by its loss alone."""

    def __init__(self, students, regularizer=None, trainable=True, **arguments):
        super().__init__(students)
        self.own = keras.layers.Dense(
            3, kernel_initializer="ones", kernel_regularizer=regularizer, **arguments
        )
        self.own.build((None, 6))
        self.own.trainable = trainable

    def distillation_losses(self, logits, labels, views):
        return super().distillation_losses(logits, labels, views) + 0.0 * tf.reduce_sum(
            self.own(logits), axis=-1
        )


class _Independent(_Scaled, methods.Independent):
    pass


class _Collaborative(_Scaled, methods.CLNN):
    def distillation_losses(self, logits, labels, views):
        return super().distillation_losses(logits, labels, views)


def _settings(**others):
    return {"regularizer": keras.regularizers.L2(_STRENGTH), **others}


def _made(make=compiled, method=_Independent, settings=None, **kwargs):
    optimizer = keras.optimizers.SGD(_RATE)
    return make(method, optimizer=optimizer, settings=settings or _settings(), **kwargs)


class RegularisationTest(CohortTestCase):
    def _assert_decays(self, cohort, steps=3):
        """d/dw s w^2 = 2 s w, in each step, and nothing else."""
        expected = (1.0 - 2 * _STRENGTH * _RATE) ** steps
        self.assertAllClose(cohort.own.kernel, expected * tf.ones([6, 3]))

    @parameterized.parameters(
        {}, {"accumulation_steps": 3}, {"make": compiled_graph}, {"jit_compile": True}
    )
    def test_it_joins_the_loss_once_and_changes_nothing_else(self, **kwargs):
        if "jit_compile" in kwargs:
            kwargs["make"] = compiled_graph
        plain = _made(settings={"regularizer": None})
        cohort = _made(**kwargs)
        images, labels = make_data()
        before, without = (each.test_step((images, labels)) for each in (cohort, plain))
        self.assertAllClose(before["loss"] - without["loss"], _STRENGTH * 18.0, atol=1e-5)
        fit(cohort), fit(plain)
        self._assert_decays(cohort)
        for name, student in plain.students.items():
            self.assert_same_weights(cohort.students[name], student, atol=1e-5)

    def test_on_replicas_as_well(self):
        strategy = tf.distribute.MirroredStrategy(
            ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
        )
        with strategy.scope():
            cohort = _made(compiled_graph)
        fit(cohort)
        self._assert_decays(cohort)

    def test_layers_of_branches_and_of_the_method_count_once(self):
        cohort = _made(method=_Collaborative, students=make_branches())
        plain = _made(
            method=_Collaborative, students=make_branches(), settings={"regularizer": None}
        )
        shared = cohort.network.layers[1]
        shared.kernel.regularizer = keras.regularizers.L2(_STRENGTH)
        batch = make_data()
        difference = cohort.test_step(batch)["loss"] - plain.test_step(batch)["loss"]
        expected = _STRENGTH * (18.0 + tf.reduce_sum(shared.kernel**2))
        self.assertAllClose(difference, expected, atol=1e-5)

    def test_what_is_frozen_is_not_regularised(self):
        cohort = _made(settings=_settings(trainable=False))
        plain = _made(settings={"regularizer": None})
        self.assertAllEqual(fit(cohort)["loss"], fit(plain)["loss"])

    @parameterized.parameters(
        {}, {"accumulation_steps": 2}, {"make": compiled_graph}, {"jit_compile": True}
    )
    def test_what_nothing_else_would_change_is_refused(self, **kwargs):
        class Imitating(_Independent):
            def distillation_losses(self, logits, labels, views):
                return methods.Independent.distillation_losses(
                    self, logits, labels, views
                ) + 0.0 * tf.reduce_sum(tf.stop_gradient(self.own(logits)), axis=-1)

        if "jit_compile" in kwargs:
            kwargs["make"] = compiled_graph
        message = (
            "^no loss of Imitating depends on dense.*kernel, which its regularizer would shrink: .*; "
            "freeze those that it only imitates, layer.trainable = False$"
        )
        cohort = _made(method=Imitating, **kwargs)
        with self.assertRaisesRegex(ValueError, message):
            fit(cohort)
        self.assertAllEqual(cohort.own.kernel, tf.ones([6, 3]))

    @parameterized.parameters(["devices"], ["dict"])
    def test_where_each_student_has_its_own_they_are_refused_as_before(self, what):
        cohort = _Independent(make_students(), **_settings())
        given = {"devices": ("sgd", {"devices": dict.fromkeys("za", "CPU:0")})}
        optimizer, kwargs = given.get(what, ({"z": "sgd", "a": "sgd"}, {}))
        with self.assertRaisesRegex(ValueError, "kernel belongs to no student"):
            cohort.compile(optimizer, **kwargs)


class AddedLossTest(CohortTestCase):
    @parameterized.parameters(True, False)
    def test_a_loss_of_activities_is_refused(self, run_eagerly):
        settings = {"activity_regularizer": "l2", "name": "projection"}
        cohort = _made(settings=settings, run_eagerly=run_eagerly)
        message = (
            "^expected layers of _Independent itself that add no losses; got projection with add_loss"
            " .*: add them to what distillation_losses returns, or freeze the layer$"
        )
        with self.assertRaisesRegex(ValueError, message):
            fit(cohort)

    def test_one_of_the_cohort_itself_is_refused(self):
        class Adding(methods.Independent):
            def distillation_losses(self, logits, labels, views):
                self.add_loss(tf.reduce_mean(logits))
                return super().distillation_losses(logits, labels, views)

        message = "layers of Adding itself that add no losses"
        with self.assertRaisesRegex(ValueError, message):
            compiled(Adding).evaluate(*make_data(), verbose=0)
        with self.assertRaisesRegex(ValueError, message):
            fit(compiled(Adding, devices=dict.fromkeys("za", "CPU:0")))

    def test_those_of_students_and_of_what_is_frozen_stay(self):
        student = make_student()
        student.layers[-1].activity_regularizer = keras.regularizers.L2(0.1)
        imitated = make_student(9)
        imitated.layers[-1].activity_regularizer = keras.regularizers.L2(0.1)
        cohort = compiled(
            methods.OfflineDistillation, {"a": student}, settings={"teacher": imitated}
        )
        found = cohort.test_step(make_data())
        own = found["a_cross_entropy"] + found["a_distillation_loss"] + tf.add_n(student.losses)
        self.assertAllClose(found["loss"], own)
        self.assertNotEmpty(imitated.losses)


if __name__ == "__main__":
    tf.test.main()
