"""Tests of kdcl_tf.data.storage.records."""

import os
from unittest import mock

import numpy as np
import tensorflow as tf

from kdcl_tf.data import digests
from kdcl_tf.data.sources import tfrecord
from kdcl_tf.data.storage import records as records_lib
from tests import image_files


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

    def test_files_of_one_name_are_told_by_their_folders(self):
        paths = [os.path.join(self.get_temp_dir(), each) for each in ("a/x/t", "a/y/t", "a/y/u")]
        for path in paths:
            image_files.write_records(path, [image_files.example(b"same", 0)])
        records, _, _ = tfrecord.read(paths, "image/encoded", "image/class/label")
        self.assertEqual([records.name(index) for index in range(3)], ["x/t#0", "y/t#0", "y/u#0"])
        self.assertEqual(records.take(np.array([1])).name(0), "y/t#0")
        parts = (records.take(np.array([index])) for index in range(2))
        self.assertLen({part.digest()["names"] for part in parts}, 2)

    def test_files_of_different_names_are_told_by_these_wherever_they_are(self):
        digest = self.records.digest()
        numbers = np.array([0, 1, 0, 1, 2], np.int32).tobytes()
        names = [b"first"] * 2 + [b"second"] * 3
        self.assertEqual(digest["names"], digests.of_parts([*names, numbers]))
        moved = os.path.join(self.get_temp_dir(), "moved", "second")
        os.makedirs(os.path.dirname(moved), exist_ok=True)
        os.rename(self.paths[1], moved)
        keys = "image/encoded", "image/class/label"
        records, _, _ = tfrecord.read([self.paths[0], moved], *keys)
        self.assertEqual(records.digest(), digest)

    def test_take(self):
        taken = self.records.take(np.array([4, 1]))
        self.assertEqual((taken.name(0), taken.read(1)), ("second#2", self.contents[1]))

    def test_all_are_read_in_order_not_many_bytes_at_once(self):
        self.assertEqual([*self.records.read_all()], self.contents)
        lengths = self.records.lengths
        for most, sizes in ((1, [1] * 5), (int(lengths[:3].sum()), [3, 1, 1]), (10**6, [5])):
            with mock.patch.object(records_lib, "_MOST_AT_ONCE", most):
                self.assertEqual([len(each) for each in self.records._chunks()], sizes)
                self.assertEqual([*self.records.read_all()], self.contents)
        with mock.patch.object(records_lib, "_READ_AT_ONCE", 2):
            self.assertEqual([len(each) for each in self.records._chunks()], [2, 2, 1])

    def test_a_file_that_became_shorter(self):
        os.truncate(self.paths[1], os.path.getsize(self.paths[1]) - 900)
        self.assertEqual(self.records.read(3), self.contents[3])
        with self.assertRaisesRegex(OSError, "second ends early: expected 4.* bytes; got 3"):
            self.records.read(4)
        with self.assertRaisesRegex(tf.errors.OpError, "ends early"):
            tf.function(self.records.content)(tf.constant(4))


if __name__ == "__main__":
    tf.test.main()
