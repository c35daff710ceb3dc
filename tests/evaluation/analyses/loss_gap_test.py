"""Tests of kdcl_tf.evaluation.analyses.loss_gap."""

import pathlib

import tensorflow as tf

from kdcl_tf.evaluation.analyses import loss_gap

_LOG = [
    {"epoch": 1, "loss": 3.0},
    {"epoch": 2, "test_a_cross_entropy": 2.0, "test_b_cross_entropy": 9.0},
    {"epoch": 3, "loss": 1.0},
    {"epoch": 4, "test_a_cross_entropy": 1.5, "test_b_cross_entropy": 8.0},
]


class LossGapTest(tf.test.TestCase):
    def test_only_evaluated_epochs_count(self):
        self.assertEqual(loss_gap.loss_by_epoch(_LOG, "a"), {2: 2.0, 4: 1.5})

    def test_above_zero_the_other_has_the_lower_loss(self):
        self.assertEqual(loss_gap.gaps({2: 2.0, 4: 1.5}, {4: 1.25, 6: 1.0}), [(4, 0.25)])
        self.assertEqual(loss_gap.gaps({2: 2.0}, {2: 2.0}), [(2, 0.0)])

    def test_an_unknown_student_and_no_common_epoch_are_refused(self):
        with self.assertRaisesRegex(ValueError, "evaluated student c; got one of a, b"):
            loss_gap.loss_by_epoch(_LOG, "c")
        with self.assertRaisesRegex(ValueError, "got one of no student"):
            loss_gap.loss_by_epoch([], "c")
        with self.assertRaisesRegex(ValueError, "an evaluated epoch in common; got epochs "):
            loss_gap.gaps({2: 2.0}, {3: 1.0})

    def test_a_plot(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "plot.png"
        loss_gap.plot({"cohort": [(2, 0.1), (4, 0.25)]}, "alone", path)
        self.assertGreater(path.stat().st_size, 5_000)


if __name__ == "__main__":
    tf.test.main()
