"""Tests of kdcl_tf.data.storage.files."""

import os

import numpy as np
import tensorflow as tf

from kdcl_tf.data import storage
from tests import image_files


class FilesTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.root = self.get_temp_dir()
        contents = {"a/1.jpg": b"one", "b/zwei ü.jpg": b"two", "b/3.jpg": b""}
        image_files.write(self.root, contents)
        self.files = storage.Files(self.root, np.array([os.fsencode(name) for name in contents]))

    def test_names_and_contents(self):
        self.assertLen(self.files, 3)
        self.assertEqual(self.files.name(1), "b/zwei ü.jpg")
        read = tf.function(self.files.content)
        for index, wanted in enumerate((b"one", b"two", b"")):
            self.assertEqual(self.files.read(index), wanted)
            self.assertEqual(read(tf.constant(index)).numpy(), wanted)

    def test_take(self):
        self.assertEqual(self.files.take(np.array([2, 0])).read(1), b"one")
        self.assertEqual(self.files.take(slice(1, 2)).name(0), "b/zwei ü.jpg")

    def test_a_file_that_is_gone(self):
        os.remove(os.path.join(self.root, "a/1.jpg"))
        with self.assertRaisesRegex(OSError, "a/1.jpg"):
            self.files.read(0)
        with self.assertRaises(tf.errors.NotFoundError):
            self.files.content(tf.constant(0))


if __name__ == "__main__":
    tf.test.main()
