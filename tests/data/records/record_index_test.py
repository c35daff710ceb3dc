"""Tests of kdcl_tf.data.records.record_index; those of tfrecord have more of it."""

import os
import struct
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data import storage
from kdcl_tf.data.records import record_file, record_index
from tests import image_files


def _facts(records):
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "word": tf.io.FixedLenFeature([], tf.string),
    }
    examples = tf.io.parse_example(records, features)
    letters = tf.strings.bytes_split(examples["word"])
    return {"counts_of_letters": letters.row_lengths(), "letters": letters.values}


def _at_once(records):
    return {"at_once": tf.fill([tf.size(records)], tf.size(records))}


def _header(length):
    """That of a record of so many bytes."""
    data = struct.pack("<Q", length)
    checksum = record_file._crc32c(data)
    masked = ((checksum >> 15) | (checksum << 17)) + 0xA282EAD8
    return data + struct.pack("<I", masked & 0xFFFFFFFF)


class LocateTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        image_files.use_own_cache(self)
        self.folder = self.create_tempdir().full_path

    def _write(self, name, words):
        path = os.path.join(self.folder, name)
        records = [
            image_files.example(word.encode() * 9, number, "image", "label", word=word.encode())
            for number, word in enumerate(words)
        ]
        image_files.write_records(path, records)
        return path

    def test_facts_of_any_length_are_put_together_and_kept(self):
        files = [self._write("a", ["one", "", "three"]), self._write("b", ["four"] * 20)]
        calls = []

        def facts(records):
            calls.append(1)
            return _facts(records)

        for _ in range(2):
            images, found = record_index.locate(files, "image", facts, ("letters",))
            self.assertAllEqual(found["counts_of_letters"], [3, 0, 5] + [4] * 20)
            self.assertEqual(b"".join(found["letters"].tolist()), b"onethree" + b"four" * 20)
            self.assertEqual(images.read(2), b"three" * 9)
            self.assertEqual(images.read(22), b"four" * 9)
        self.assertLen(calls, 2)  # Traced once a file; the second time the cache has it.

    def test_a_file_that_is_written_anew_under_its_old_time_is_found_when_it_is_read(self):
        path = self._write("a", ["one", "two"])
        times = os.stat(path)
        record_index.locate([path], "image", _facts, ())
        self._write("a", ["one", "ten"])
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        images, found = record_index.locate([path], "image", _facts, ())
        self.assertEqual(b"".join(found["letters"].tolist()), b"onetwo")
        self.assertEqual(images.read(0), b"one" * 9)
        message = f"file '{path}': expected the records that it had .*; got another record 1:"
        for read in (lambda: images.read(1), lambda: list(images.read_all())):
            with self.assertRaisesRegex(storage.ChangedError, message):
                read()
        with self.assertRaises(tf.errors.InvalidArgumentError):
            tf.function(images.content)(tf.constant(1))
        os.utime(path)
        images, found = record_index.locate([path], "image", _facts, ())
        self.assertEqual(images.read(1), b"ten" * 9)

    @parameterized.parameters(
        (
            2**40,
            100,
            2,
            "past record 2: .*; got a record of 1099511627776 bytes, but the file ends",
        ),
        (
            3 * 10**9,
            3 * 10**9 + 4,
            2,
            r"past record 2: .* bytes, but an example has at most 2147483647",
        ),
        (
            2**64 - 1,
            0,
            0,
            "past record 0: .* got a record of 18446744073709551615 bytes, but the file",
        ),
    )
    def test_no_memory_is_taken_for_a_record_of_any_length(self, length, there, number, message):
        """With a right header: by the checksum of a wrong one TensorFlow finds it itself."""
        path = self._write("a", ["one", "two"][:number])
        with open(path, "ab") as file:
            file.write(_header(length))
            file.truncate(file.tell() + there)
        with self.assertRaisesRegex(
            ValueError, f"^TFRecord file '{path}' cannot be read {message}"
        ):
            record_index.locate([path], "image", _facts, ())

    def test_few_large_records_are_read_at_once(self):
        path = self._write("a", ["four"] * 3)
        (length, *_) = record_index.lengths_of(path)
        for most, expected in ((3 * length, [3, 3, 3]), (3 * length - 1, [2, 2, 1]), (1, [1] * 3)):
            with mock.patch.object(record_index, "_MOST_AT_ONCE", most):
                _, found = record_index.locate([path], "image", _at_once, (most,))
            self.assertAllEqual(found["at_once"], expected)

    def test_a_file_without_records(self):
        images, found = record_index.locate([self._write("a", [])], "image", _facts, ())
        self.assertEmpty(images)
        self.assertEqual(found["counts_of_letters"].dtype, np.int64)
        self.assertEqual(found["letters"].dtype.kind, "S")

    def test_a_record_without_the_features_is_refused(self):
        path = os.path.join(self.folder, "c")
        for record in (image_files.example(b"x", 0, "image", "label"), b""):
            image_files.write_records(path, [record])
            message = f"'{path}' cannot be read past record 0: .*(word|image)"
            with self.assertRaisesRegex(ValueError, message):
                record_index.locate([path], "image", _facts, ())


if __name__ == "__main__":
    tf.test.main()
