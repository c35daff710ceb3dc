"""Tests of kdcl_tf.data.storage.memory."""

import os

import numpy as np
import tensorflow as tf

from kdcl_tf.data import storage
from kdcl_tf.data.sources import tfrecord
from tests import image_files


class InMemoryTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        image_files.use_own_cache(self)
        self.root = self.create_tempdir().full_path

    def _assert_same(self, held, wanted):
        self.assertEqual(len(held), len(wanted))
        read = tf.function(held.content)
        for index in range(len(wanted)):
            self.assertEqual(held.name(index), wanted.name(index))
            self.assertEqual(held.read(index), wanted.read(index))
            self.assertEqual(read(tf.constant(index)).numpy(), wanted.read(index))

    def test_files_and_records_are_held_as_they_are(self):
        contents = {f"{number}.png": bytes([number]) * (1 + 9 * number) for number in range(5)}
        image_files.write(self.root, contents)
        files = storage.Files(self.root, np.array([os.fsencode(name) for name in contents]))
        path = os.path.join(self.root, "train")
        image_files.write_records(path, [image_files.example(c, 0) for c in contents.values()])
        records, _, _ = tfrecord.read([path], "image/encoded", "image/class/label")
        for images in (files, records):
            held = storage.held(images)
            self._assert_same(held, images)
            self._assert_same(held.take(np.array([4, 2])), images.take(np.array([4, 2])))
            self._assert_same(held.take(slice(1)), images.take(slice(1)))
            self.assertIs(storage.held(held), held)
            self.assertEqual(held.size(0), sum(map(len, contents.values())))
        self.assertEqual(files.size(1000), 95)
        self.assertEqual(files.size(10), 11)
        self.assertEmpty(storage.held(files.take([])).take([]))

    def test_what_cannot_be_read_is_empty_and_says_why_when_asked(self):
        image_files.write(self.root, {"a.png": b"a"})
        held = storage.held(storage.Files(self.root, np.array([b"a.png", b"gone.png"])))
        self.assertEqual(held.read(0), b"a")
        self.assertEqual(held.content(tf.constant(1)), b"")
        with self.assertRaisesRegex(OSError, "gone.png"):
            held.read(1)

    def test_pixels_are_encoded_without_loss(self):
        pixels = np.random.default_rng(0).integers(0, 256, [4, 5, 6, 3]).astype(np.uint8)
        images = storage.Pixels(pixels, storage.Numbered("noise", np.arange(4)))
        self.assertIs(storage.held(images), images)
        taken = images.take([3, 1])
        self.assertEqual(taken.name(0), "noise#3")
        read = tf.function(taken.content)
        for index, number in enumerate((3, 1)):
            self.assertAllEqual(tf.io.decode_png(taken.read(index)), pixels[number])
            self.assertAllEqual(tf.io.decode_png(read(tf.constant(index))), pixels[number])


if __name__ == "__main__":
    tf.test.main()
