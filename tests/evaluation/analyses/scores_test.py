"""Tests of kdcl_tf.evaluation.analyses.scores."""

import pathlib

import numpy as np
import tensorflow as tf

from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.evaluation.analyses import scores
from kdcl_tf.evaluation.loaded import LoadedStudent


def _student(name, classes):
    """Takes an image for the class that its first pixel names, and one of class 9 for class 0."""

    def predict(images):
        found = images.reshape([len(images), -1])[:, 0].astype(int)
        return {"logits": 5 * np.eye(classes)[np.where(found == 9, 0, found % classes)]}

    card = {"class_names": [str(label) for label in range(classes)]}
    return LoadedStudent(name, pathlib.Path(name), predict, card)


def _split(labels):
    images = np.zeros([len(labels), 2, 2, 1], np.uint8)
    images[:, 0, 0, 0] = labels
    return images, np.array(labels)


class ScoresTest(tf.test.TestCase):
    def test_a_line_for_each_student(self):
        split = ImageSplit(*_split([0, 1, 2, 3]))
        found = scores.analyse([_student("one", 4), _student("another", 4)], split, 3)
        head, *lines = found.text.splitlines()
        self.assertEqual(head.split(), ["student", "top-1", "NLL", "ECE", "images"])
        self.assertEqual([line.split()[:2] for line in lines],
                         [["one", "100.00%"], ["another", "100.00%"]])  # fmt: skip
        self.assertEqual(found.numbers["one"]["examples"], 4)
        self.assertAllClose(found.numbers["one"]["nll"], np.log1p(3 * np.exp(-5)))

    def test_balanced_accuracy_where_classes_differ_in_size_and_top_5_of_more_than_five(self):
        split = ImageSplit(*_split([9, 9, 9, *range(9)]))
        found = scores.analyse([_student("one", 10)], split, 5)
        head, line = found.text.splitlines()
        self.assertEqual(head.split()[1:4], ["top-1", "balanced", "top-5"])
        self.assertEqual(line.split()[1:3], ["75.00%", "90.00%"])


if __name__ == "__main__":
    tf.test.main()
