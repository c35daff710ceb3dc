"""Tests of kdcl_tf.evaluation.analyses.confusion."""

import csv
import pathlib

import numpy as np
import tensorflow as tf
from sklearn import metrics

from kdcl_tf.evaluation.analyses import confusion, predictions
from kdcl_tf.objectives import scores

# Of the classes 0, 0, 1, 1, 2; the second and the last two are taken for others.
_LOGITS = np.log(
    [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0.9, 0.05, 0.05], [0.5, 0.3, 0.2]]
)
_FOUND = predictions.Predicted(_LOGITS, np.array([0, 0, 1, 1, 2]), np.array([0, 1, 2, 4, 7]))


class MatrixTest(tf.test.TestCase):
    def test_known_numbers(self):
        self.assertAllEqual(confusion.matrix(_FOUND, 3), [[1, 1, 0], [1, 1, 0], [1, 0, 0]])

    def test_it_is_scikit_learns(self):
        rng = np.random.default_rng(0)
        logits, labels = rng.normal(size=[100, 5]), rng.integers(0, 5, 100)
        found = predictions.Predicted(logits, labels, np.arange(100))
        wanted = metrics.confusion_matrix(labels, logits.argmax(1), labels=range(5))
        self.assertAllEqual(confusion.matrix(found, 5), wanted)

    def test_what_is_right_is_right_in_every_analysis(self):
        """Logits of few levels, as of int8, tie; a tie counts as wrong, and so does NaN."""
        logits = np.array([[1, 1], [1, 1], [0, 2], [3, 0], [np.nan, 1], [2, np.nan]])
        found = predictions.Predicted(logits, np.array([0, 1, 1, 0, 0, 0]), np.arange(6))
        counts = confusion.matrix(found, 2)
        self.assertAllEqual(counts, [[1, 3], [1, 1]])
        self.assertEqual(np.trace(counts), scores.hits(found.logits, found.labels).sum())
        wrong = {each.index for each in predictions.mistakes(found._replace(logits=logits[:4],
                 labels=found.labels[:4], indices=found.indices[:4]), 9)}  # fmt: skip
        self.assertEqual(wrong, {0, 1})

    def test_classes_that_only_the_student_knows_are_columns(self):
        found = _FOUND._replace(labels=np.array([0, 0, 1, 1, 0]))
        self.assertAllEqual(confusion.matrix(found, 2), [[2, 1, 0], [1, 1, 0]])

    def test_the_table_can_be_read_again(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "table.csv"
        names = ["a", "b, with a comma", 'c "quoted"']
        confusion.write_csv(confusion.matrix(_FOUND, 3), names, names, path)
        with open(path, newline="", encoding="utf-8") as file:
            head, *rows = csv.reader(file)
        self.assertEqual(head[1:], names)
        self.assertEqual([row[0] for row in rows], names)
        self.assertEqual(
            [row[1:] for row in rows], [["1", "1", "0"], ["1", "1", "0"], ["1", "0", "0"]]
        )

    def test_without_a_mistake_none_is_announced(self):
        names = ("a", "b")
        head = "one: 5 of 5 images right"
        self.assertEqual(confusion._confusions("one", np.diag([2, 3]), names, names), head)
        some = confusion._confusions("one", np.array([[2, 1], [0, 2]]), names, names)
        self.assertEqual(
            some.splitlines(),
            [
                "one: 4 of 5 images right; most often taken for another:",
                "       1 of 3 a taken for b",
            ],
        )

    def test_it_is_drawn(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "plot.png"
        counts = {"one": np.eye(3, dtype=int), "more": np.ones([3, 30], int)}
        names = {"one": list("abc"), "more": [str(n) for n in range(30)]}
        confusion.plot(counts, list("abc"), names, path)
        height, width, _ = tf.io.decode_png(path.read_bytes()).shape
        self.assertGreater(width, 1.8 * height)


if __name__ == "__main__":
    tf.test.main()
