"""Tests of kdcl_tf.methods.offline_distillation."""

import copy
import pathlib

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data, serving, students
from kdcl_tf.methods import OfflineDistillation
from kdcl_tf.serving.cards import Card
from tests import plain_step


def _teacher(seed=9):
    return plain_step.students(seed=seed)["large"]


class StepTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((2.0, 1.0), (1.0, 0.5), (4.0, 0.0))
    def test_two_steps_equal_plain_tensorflow(self, temperature, weight):
        members, twins = plain_step.students(), plain_step.students()
        teacher = _teacher()
        cohort = OfflineDistillation(members, teacher, temperature, weight)
        cohort.compile(keras.optimizers.SGD(0.1, momentum=0.9))
        batches = [plain_step.batch(seed) for seed in (1, 2)]
        for views, labels in batches:
            cohort.train_on_batch(views, labels)
        remaining = iter(batches)

        def soft_targets(_, labels):
            views = next(remaining)[0]
            return [[tf.nn.softmax(teacher(views[name]) / temperature)] for name in twins]

        plain_step.train(twins, soft_targets, batches, weight, temperature)
        for name in members:
            for found, wanted in zip(members[name].get_weights(), twins[name].get_weights()):
                self.assertAllClose(found, wanted, atol=2e-6)

    def test_the_teacher_stays_as_it_was(self):
        teacher = _teacher()
        before = teacher.get_weights()
        cohort = OfflineDistillation(plain_step.students(), teacher)
        cohort.compile(keras.optimizers.SGD(0.5))
        views, labels = plain_step.batch()
        cohort.train_on_batch(views, labels)
        for found, wanted in zip(teacher.get_weights(), before, strict=True):
            self.assertAllEqual(found, wanted)
        self.assertEmpty(teacher.trainable_variables)
        counted = sum(len(each.trainable_variables) for each in cohort.students.values())
        self.assertLen(cohort.trainable_variables, counted)

    def test_views_are_matched_by_name_and_a_shared_one_is_looked_at_once(self):
        calls = []

        class Counting(keras.Model):
            def call(self, x, training=False):
                calls.append(x)
                return tf.reduce_mean(x, axis=[1, 2]) @ tf.constant(np.eye(3, 5, 1), tf.float32)

        teacher = Counting()
        teacher(tf.zeros([1, 6, 6, 3]))
        cohort = OfflineDistillation(plain_step.students(), teacher)
        views, _ = plain_step.batch()
        calls.clear()
        logits = tf.zeros([2, 9, 5])
        apart = cohort.distillation_losses(logits, None, dict(reversed(views.items())))
        self.assertLen(calls, 2)
        alone = cohort.distillation_losses(logits, None, cohort.views(views["large"]))
        self.assertLen(calls, 3)
        self.assertAllClose(apart[1], alone[1])
        self.assertNotAllClose(apart[0], alone[0])

    def test_a_teacher_like_the_student_costs_nothing(self):
        student, teacher = (plain_step.students()["small"] for _ in range(2))
        cohort = OfflineDistillation({"small": student}, teacher)
        cohort.compile()
        views, labels = plain_step.batch()
        found = cohort.evaluate(views["small"], labels, return_dict=True, verbose=0)
        self.assertAllClose(found["small_distillation_loss"], 0.0, atol=1e-6)


class TeacherTest(tf.test.TestCase):
    def test_an_exported_student_teaches_as_the_model_itself_does(self):
        dataset = data.load("digits", image_size=8)
        keras.utils.set_random_seed(0)
        model = students.build("wrn_10_1", 10, dataset.image_shape)
        path = pathlib.Path(self.create_tempdir().full_path) / "teacher"
        serving.export_student(model, path, card=Card.of(model, dataset))
        images, labels = next(iter(dataset.batches(dataset.test, 16)))
        found = []
        for teacher in (model, str(path), path):
            keras.utils.set_random_seed(1)
            student = students.build("resnet8", 10, dataset.image_shape)
            cohort = OfflineDistillation({"student": student}, teacher)
            cohort.compile(keras.optimizers.SGD(0.1))
            cohort.train_on_batch(images, labels)
            found.append(student.get_weights())
        for other in found[1:]:
            for one, two in zip(found[0], other, strict=True):
                self.assertAllClose(one, two, atol=1e-5)

    def test_a_teacher_of_other_classes_is_refused(self):
        teacher = plain_step.students(num_classes=7)["large"]
        with self.assertRaisesRegex(
            ValueError, "must know the students' classes: expected 5; got 7"
        ):
            OfflineDistillation(plain_step.students(), teacher)

    def test_a_teacher_that_shares_variables_with_a_student_is_refused(self):
        students = plain_step.students()
        small = students["small"]
        inside = keras.Sequential([keras.Input(small.input_shape[1:]), small])
        for teacher in (small, inside, {"large": _teacher(), "small": small}):
            with self.assertRaisesRegex(
                ValueError, "the teacher shares the variable .* with student 'small'"
            ):
                OfflineDistillation(students, teacher)
        self.assertTrue(small.trainable)

    def test_a_teacher_may_share_what_no_student_trains(self):
        views = keras.layers.RandomFlip(seed=0)
        scale = keras.layers.Normalization(mean=[0.5] * 3, variance=[0.25] * 3)
        trunk = keras.layers.Dense(5, trainable=False)
        student, teacher = (
            keras.Sequential(
                [
                    keras.Input((4, 4, 3)),
                    *(views, scale, keras.layers.Flatten(), trunk),
                    keras.layers.Dense(3),
                ]
            )
            for _ in range(2)
        )
        shared = {id(each) for each in teacher.variables} & {id(each) for each in student.variables}
        self.assertGreaterEqual(len(shared), 3)
        cohort = OfflineDistillation({"a": student}, teacher)
        self.assertLen(cohort.students["a"].trainable_variables, 2)

    def test_one_with_shared_weights_is_not_made_again_but_keeps_its_weights(self):
        scale = keras.layers.Normalization()
        scale.adapt(np.arange(10.0)[:, np.newaxis])
        models = [
            keras.Sequential([keras.Input((1,)), scale, keras.layers.Dense(3)]) for _ in range(3)
        ]
        folder = pathlib.Path(self.create_tempdir().full_path)
        own = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3)])
        for cohort, pair in (
            (
                OfflineDistillation({"a": models[0]}, models[1]),
                "student 'a' and in the teacher of 'a'",
            ),
            (
                OfflineDistillation(
                    {"a": own, "b": keras.models.clone_model(own)}, {"a": models[1], "b": models[2]}
                ),
                "the teacher of 'a' and in the teacher of 'b'",
            ),
        ):
            for make in (keras.models.clone_model, copy.deepcopy):
                with self.assertRaisesRegex(ValueError, f"got normalization.* in {pair}: use"):
                    make(cohort)
            with self.assertRaisesRegex(
                ValueError, "shares no weights, to clone the cohort or save"
            ):
                cohort.save(folder / "cohort.keras")
            self.assertFalse((folder / "cohort.keras").exists())
            cohort.save_weights(folder / "cohort.weights.h5")
            wanted = cohort.get_weights()
            cohort.set_weights([np.zeros_like(each) for each in wanted])
            cohort.load_weights(folder / "cohort.weights.h5")
            for found, each in zip(cohort.get_weights(), wanted, strict=True):
                self.assertAllEqual(found, each)

    def test_one_teacher_under_the_names_of_all_students_is_one(self):
        teacher, members = _teacher(), plain_step.students()
        cohort = OfflineDistillation(members, dict.fromkeys(members, teacher))
        self.assertIs(cohort.teacher, teacher)
        clone = keras.models.clone_model(cohort)
        clone.set_weights(cohort.get_weights())
        views, _ = plain_step.batch()
        self.assertAllClose(clone.teacher(views["small"]), teacher(views["small"]))

    def test_each_student_may_have_a_teacher_of_its_own(self):
        students, (views, labels) = plain_step.students(), plain_step.batch()
        by_student = {name: _teacher() for name in students}
        found = OfflineDistillation(students, by_student)
        logits = found.forward(found.views(views))
        losses = found.distillation_losses(logits, labels, found.views(views))
        for number, name in enumerate(students):
            alone = OfflineDistillation({name: students[name]}, by_student[name])
            view = {name: found.views(views)[name]}
            wanted = alone.distillation_losses(logits[number : number + 1], labels, view)
            self.assertAllClose(losses[number], wanted[0])
        with self.assertRaisesRegex(
            ValueError, r"a dict with one for each of .*; got keys \['other'\]"
        ):
            OfflineDistillation(students, {"other": _teacher()})

    def _with_teachers(self, names):
        by_name = {name: _teacher(seed=number) for number, name in enumerate(names)}
        return OfflineDistillation(plain_step.students(), by_name)

    def test_weights_of_teachers_in_another_order_are_refused(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        cohort = self._with_teachers(["small", "large"])
        self.assertEqual(list(cohort.teacher), ["small", "large"])
        cohort.save(folder / "cohort.keras")
        cohort.save_weights(folder / "cohort.weights.h5")
        same = self._with_teachers(["small", "large"])
        same.load_weights(folder / "cohort.weights.h5")
        loaded = keras.saving.load_model(folder / "cohort.keras")
        for found in (same, loaded):
            for name, teacher in cohort.teacher.items():
                for each, wanted in zip(found.teacher[name].get_weights(), teacher.get_weights()):
                    self.assertAllEqual(each, wanted)
        turned = self._with_teachers(["large", "small"])
        with self.assertRaisesRegex(
            ValueError, "of large, small, in .* got those of small, large: "
        ):
            turned.load_weights(folder / "cohort.weights.h5")

    def test_a_clone_has_the_teacher_once_its_weights_are_set(self):
        cohort = OfflineDistillation(plain_step.students(), _teacher())
        views, _ = plain_step.batch(1)
        clone = keras.models.clone_model(cohort)
        clone.set_weights(cohort.get_weights())
        for name, view in views.items():
            self.assertAllClose(clone.teacher(view), cohort.teacher(view))
            self.assertAllClose(clone.students[name](view), cohort.students[name](view))

    def test_a_keras_file_keeps_the_teacher(self):
        teacher = _teacher()
        cohort = OfflineDistillation(plain_step.students(), teacher, temperature=3.0)
        cohort.compile(keras.optimizers.SGD(0.1))
        path = pathlib.Path(self.create_tempdir().full_path) / "cohort.keras"
        cohort.save(path)
        loaded = keras.saving.load_model(path)
        views, labels = plain_step.batch()
        for found, wanted in zip(loaded.teacher.get_weights(), teacher.get_weights(), strict=True):
            self.assertAllEqual(found, wanted)
        self.assertAllClose(
            loaded.evaluate(views, labels, verbose=0), cohort.evaluate(views, labels, verbose=0)
        )


if __name__ == "__main__":
    tf.test.main()
