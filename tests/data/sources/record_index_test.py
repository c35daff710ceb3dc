"""Tests of kdcl_tf.data.sources.record_index; those of tfrecord have more of it."""

import os

import numpy as np
import tensorflow as tf

from kdcl_tf.data import storage
from kdcl_tf.data.sources import record_index
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


class LocateTest(tf.test.TestCase):
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

    def test_a_file_without_records(self):
        images, found = record_index.locate([self._write("a", [])], "image", _facts, ())
        self.assertEmpty(images)
        self.assertEqual(found["counts_of_letters"].dtype, np.int64)
        self.assertEqual(found["letters"].dtype.kind, "S")

    def test_a_record_without_the_features_is_refused(self):
        path = os.path.join(self.folder, "c")
        image_files.write_records(path, [image_files.example(b"x", 0, "image", "label")])
        with self.assertRaisesRegex(ValueError, f"'{path}' cannot be read past record 0: .*word"):
            record_index.locate([path], "image", _facts, ())


if __name__ == "__main__":
    tf.test.main()
