"""Tests of kdcl_tf.data.storage."""

import os

import numpy as np
import tensorflow as tf

from kdcl_tf.data import storage
from kdcl_tf.data.sources import tfrecord
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


class TFRecordsTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        image_files.use_own_cache(self)
        self.contents = [bytes([65 + n]) * (1 + 1000 * n) for n in range(5)]
        self.paths = [os.path.join(self.get_temp_dir(), name) for name in ("first", "second")]
        records = [image_files.example(each, 0) for each in self.contents]
        image_files.write_records(self.paths[0], records[:2])
        image_files.write_records(self.paths[1], records[2:])
        self.records, _, _ = tfrecord.read(self.paths, "image/encoded", "image/class/label")

    def test_names_and_contents(self):
        self.assertLen(self.records, 5)
        names = [self.records.name(index) for index in range(5)]
        self.assertEqual(names, ["first#0", "first#1", "second#0", "second#1", "second#2"])
        read = tf.function(self.records.content)
        for index, wanted in enumerate(self.contents):
            self.assertEqual(self.records.read(index), wanted)
            self.assertEqual(read(tf.constant(index)).numpy(), wanted)

    def test_take(self):
        taken = self.records.take(np.array([4, 1]))
        self.assertEqual((taken.name(0), taken.read(1)), ("second#2", self.contents[1]))

    def test_a_file_that_became_shorter(self):
        os.truncate(self.paths[1], os.path.getsize(self.paths[1]) - 900)
        self.assertEqual(self.records.read(3), self.contents[3])
        with self.assertRaisesRegex(OSError, "second ends early: expected 4.* bytes; got 3"):
            self.records.read(4)
        with self.assertRaisesRegex(tf.errors.OpError, "ends early"):
            tf.function(self.records.content)(tf.constant(4))


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
