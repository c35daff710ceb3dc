"""Tests of kdcl_tf.evaluation.confusion."""

import csv
import pathlib

import numpy as np
import tensorflow as tf
from sklearn import metrics

from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.evaluation import confusion
from kdcl_tf.objectives import scores
from tests import image_files

# Of the classes 0, 0, 1, 1, 2; the second and the last two are taken for others.
_LOGITS = np.log(
    [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0.9, 0.05, 0.05], [0.5, 0.3, 0.2]]
)
_FOUND = confusion.Predicted(_LOGITS, np.array([0, 0, 1, 1, 2]), np.array([0, 1, 2, 4, 7]))


class MatrixTest(tf.test.TestCase):
    def test_known_numbers(self):
        self.assertAllEqual(confusion.matrix(_FOUND, 3), [[1, 1, 0], [1, 1, 0], [1, 0, 0]])

    def test_it_is_scikit_learns(self):
        rng = np.random.default_rng(0)
        logits, labels = rng.normal(size=[100, 5]), rng.integers(0, 5, 100)
        found = confusion.Predicted(logits, labels, np.arange(100))
        wanted = metrics.confusion_matrix(labels, logits.argmax(1), labels=range(5))
        self.assertAllEqual(confusion.matrix(found, 5), wanted)

    def test_what_is_right_is_right_in_every_analysis(self):
        """Logits of few levels, as of int8, tie; a tie counts as wrong, and so does NaN."""
        logits = np.array([[1, 1], [1, 1], [0, 2], [3, 0], [np.nan, 1], [2, np.nan]])
        found = confusion.Predicted(logits, np.array([0, 1, 1, 0, 0, 0]), np.arange(6))
        counts = confusion.matrix(found, 2)
        self.assertAllEqual(counts, [[1, 3], [1, 1]])
        self.assertEqual(np.trace(counts), scores.hits(found.logits, found.labels).sum())
        wrong = {each.index for each in confusion.mistakes(found._replace(logits=logits[:4],
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

    def test_it_is_drawn(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "plot.png"
        counts = {"one": np.eye(3, dtype=int), "more": np.ones([3, 30], int)}
        names = {"one": list("abc"), "more": [str(n) for n in range(30)]}
        confusion.plot(counts, list("abc"), names, path)
        height, width, _ = tf.io.decode_png(path.read_bytes()).shape
        self.assertGreater(width, 1.8 * height)


class MistakesTest(tf.test.TestCase):
    def test_the_surest_come_first_with_both_probabilities(self):
        first, second, third = confusion.mistakes(_FOUND, 5)
        self.assertEqual((first.index, first.label, first.predicted), (4, 1, 0))
        self.assertAllClose((first.probability, first.of_true), (0.9, 0.05))
        self.assertEqual((second.index, third.index), (1, 7))
        self.assertEqual(confusion.mistakes(_FOUND, 2), [first, second])
        self.assertEqual(confusion.mistakes(_FOUND, 0), [])


class PredictedTest(tf.test.TestCase):
    def _predict(self, images):
        return {"logits": images.reshape([len(images), -1])[:, :3].astype(np.float32)}

    def test_each_image_keeps_its_number_where_some_cannot_be_decoded(self):
        images = np.arange(7 * 4 * 3, dtype=np.uint8).reshape([7, 2, 2, 3])
        good = np.array([1, 1, 0, 1, 0, 0, 1], bool)
        split = ImageSplit(images, np.arange(7), good=good)
        found = confusion.predicted(self._predict, split, 2)
        self.assertAllEqual(found.indices, [0, 1, 3, 6])
        self.assertAllEqual(found.labels, [0, 1, 3, 6])
        self.assertAllEqual(found.logits, images.reshape([7, -1])[[0, 1, 3, 6], :3])

    def test_images_on_disk_are_those_in_memory(self):
        contents = {f"{n}.png": image_files.encode(image_files.photo(n), "PNG") for n in range(5)}
        contents["2.png"] = b"no image"
        split = image_files.split(self.create_tempdir().full_path, contents, skip=True)
        found = confusion.predicted(self._predict, split, 2)
        self.assertAllEqual(found.indices, [0, 1, 3, 4])
        self.assertAllEqual(
            found.logits, confusion.predicted(self._predict, split.decoded(), 3).logits
        )

    def test_a_batch_of_one_is_answered_as_evaluation_answers_it(self):
        seen = []

        def predict(images):
            seen.append(len(images))
            return self._predict(images)

        images = np.arange(5 * 4 * 3, dtype=np.uint8).reshape([5, 2, 2, 3])
        found = confusion.predicted(predict, ImageSplit(images, np.arange(5)), 2)
        # The last image is given twice.
        self.assertEqual(seen, [2, 2, 2])
        self.assertAllEqual(found.logits, images.reshape([5, -1])[:, :3])

    def test_batches_of_bad_images_alone_are_passed_over(self):
        contents = {f"{n}.png": image_files.encode(image_files.photo(n), "PNG") for n in range(6)}
        contents |= {"2.png": b"no image", "3.png": b"none either"}
        split = image_files.split(self.create_tempdir().full_path, contents, skip=True)
        found = confusion.predicted(self._predict, split, 2)
        self.assertAllEqual(found.indices, [0, 1, 4, 5])


if __name__ == "__main__":
    tf.test.main()
