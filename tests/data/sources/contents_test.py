"""Tests of kdcl_tf.data.sources.contents."""

import numpy as np
from absl.testing import absltest

from kdcl_tf.data.sources import contents, source as source_lib


def _source(train, test, names, **others):
    train, test = (source_lib.Labelled(None, np.array(labels)) for labels in (train, test))
    return source_lib.Source(train, test, names, flip=True, **others)


class ToldTest(absltest.TestCase):
    def test_images_classes_and_their_sizes(self):
        source = _source([0] * 1200 + [1] * 3 + [2] * 7, [0, 1, 2, 2], ("cat", "dog", "eel"))
        self.assertEqual(
            contents.told(source),
            "read 1,210 training images and 4 test images of 3 classes, 3 ('dog') to 1,200"
            " ('cat') training images per class",
        )

    def test_classes_without_test_images_and_what_was_passed_over(self):
        passed_over = {"hidden": 1, "with suffix .txt": 3, "with suffix .db": 1}
        source = _source([0, 1, 2], [2], ("cat", "dog", "eel"), passed_over=passed_over)
        self.assertEndsWith(
            contents.told(source),
            "; 2 classes without a test image: 'cat', 'dog'; ignored: 3 with suffix .txt, 1"
            " hidden, 1 with suffix .db",
        )

    def test_for_those_who_only_test_the_numbers_are_left_out(self):
        source = _source([], [2], ("cat", "dog", "eel"), passed_over={"hidden": 1}, told="all told")
        self.assertEqual(
            contents.of_test(source),
            "all told; 2 classes without a test image: 'cat', 'dog'; ignored: 1 hidden",
        )
        self.assertEqual(contents.of_test(_source([], [0], ("cat",))), "")
        self.assertEqual(contents.classes_without("a tail", ("cat",), []), "")

    def test_classes_of_one_size(self):
        told = contents.told(_source([0, 1, 1, 0], [0, 1], ("cat", "dog")))
        expected = (
            "read 4 training images and 2 test images of 2 classes, 2 training images per class"
        )
        self.assertEqual(told, expected)

    def test_a_long_list_is_cut(self):
        names = tuple(f"class {number}" for number in range(1000))
        told = contents.told(_source(range(1000), [999], names))
        self.assertEndsWith(told, "'class 8', 'class 9' and 989 more")
        self.assertIn("999 classes without a test image: 'class 0'", told)
        (told,) = contents.told(_source([0, 1], [0], ("a", "b"))).splitlines()
        self.assertEndsWith(told, "; 1 class without a test image: 'b'")


if __name__ == "__main__":
    absltest.main()
