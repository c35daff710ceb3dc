"""Tests of kdcl_tf.data.sources.tfrecord, on files written here."""

import pathlib
import shutil
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data
from kdcl_tf.data.sources import record_index
from tests import image_files


class TfrecordTestCase(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.get_temp_dir())
        shutil.rmtree(self.root)
        self.folder = self.root / "shards"
        image_files.use_own_cache(self)

    def write(self, split, labels, shards=2, name="{split}-{shard:05d}-of-{shards:05d}", **others):
        """Images of one grey level each, ten times their label; every other one a PNG."""
        for shard in range(shards):
            records = []
            for number, label in list(enumerate(labels))[shard::shards]:
                pixels = np.full([20 + number, 30, 3], 10 * abs(label), np.uint8)
                content = image_files.encode(pixels, ("JPEG", "PNG")[number % 2])
                texts = {key: value(label) for key, value in others.items()}
                records.append(image_files.example(content, label, **texts))
            path = name.format(split=split, shard=shard, shards=shards)
            image_files.write_records(self.folder / path, records)

    def load(self, pattern="", **arguments):
        name = f"tfrecord:{self.folder}{pattern}"
        return data.load(name, distortion="resized_crop", image_size=8, **arguments)

    def levels(self, split):
        """The grey level of each image, over ten."""
        return np.concatenate([np.round(images[:, 0, 0, 0] / 10) for images, _ in split.pixels(3)])

    def assert_refused(self, error, *parts, pattern=""):
        with self.assertRaises(error) as raised:
            self.load(pattern)
        self.assertNotIn("\n", str(raised.exception))
        for part in parts:
            self.assertIn(part, str(raised.exception))


class IndexTest(TfrecordTestCase):
    @parameterized.parameters("", "/*-of-*")
    def test_shards_of_a_folder_and_of_a_pattern(self, pattern):
        self.write("train", [0, 1, 2, 3, 0, 1, 2], shards=3)
        self.write("validation", [3, 1], shards=1)
        (self.folder / "notes.txt").write_text("no shard")
        dataset = self.load(pattern)
        self.assertAllEqual(dataset.train.labels, [0, 3, 2, 1, 0, 2, 1])
        self.assertAllEqual(self.levels(dataset.train), dataset.train.labels)
        self.assertAllEqual(self.levels(dataset.test), [3, 1])
        self.assertEqual(dataset.train.images.name(3), "train-00001-of-00003#0")
        self.assertEqual(dataset.class_names, ("0", "1", "2", "3"))
        self.assertEqual(dataset.image_shape, (8, 8, 3))
        self.assertEqual(dataset.summary()["distortion"], "resized_crop")

    def test_labels_from_1_are_lowered_and_shown_in_the_names(self):
        self.write("train", [1, 2, 3, 1])
        self.write("test", [2, 3])
        dataset = self.load()
        self.assertEqual(dataset.class_names, ("1", "2", "3"))
        self.assertAllEqual(self.levels(dataset.train), dataset.train.labels + 1)
        self.assertAllEqual(dataset.test.labels, [1, 2])

    def test_classes_are_named_by_their_synsets(self):
        for split in ("train", "val"):
            self.write(split, [1, 2, 1], image__class__synset=lambda label: b"n%08d" % label)
        self.assertEqual(self.load().class_names, ("n00000001", "n00000002"))

    def test_names_of_tfds_and_its_features(self):
        for split in ("train", "test"):
            records = [
                image_files.example(image_files.encode(image_files.photo(n)), n, "image", "label")
                for n in range(2)
            ]
            path = self.folder / f"photos-{split}.tfrecord-00000-of-00001"
            image_files.write_records(path, records)
        self.assertAllEqual(self.load().train.labels, [0, 1])

    def test_held_out_images_are_listed(self):
        self.write("train", [0, 1] * 4)
        self.write("test", [0, 1])
        dataset = self.load(holdout_per_class=2)
        self.assertAllEqual(np.bincount(dataset.held_out.labels), [2, 2])
        lines = dataset.held_out.listing().splitlines()
        self.assertRegex(lines[0], r"^train-0000\d-of-00002#\d\t0$")
        names = {dataset.train.images.name(index) for index in range(4)}
        self.assertEmpty(names & {line.split("\t")[0] for line in lines})

    def test_the_pass_is_made_once(self):
        self.write("train", [0, 1])
        self.write("test", [0, 1])
        first = self.load()
        with mock.patch.object(record_index, "_read_file", side_effect=AssertionError):
            self.assertAllEqual(self.levels(self.load().train), self.levels(first.train))


class RefusedTest(TfrecordTestCase):
    def test_no_files(self):
        self.assert_refused(FileNotFoundError, "expected a folder of TFRecord files, or a pattern", "got no files")

    def test_no_split(self):
        self.write("train", [0, 1])
        self.assert_refused(FileNotFoundError, "got 2 files", "test or validation or val")

    def test_a_missing_shard(self):
        self.write("train", [0, 1, 0, 1], shards=4)
        self.write("test", [0, 1])
        (self.folder / "train-00002-of-00004").unlink()
        self.assert_refused(FileNotFoundError, "expected all 4 shards; got 3", "missing is number 2")

    def test_other_features(self):
        self.write("test", [0, 1])
        record = image_files.example(b"", 0, "picture", "class")
        image_files.write_records(self.folder / "train-00000-of-00001", [record])
        self.assert_refused(ValueError, "expected features image/encoded and", "got features class, picture")

    def test_other_records(self):
        self.write("test", [0, 1])
        image_files.write_records(self.folder / "train", [b"\xff no protocol buffer"])
        self.assert_refused(ValueError, "train' is no TFRecord file of labelled images")

    @parameterized.parameters(("cut",), ("changed",))
    def test_damage_is_found_in_the_pass(self, kind):
        self.write("train", [0, 1] * 20)
        self.write("test", [0, 1])
        path = self.folder / "train-00001-of-00002"
        content = bytearray(path.read_bytes())
        content[-100] ^= 1
        path.write_bytes(content[:-50] if kind == "cut" else content)
        self.assert_refused(ValueError, f"'{path}' cannot be read past record 16", "undamaged")

    @parameterized.parameters(
        ([0, 2], "got 2 from 0 to 2, none of 1"),
        ([2, 3], "got 2 from 2 to 3"),
        ([-1, 0, 1], "got 3 from -1 to 1"),
    )
    def test_labels_that_could_mean_more_than_one_thing(self, labels, message):
        self.write("train", labels)
        self.write("test", [1])
        self.assert_refused(ValueError, message, "expected every number from 0, or from 1")

    def test_a_test_label_that_training_does_not_have(self):
        self.write("train", [1, 2])
        self.write("test", [0, 1])
        self.assert_refused(ValueError, "expected 0..1; got -1 at example 0 of test")


if __name__ == "__main__":
    tf.test.main()
