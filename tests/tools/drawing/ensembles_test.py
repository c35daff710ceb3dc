"""Tests of tools/drawing/ensembles.py: its numbers by hand."""

import numpy as np
from absl.testing import absltest
from drawing import ensembles


def _softmax(logits):
    shares = np.exp(logits)
    return shares / shares.sum()


class EnsemblesTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.panels = [values for _, values in ensembles.panels()]
        self.logits = ensembles.LOGITS[:, 0].astype(np.float64)

    def test_every_panel_is_a_distribution_that_prefers_the_true_class(self):
        self.assertLen(self.panels, 6)
        for values in self.panels:
            self.assertAlmostEqual(values.sum(), 1.0, places=5)
            self.assertEqual(values.argmax(), ensembles.LABELS[0])

    def test_naive_is_the_better_student(self):
        np.testing.assert_allclose(self.panels[2], _softmax(self.logits[0]), atol=1e-6)

    def test_min_logit_is_the_softmax_of_the_least_shifted_logits(self):
        shifted = self.logits - self.logits[:, :1]
        np.testing.assert_allclose(self.panels[4], _softmax(shifted.min(0)), atol=1e-6)

    def test_linear_has_the_least_loss_of_all_mixtures(self):
        losses = [
            -np.log(_softmax(share * self.logits[0] + (1 - share) * self.logits[1])[0])
            for share in np.linspace(0, 1, 10_001)
        ]
        self.assertAlmostEqual(-np.log(self.panels[3][0]), min(losses), places=5)

    def test_generals_weights_are_inside_and_average_the_probabilities(self):
        weights = ensembles.weights()
        self.assertBetween(weights[0], 0.1, 0.9)
        self.assertAlmostEqual(weights.sum(), 1.0)
        mixed = weights[0] * _softmax(self.logits[0]) + weights[1] * _softmax(self.logits[1])
        np.testing.assert_allclose(self.panels[5], mixed, atol=1e-6)

    def test_the_four_soft_targets_differ(self):
        found = {tuple(np.round(values, 2)) for values in self.panels[2:]}
        self.assertLen(found, 4)


if __name__ == "__main__":
    absltest.main()
