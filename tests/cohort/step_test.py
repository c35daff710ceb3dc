"""Tests of kdcl_tf.cohort.step: known values of losses and objectives."""

import numpy as np
import tensorflow as tf

from kdcl_tf.cohort.step import Step

# Cross-entropies of ln 2 for all, with labels of either class.
_EVEN = tf.zeros([3, 2, 2])
_LABELS = tf.constant([0, 1])


def _create(sample_weight=None, penalties=()):
    distillation = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    return Step.create(_EVEN, _LABELS, distillation, 0.5, sample_weight, list(penalties))


class StepTest(tf.test.TestCase):
    def test_students_add_what_they_distil_and_companions_do_not(self):
        step = _create()
        self.assertAllClose(step.cross_entropy, np.full([3, 2], np.log(2)))
        self.assertAllClose(step.loss - np.log(2), [[0.5, 1.0], [1.5, 2.0], [0.0, 0.0]])

    def test_sample_weights_scale_every_loss(self):
        step = _create(tf.constant([[2], [0]]))
        self.assertAllClose(step.cross_entropy, [[2 * np.log(2), 0.0]] * 3)
        self.assertAllClose(step.distillation_loss, [[2.0, 0.0], [6.0, 0.0]])
        self.assertAllClose(step.loss[0, 0], 2 * (np.log(2) + 0.5))

    def test_a_weight_of_0_leaves_an_infinite_loss_out(self):
        distillation = tf.constant([[np.inf, 1.0]])
        step = Step.create(_EVEN[:1], _LABELS, distillation, 0.0, None, [])
        self.assertAllClose(step.loss, [[np.log(2), np.log(2)]])
        step = Step.create(_EVEN[:1], _LABELS, distillation, 1.0, tf.constant([0.0, 1.0]), [])
        self.assertAllClose(step.loss, [[0.0, np.log(2) + 1.0]])
        step = Step.create(_EVEN[:1], _LABELS, distillation, 1.0, None, [])
        self.assertAllEqual(np.isinf(step.loss), [[True, False]])

    def test_an_objective_is_a_rows_share_of_the_batch_and_of_its_penalty(self):
        step = _create(penalties=[tf.constant(6.0), tf.constant(3.0)])
        sums = 2 * np.log(2) + np.array([1.5, 3.5, 0.0])
        found = step.objectives(examples=tf.constant(4.0), shares=3)
        self.assertAllClose(found, sums / 4 + np.array([2.0, 1.0, 0.0]))


if __name__ == "__main__":
    tf.test.main()
