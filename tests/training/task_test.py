"""Tests of kdcl_tf.training.task; what tasks share."""

import types

from absl.testing import absltest, parameterized

from kdcl_tf.training.task import Task


class _Views:
    """Of ten images."""

    def steps_per_epoch(self, batch_size):
        return -(-10 // batch_size)

    def epoch(self, *arguments):
        return arguments


class TaskTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.task = Task("settings")
        self.task.dataset, self.task.views = types.SimpleNamespace(train=range(10)), _Views()

    def test_epochs_are_those_of_the_views(self):
        self.assertEqual((self.task.settings, self.task.images), ("settings", 10))
        self.assertEqual(self.task.steps_per_epoch(4), 3)
        self.assertEqual(self.task.epoch(1, 4, 2, "share"), (1, 4, 2, "share"))

    def test_what_a_task_need_not_say(self):
        self.assertEqual(self.task.end_epoch(None), {})
        self.assertEqual((self.task.problems(), self.task.evaluated(), self.task.card()), ({},) * 3)
        self.assertEqual(self.task.owner(None), "")
        self.assertFalse(self.task.leaves_out_images)
        self.assertIsNone(self.task.announce(None))
        self.assertIsNone(self.task.check_images(None))

    @parameterized.parameters(
        ("load",),
        ("build", None),
        ("diverged", []),
        ("evaluate", None),
        ("summary", {}),
        ("finish", None, {}),
        ("draw", None),
    )
    def test_what_a_task_must_say(self, name, *arguments):
        with self.assertRaisesRegex(TypeError, f"Task must override {name}"):
            getattr(self.task, name)(*arguments)


if __name__ == "__main__":
    absltest.main()
