"""Tests of kdcl_tf.data.sources.source."""

import numpy as np
import tensorflow as tf

from kdcl_tf.data import storage
from kdcl_tf.data.sources import source


class LabelledTest(tf.test.TestCase):
    def test_take(self):
        files = storage.Files("/nowhere", np.array([b"a", b"b", b"c"]))
        taken = source.Labelled(files, np.arange(3)).take(np.array([2, 0]))
        self.assertLen(taken, 2)
        self.assertEqual((taken.images.name(0), taken.labels.tolist()), ("c", [2, 0]))


class ChecksTest(tf.test.TestCase):
    def test_labels(self):
        labels = np.array([0, 4, 2, 7, -1])
        source.check_labels("train", labels[:3], 5)
        message = "labels out of range: expected 0..4; got 7 at example 3 of train"
        with self.assertRaisesRegex(ValueError, message):
            source.check_labels("train", labels, 5)

    def test_class_names(self):
        good = ("cat", "naïve dog", "犬", "a\\b", "a, b", " ")
        source.check_class_names(good)
        for bad, shown in (("a\nb", r"a\\nb"), ("a\tb", r"a\\tb"), ("", ""), ("\udcff", r"\\xff")):
            with self.assertRaisesRegex(ValueError, f"class names: .*; got '{shown}': rename"):
                source.check_class_names((*good, bad))


if __name__ == "__main__":
    tf.test.main()
