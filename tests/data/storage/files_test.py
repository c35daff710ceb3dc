"""Tests of kdcl_tf.data.storage.files."""

import os
from unittest import mock

import numpy as np
import tensorflow as tf

from kdcl_tf.data import digests, storage
from kdcl_tf.files import identity
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

    def test_the_digest_tells_how_names_are_composed_where_they_are_not(self):
        names = ["a.jpg", "\u00fc.jpg", "\udcff.jpg"]
        digest = self._digest(names)
        # SHA-256 of their lengths and bytes, as runs of before have it.
        wanted = digests.of_parts([b"a.jpg", b"\xc3\xbc.jpg", b"\xff.jpg"])
        self.assertEqual(digest, {"names": wanted})
        apart = self._digest(["a.jpg", "u\u0308.jpg", "\udcff.jpg"])
        self.assertEqual(apart["composed_names"], digest["names"])
        self.assertNotEqual(apart["names"], digest["names"])
        self.assertEqual(identity.data_changes({"train": digest}, {"train": apart}), "")
        other = self._digest(["a.jpg", "u\u0309.jpg", "\udcff.jpg"])
        self.assertEqual(
            identity.data_changes({"train": digest}, {"train": other}), "train names differ"
        )

    def _digest(self, names):
        return storage.Files("", np.array([os.fsencode(name) for name in names])).digest()

    def test_all_are_read_in_order_a_few_ahead_of_who_takes_them(self):
        names = [f"{number:03}.jpg" for number in range(200)]
        image_files.write(self.root, {name: name.encode() for name in names})
        files = storage.Files(self.root, np.array([os.fsencode(name) for name in names]))
        opened = []

        def read(self, index):
            opened.append(index)
            return f"{index:03}.jpg".encode()

        with mock.patch.object(storage.Files, "read", read):
            found = []
            for number, content in enumerate(files.read_all(), start=1):
                found.append(content.decode())
                self.assertLessEqual(len(opened), number + 2 * os.cpu_count() + 1)
        self.assertEqual(found, names)
        self.assertEqual([each.decode() for each in files.read_all()], names)

    def test_a_file_that_is_gone(self):
        os.remove(os.path.join(self.root, "a/1.jpg"))
        with self.assertRaisesRegex(OSError, "a/1.jpg"):
            self.files.read(0)
        with self.assertRaises(tf.errors.NotFoundError):
            self.files.content(tf.constant(0))


if __name__ == "__main__":
    tf.test.main()
