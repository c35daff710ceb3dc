"""Tests of kdcl_tf.evaluation.analyses.categories."""

import pathlib

import numpy as np
import tensorflow as tf

from kdcl_tf.evaluation.analyses import categories


class CategoriesTest(tf.test.TestCase):
    def test_by_hand(self):
        logits = np.array([[2, 1, 0], [0, 3, 1], [5, 4, 0], [0, 1, 0]])
        found = categories.accuracy_by_category(logits, [0, 0, 0, 1])
        self.assertAllClose(found[:2], [2 / 3, 1.0])
        self.assertTrue(np.isnan(found[2]))

    def test_the_mean_over_images_is_the_accuracy(self):
        random = np.random.default_rng(0)
        logits, labels = random.normal(size=[200, 7]), random.integers(7, size=200)
        by_class = categories.accuracy_by_category(logits, labels)
        mean = np.average(by_class, weights=np.bincount(labels, minlength=7))
        self.assertAllClose(mean, np.mean(logits.argmax(axis=1) == labels))

    def test_who_is_better_where(self):
        found = categories.compare(np.array([0.5, 0.2, 0.3, np.nan]), np.array([0.4, 0.6, 0.3, 1]))
        self.assertEqual(
            [found[key] for key in ("first_better", "second_better", "equal")], [1, 1, 1]
        )
        self.assertAllClose(found["difference"][:3], [-0.1, 0.4, 0.0])

    def test_classes_without_an_image_have_no_place_in_the_order(self):
        first, second = np.array([0.5, np.nan, 0.2, np.nan]), np.array([0.9, np.nan, 0.1, 0.3])
        self.assertAllEqual(categories.order(first, second), [2, 0])

    def test_both_ends_of_an_order_have_every_class_once(self):
        for count, expected in ((0, []), (1, [0]), (3, [0, 1, 2]), (5, [0, 1, 3, 4])):
            self.assertAllEqual(categories.extremes(np.arange(count), 2), expected)

    def test_a_plot_of_few_and_of_many_classes(self):
        random = np.random.default_rng(0)
        for classes in (1, 2, 3, 100):
            path = pathlib.Path(self.create_tempdir().full_path) / "plot.png"
            both = {"a": random.random(classes), "b/c": random.random(classes)}
            categories.plot(both, [f"class {index}" for index in range(classes)], path)
            self.assertGreater(path.stat().st_size, 5_000)


if __name__ == "__main__":
    tf.test.main()
