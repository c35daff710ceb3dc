"""Tests of kdcl_tf.students.weights.fitting."""

import dataclasses

import numpy as np
import tensorflow as tf

from kdcl_tf import students
from kdcl_tf.students.weights import fitting, found as found_lib
from tests.students.plain_layers import move_statistics

_CALLED = {"where": "a file", "architecture": "resnet8"}


class FittingTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        student = students.build("resnet8", 3, (8, 8, 3))
        move_statistics(student)
        cls.given = found_lib.of_model(student)

    def _student(self, classes=3, name="resnet8"):
        return students.build(name, classes, (8, 8, 3))

    def _with(self, **arrays):
        arrays = {path.replace("__", "/"): value for path, value in arrays.items()}
        return dataclasses.replace(self.given, arrays={**self.given.arrays, **arrays})

    def test_everything_is_taken(self):
        student = self._student()
        taken = fitting.fit(student, self.given, **_CALLED)
        self.assertEqual(set(taken.taken), set(self.given.arrays))
        for each in student.variables:
            self.assertAllEqual(each.numpy(), self.given.arrays[each.path])
        self.assertEqual(
            str(taken), f"{len(taken.taken)} variables taken, none made anew, none left over"
        )

    def test_a_head_that_is_not_kept_stays_as_it_was_made(self):
        student = self._student()
        before = student.get_layer("logits").kernel.numpy()
        taken = fitting.fit(student, self.given, keep_head=False, reason="for a reason", **_CALLED)
        self.assertAllEqual(student.get_layer("logits").kernel.numpy(), before)
        self.assertIn(
            "(logits/kernel, logits/bias) made anew (for a reason), 2 (logits", str(taken)
        )

    def test_a_source_without_a_head_gives_the_rest(self):
        arrays = {path: value for path, value in self.given.arrays.items() if "logits" not in path}
        taken = fitting.fit(self._student(), found_lib.Found(arrays), **_CALLED)
        self.assertEqual((len(taken.new), taken.left_over), (2, ()))
        self.assertEqual(taken.reason, "the source has none")

    def _refused(self, found, message, **student):
        student = self._student(**student)
        before = [each.numpy() for each in student.variables]
        with self.assertRaisesRegex(ValueError, message) as caught:
            fitting.fit(student, found, **_CALLED)
        self.assertNotIn("\n", str(caught.exception))
        for each, value in zip(student.variables, before, strict=True):
            self.assertAllEqual(each.numpy(), value)

    def test_what_does_not_fit_is_refused_and_nothing_is_assigned(self):
        self._refused(
            self._with(stage1_block1_norm1__beta=np.zeros(17)),
            r"a file is no resnet8: expected \[16\] at stage1_block1_norm1/beta; got \[17\]",
        )
        self._refused(
            self._with(strange__kernel=np.zeros(1)),
            r"expected nothing at strange/kernel; got \[1\]",
        )
        # Every block of a ResNet-8 is one of a ResNet-14.
        self._refused(
            self.given, "expected .* at stage1_block2_conv1/kernel; got nothing", name="resnet14"
        )
        self._refused(
            self._with(stem_norm__gamma=np.full(16, np.nan)),
            "got NaN or infinity in stem_norm/gamma",
        )
        self._refused(
            self._with(logits__kernel=np.zeros([65, 3])),
            r"expected \[64, 3\] at logits/kernel; got \[65, 3\]",
        )

    def test_layers_that_compute_otherwise_are_refused(self):
        settings = {**self.given.settings, "stem_norm": {"epsilon": 1e-3}}
        self._refused(
            dataclasses.replace(self.given, settings=settings),
            "expected epsilon 1e-05 of layer stem_norm; got 0.001",
        )


if __name__ == "__main__":
    tf.test.main()
