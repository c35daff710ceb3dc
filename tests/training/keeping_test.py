"""Tests of kdcl_tf.training.keeping."""

import pathlib

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.distribution import strategies
from kdcl_tf.files.identity import DamageError
from kdcl_tf.training import keeping
from kdcl_tf.training.checkpoint import Checkpoints, SavedCheckpoint


def _student():
    """Its variables are floats, moving statistics and the seed of dropout."""
    layers = [
        keras.layers.Dense(3, name="dense"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Dropout(0.5, name="dropout"),
    ]
    return keras.Sequential([keras.Input((2,)), *layers], name="student")


def _fill(variables, number):
    for variable in variables:
        variable.assign(np.full(variable.shape, number, variable.dtype))


def _values(variables):
    return [variable.numpy().tolist() for variable in variables]


def _offer(kept, variables, accuracies):
    for epoch, accuracy in enumerate(accuracies, 1):
        _fill(variables, epoch)
        kept.offer({"epoch": epoch, "accuracy": accuracy})


class KeptTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ([0.5, 0.75, 0.75, 0.7], 2), ([0.0, 0.0], 1), ([0.1, 0.2, 0.3], 3), ([float("nan"), 0.1], 2)
    )
    def test_the_earliest_of_the_best_epochs_is_kept(self, accuracies, best):
        student = _student()
        kept = keeping.Kept(student.variables, "accuracy")
        self.assertEqual(kept.epoch, 0)
        _offer(kept, student.variables, accuracies)
        self.assertEqual(kept.epoch, best)
        kept.restore()
        for variable in student.variables:
            self.assertAllEqual(variable.numpy(), np.full(variable.shape, best))

    def test_before_the_first_evaluation_nothing_is_restored(self):
        student = _student()
        before = _values(student.variables)
        kept = keeping.Kept(student.variables, "accuracy")
        kept.restore()
        self.assertEqual(_values(student.variables), before)

    def test_variables_that_students_share_are_kept_once(self):
        student = _student()
        kept = keeping.Kept([*student.variables, *student.variables], "accuracy")
        self.assertLen(kept.variables, 2 + len(student.variables))

    def test_every_copy_on_every_device_is_kept(self):
        strategy = strategies.create("mirrored")
        with strategy.scope():
            student = _student()
            kept = keeping.Kept(student.variables, "accuracy")
        _offer(kept, student.variables, [0.5, 0.25])
        kept.restore()
        for variable in student.variables:
            for copy in strategy.experimental_local_results(variable.value):
                self.assertAllEqual(copy, np.ones(variable.shape))

    def test_a_checkpoint_has_what_was_kept(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        student = _student()
        kept = keeping.Kept(student.variables, "accuracy")
        live = list(student.variables)
        card = {"kept": kept.card(len(live), {"student": live})}
        checkpoints = Checkpoints(folder, [*live, *kept.variables], card=card)
        checkpoints.save(0, {"epoch": 0})
        self.assertEqual(keeping.positions(SavedCheckpoint(folder)), (0, {}))
        _offer(kept, live, [0.5, 0.75, 0.25])
        checkpoints.save(3, {"epoch": 3})
        saved = SavedCheckpoint(folder)
        epoch, places = keeping.positions(saved)
        self.assertEqual((epoch, saved.epoch), (2, 3))
        other = _student()
        saved.assign(other.variables, places["student"])
        kept.restore()
        self.assertEqual(_values(other.variables), _values(live))
        # The evaluation of the epoch, whose saves before and after it have one step.
        kept.offer({"epoch": 4, "accuracy": 1.0})
        checkpoints.save(3, {"epoch": 4})
        with self.assertRaisesRegex(DamageError, "step-000000003 was removed or replaced while"):
            saved.assign(other.variables, places["student"])

    def test_a_run_that_goes_on_keeps_what_it_would_have_kept(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        first = _student()
        kept = keeping.Kept(first.variables, "accuracy")
        _offer(kept, first.variables, [0.5, 0.25])
        Checkpoints(folder, [*first.variables, *kept.variables]).save(2, {"epoch": 2})
        second = _student()
        again = keeping.Kept(second.variables, "accuracy")
        Checkpoints(folder, [*second.variables, *again.variables]).restore()
        again.offer({"epoch": 3, "accuracy": 0.5})
        self.assertEqual(again.epoch, 1)
        again.restore()
        self.assertAllEqual(second.variables[0].numpy(), np.ones([2, 3]))

    def test_a_run_that_keeps_none_has_no_positions(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        Checkpoints(folder, _student().variables).save(1, {"epoch": 1})
        self.assertEqual(keeping.positions(SavedCheckpoint(folder)), (0, {}))


if __name__ == "__main__":
    tf.test.main()
