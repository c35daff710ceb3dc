"""Tests of kdcl_tf.evaluation.analyses.spread."""

import pathlib
import types
from unittest import mock

import numpy as np
import tensorflow as tf

from kdcl_tf.evaluation.analyses import spread


class SpreadTest(tf.test.TestCase):
    def test_by_hand(self):
        # Class 0 is predicted with 0.9 and 0.5, class 1 always with 0.75.
        probabilities = np.array([[0.9, 0.1], [0.5, 0.5], [0.25, 0.75], [0.25, 0.75]])
        found = spread.spread_by_category(np.log(probabilities), [0, 0, 1, 1])
        self.assertAllClose(found["true"], [0.2, 0.0])
        self.assertAllClose(found["vector"], [np.sqrt(0.04 + 0.04), 0.0])

    def test_of_one_image_there_is_no_deviation(self):
        # Class 0 has two images, class 1 one, and class 2 none.
        logits = np.log(np.array([[0.9, 0.05, 0.05], [0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]))
        labels = np.array([0, 0, 1])
        found = spread.spread_by_category(logits, labels)
        self.assertAllClose(found["true"], [0.2, np.nan, np.nan])
        self.assertAllClose(found["vector"], [np.sqrt(0.04 + 0.02), np.nan, np.nan])
        analysis = self._analysis(logits, labels)
        self.assertEqual(analysis.numbers["a"]["true"][1:], [None, None])
        self.assertAllClose(analysis.numbers["a"]["true_average"], 0.2)
        self.assertRegex(analysis.text, r"\na +0\.2000 +0\.2449$")

    def test_where_no_class_has_two_images_there_is_no_average(self):
        analysis = self._analysis(np.eye(2), np.array([0, 1]))
        self.assertIsNone(analysis.numbers["a"]["vector_average"])
        self.assertRegex(analysis.text, r"\na +nan +nan$")
        path = pathlib.Path(self.create_tempdir().full_path) / "plot.png"
        analysis.draw(path)
        self.assertTrue(path.exists())

    def _analysis(self, logits, labels):
        """Of one student with these logits."""
        student = types.SimpleNamespace(name="a", predict=None)
        with mock.patch.object(spread.loaded, "predictions", return_value=(logits, labels)):
            return spread.analyse([student], None, 8)

    def test_constant_predictions_have_none(self):
        found = spread.spread_by_category(np.ones([6, 4]) * [1.0, 2.0, 0.0, -1.0], [0, 1, 2] * 2)
        self.assertAllClose(found["true"][:3], np.zeros(3))
        self.assertTrue(np.isnan(found["true"][3]))

    def test_the_vector_is_the_distance_to_the_mean_of_the_class(self):
        random = np.random.default_rng(0)
        logits, labels = random.normal(size=[60, 5]), random.integers(5, size=60)
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        found = spread.spread_by_category(logits + 7.0, labels)
        for label in range(5):
            mine = probabilities[labels == label]
            squares = ((mine - mine.mean(axis=0)) ** 2).sum(axis=1)
            self.assertAllClose(found["vector"][label], np.sqrt(squares.mean()))
            self.assertLessEqual(found["true"][label], found["vector"][label])

    def test_a_plot(self):
        random = np.random.default_rng(0)
        found = spread.spread_by_category(random.normal(size=[60, 5]), random.integers(5, size=60))
        path = pathlib.Path(self.create_tempdir().full_path) / "plot.png"
        spread.plot({"a": found, "b": found}, path)
        self.assertGreater(path.stat().st_size, 5_000)


if __name__ == "__main__":
    tf.test.main()
