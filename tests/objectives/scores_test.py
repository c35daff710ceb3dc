"""Tests of kdcl_tf.objectives.scores."""

import numpy as np
from absl.testing import absltest, parameterized

from kdcl_tf.objectives.scores import expected_calibration_error, hits, scores


class ScoresTest(parameterized.TestCase):
    def test_known_numbers(self):
        probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.25, 0.25]])
        found = scores(np.log(probabilities) + 5.0, [0, 2, 0])
        self.assertAlmostEqual(found["top_1"], 2 / 3)
        self.assertEqual(found["top_5"], 1.0)
        self.assertAlmostEqual(found["nll"], -np.mean(np.log([0.7, 0.3, 0.5])))
        self.assertAlmostEqual(found["ece"], (0.3 + 0.6 + 0.5) / 3)
        self.assertEqual(found["examples"], 3)

    @parameterized.parameters((0, 1.0), (4, 1.0), (5, 0.0), (9, 0.0))
    def test_top_5_is_the_five_largest(self, label, expected):
        logits = np.arange(10, 0, -1.0)[None]
        self.assertEqual(scores(logits, [label])["top_5"], expected)

    def test_far_logits_neither_overflow_nor_lose_the_loss(self):
        found = scores(np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32), [0, 0])
        self.assertAlmostEqual(found["nll"], 1e4)
        self.assertAlmostEqual(found["ece"], 0.5)

    def test_the_order_of_examples_does_not_matter(self):
        random = np.random.default_rng(0)
        logits, labels = random.normal(size=[50, 7]), random.integers(7, size=50)
        order = random.permutation(50)
        first, second = scores(logits, labels), scores(logits[order], labels[order])
        for name, value in first.items():
            self.assertAlmostEqual(value, second[name], msg=name)


class HitsTest(parameterized.TestCase):
    @parameterized.parameters(
        ([3.0, 1.0, 2.0], 0, 1, True),
        ([3.0, 3.0, 2.0], 0, 1, False),
        ([3.0, 3.0, 2.0], 0, 2, True),
        ([0.0] * 6, 0, 5, False),
        ([0.0] * 5, 0, 5, True),
        ([np.nan] * 6, 0, 5, False),
        ([np.nan] * 3, 0, 5, False),
        ([1.0, np.nan, 0.0], 0, 1, False),
        ([1.0, np.nan, 0.0], 0, 2, True),
        ([-np.inf, 1.0, -np.inf], 0, 2, False),
        ([0.0, -np.inf, -np.inf], 0, 1, True),
        ([np.inf, 1.0], 0, 1, True),
    )
    def test_ties_and_nan_count_against_a_prediction(self, logits, label, top, wanted):
        self.assertEqual(hits(np.array([logits]), [label], top).tolist(), [wanted])

    def test_a_constant_prediction_scores_nothing(self):
        found = scores(np.zeros([4, 10]), [0, 1, 2, 3])
        self.assertEqual((found["top_1"], found["top_5"]), (0.0, 0.0))
        self.assertAlmostEqual(found["nll"], np.log(10))
        self.assertAlmostEqual(found["ece"], 0.1)


class BalancedTest(absltest.TestCase):
    def test_it_is_the_mean_over_classes_where_they_differ_in_size(self):
        logits = np.eye(3)[[0, 0, 1, 0, 1, 0]]
        found = scores(logits, [0, 0, 0, 0, 1, 1])
        self.assertAlmostEqual(found["balanced_accuracy"], (3 / 4 + 1 / 2) / 2)
        self.assertNotIn("balanced_accuracy", scores(logits, [0, 0, 1, 1, 2, 2]))


class ExpectedCalibrationErrorTest(parameterized.TestCase):
    @parameterized.parameters(
        ([1.0, 1.0], [True, True], 0.0),
        ([1.0, 1.0], [False, False], 1.0),
        ([0.75] * 4, [True, True, True, False], 0.0),
        # Over- and under-confidence cancel inside a bin.
        ([0.55, 0.55], [True, False], 0.05),
        # They do not between bins, which count by their share.
        ([0.55, 0.95, 0.95, 0.95], [True, True, True, False], 0.25 * 0.45 + 0.75 * (0.95 - 2 / 3)),
    )
    def test_by_hand(self, confidence, correct, expected):
        self.assertAlmostEqual(expected_calibration_error(confidence, correct, bins=10), expected)

    def test_a_bin_has_its_upper_edge(self):
        """0.5 is with 0.45, not with 0.55: (0.4, 0.5] and (0.5, 0.6]."""
        together = expected_calibration_error([0.45, 0.5], [False, True], bins=10)
        self.assertAlmostEqual(together, (-0.45 + 0.5) / 2)
        apart = expected_calibration_error([0.5, 0.55], [True, False], bins=10)
        self.assertAlmostEqual(apart, (0.5 + 0.55) / 2)

    def test_equals_the_definition_in_a_plain_loop(self):
        random = np.random.default_rng(0)
        confidence, correct = random.uniform(0.1, 1, 500), random.uniform(size=500) < 0.6
        expected = 0.0
        for low in range(15):
            inside = (confidence > low / 15) & (confidence <= (low + 1) / 15)
            if inside.any():
                expected += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
        self.assertAlmostEqual(expected_calibration_error(confidence, correct), expected)


if __name__ == "__main__":
    absltest.main()
