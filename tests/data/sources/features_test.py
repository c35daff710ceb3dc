"""Tests of kdcl_tf.data.sources.features."""

import tensorflow as tf
from absl.testing import absltest, parameterized

from kdcl_tf.data.sources import features
from tests import image_files

_IMAGENET, _TFDS = features.KNOWN


class KeysTest(parameterized.TestCase):
    def test_names_that_are_given_take_the_place_of_the_usual_ones(self):
        self.assertEqual(features.candidates(), features.KNOWN)
        both = features.candidates("x", "y")
        self.assertEqual(both, (("x", "y", ""),))
        one = features.candidates(label_key="y")
        self.assertEqual([each[:2] for each in one], [("image/encoded", "y"), ("image", "y")])

    @parameterized.parameters(
        (("image/encoded", "image/class/label"), (None, None), _IMAGENET),
        (("image", "label"), (None, None), _TFDS),
        (("image", "fine"), (None, "fine"), ("image", "fine", "")),
        (("jpeg", "class"), ("jpeg", "class"), ("jpeg", "class", "")),
    )
    def test_those_that_a_record_has(self, names, given, expected):
        record = image_files.example(b"x", 1, *names)
        self.assertEqual(features.keys_of("file", record, *given), expected)

    def test_others_are_told(self):
        record = image_files.example(b"x", 1, "jpeg", "class")
        message = (
            "expected features image/encoded and image/class/label or image and label; got features"
            " class, jpeg: pass tfrecord_image_key=NAME, or pass tfrecord_label_key=NAME"
        )
        with self.assertRaisesRegex(ValueError, message):
            features.keys_of("file", record, None, None)
        with self.assertRaisesRegex(ValueError, "expected features x and y; got features"):
            features.keys_of("file", record, "x", "y")
        with self.assertRaisesRegex(ValueError, "'file' is no .*: expected tf.train.Examples"):
            features.keys_of("file", b"\xff no example", None, None)

    def test_a_label_in_the_place_of_the_image(self):
        record = image_files.example(b"x", 1)
        message = (
            "feature image/class/label: expected one string, an encoded image; got 1 integer .1."
        )
        with self.assertRaisesRegex(ValueError, message):
            features.keys_of("file", record, "image/class/label", None)


class CheckTest(absltest.TestCase):
    def test_one_image_and_one_label_pass_and_several_names_do_not(self):
        record = image_files.example(b"x", 1, image__class__synset=b"n1")
        self.assertIsNone(features.check("file", 3, record, _IMAGENET))
        example = tf.train.Example.FromString(record)
        example.features.feature["image/class/synset"].bytes_list.value.append(b"n2")
        message = "record 3 of 'file': feature image/class/synset: expected one string, the name"
        with self.assertRaisesRegex(ValueError, message):
            features.check("file", 3, example.SerializeToString(), _IMAGENET)


if __name__ == "__main__":
    absltest.main()
