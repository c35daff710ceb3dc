"""Tests of kdcl_tf.training.task; what tasks share."""

import types

from absl.testing import absltest

from kdcl_tf.training.task import Task


class _Views:
    """Ten images."""

    dataset = types.SimpleNamespace(train=range(10))

    def steps_per_epoch(self, batch_size):
        return -(-10 // batch_size)

    def epoch(self, *arguments):
        return arguments


class TaskTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.task = Task("model", _Views(), "strategy")

    def test_epochs_are_those_of_the_views(self):
        self.assertEqual((self.task.model, self.task.images), ("model", 10))
        self.assertEqual(self.task.steps_per_epoch(4), 3)
        self.assertEqual(self.task.epoch(1, 4, 2, "share"), (1, 4, 2, "share"))

    def test_nothing_is_renewed_and_nothing_owned_unless_a_task_says_so(self):
        self.assertEqual(self.task.renew(None), {})
        self.assertEqual(self.task.problems(), {})
        self.assertEqual(self.task.owner(None), "")

    def test_what_a_task_must_say(self):
        for name, argument in (("guilty", []), ("evaluate", None), ("summary", {})):
            with self.assertRaisesRegex(TypeError, f"Task must override {name}"):
                getattr(self.task, name)(argument)


if __name__ == "__main__":
    absltest.main()
