"""Tests of kdcl_tf.data.sources.tfrecord, on files written here."""

import os
import pathlib
import shutil
import subprocess
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data
from kdcl_tf.data.bad_images import told_in_one_line
from kdcl_tf.data.records import record_index
from tests import image_files


def features_example(values):
    """A serialised example of features `{name: [values]}` of any kinds."""
    example = tf.train.Example()
    for name, several in values.items():
        feature = example.features.feature[name]
        kinds = {bytes: feature.bytes_list, float: feature.float_list, int: feature.int64_list}
        for value in several:
            kinds[type(value)].value.append(value)
    return example.SerializeToString()


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
                pixels = np.full([20 + number, 30, 3], 10 * abs(label) % 256, np.uint8)
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
        self.assertEqual(
            dataset.notes[0],
            "read 7 training images and 2 test images of 4 classes, 1 ('3') to 2 ('0') training"
            " images per class; 2 classes without a test image: '0', '2'"
            + ("" if pattern else "; ignored: 1 without records"),
        )

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

    def test_a_class_has_the_name_of_most_of_its_images(self):
        names = iter([b"dog", b"dog", b"cat", b"cat", b"cat", b"dog"] * 2)
        for split in ("train", "val"):
            labels = [0, 1, 0, 0, 1, 1]
            self.write(split, labels, 1, image__class__synset=lambda label: next(names))
        self.assertEqual(self.load().class_names, ("cat", "dog"))

    def test_the_names_of_other_classes_are_none_of_a_label_that_is_given(self):
        fine = ["n3", "n1", "n2", "n4"]
        for split in ("train", "test"):
            records = []
            for number, name in enumerate(fine):
                photo = image_files.encode(image_files.photo(number))
                record = image_files.example(photo, number, image__class__synset=name.encode())
                example = tf.train.Example.FromString(record)
                coarse = example.features.feature["image/superclass"]
                coarse.int64_list.value.append(number // 2)
                records.append(example.SerializeToString())
            image_files.write_records(self.folder / f"{split}.tfrecord", records)
        self.assertEqual(self.load().class_names, tuple(fine))
        coarse = self.load(tfrecord_label_key="image/superclass")
        self.assertEqual(coarse.class_names, ("0", "1"))
        self.assertAllEqual(coarse.train.labels, [0, 0, 1, 1])

    def test_names_of_tfds_and_its_features(self):
        for split in ("train", "test"):
            records = [
                image_files.example(image_files.encode(image_files.photo(n)), n, "image", "label")
                for n in range(2)
            ]
            path = self.folder / f"photos-{split}.tfrecord-00000-of-00001"
            image_files.write_records(path, records)
        self.assertAllEqual(self.load().train.labels, [0, 1])

    @parameterized.parameters("crash_test-{}", "train_test_split_{}", "toy-train-{}", "train-{}")
    def test_a_set_whose_own_name_has_a_word_for_a_split(self, name):
        for split, labels in (("train", [0, 1, 2]), ("test", [2, 1])):
            self.write(split, labels, 1, name.format(split) + ".tfrecord-00000-of-00001")
        dataset = self.load()
        self.assertAllEqual(self.levels(dataset.train), [0, 1, 2])
        self.assertAllEqual(self.levels(dataset.test), [2, 1])
        train, test = (
            {split.images.name(index) for index in range(len(split))}
            for split in (dataset.train, dataset.test)
        )
        self.assertEmpty(train & test)
        self.assertNotIn("ignored", dataset.notes[0])

    def test_bad_images_of_files_of_one_name_are_counted_each(self):
        for part in "ab":
            bad = image_files.example(b"no image", 1)
            good = [
                image_files.example(image_files.encode(image_files.photo(n)), n) for n in (0, 1)
            ]
            image_files.write_records(self.folder / part / "train-0-of-1", [bad, *good])
        image_files.write_records(self.folder / "a" / "test-0-of-1", good)
        dataset = self.load("/*/*-of-*", storage="disk", skip_bad_images=True)
        self.assertEqual(sum(len(labels) for _, labels in dataset.train.pixels(6)), 4)
        self.assertEqual(sorted(dataset.bad_images.found), ["a/train-0-of-1#0", "b/train-0-of-1#0"])

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

    def test_a_first_shard_without_records(self):
        self.write("train", [0, 1])
        self.write("test", [0, 1])
        (self.folder / "train-00000-of-00002").rename(self.folder / "train-00001-of-00003")
        (self.folder / "train-00001-of-00002").rename(self.folder / "train-00002-of-00003")
        (self.folder / "train-00000-of-00003").write_bytes(b"")
        self.assertAllEqual(self.load().train.labels, [0, 1])

    def test_files_are_read_whatever_they_are_called(self):
        self.write("test", [0, 1], 1)
        self.write("train", [0, 1], 1)
        name = b"train \xff\n\xe2\x80\xa8-0-of-1"
        (self.folder / "train-00000-of-00001").rename(self.folder / os.fsdecode(name))
        dataset = self.load()
        self.assertAllEqual(self.levels(dataset.train), [0, 1])
        self.assertEqual(dataset.train.images.name(1), r"train \xff\n\u2028-0-of-1#1")

    def test_features_by_their_names(self):
        for split in ("train", "test"):
            records = [
                image_files.example(image_files.encode(image_files.photo(n)), n, "picture", "class")
                for n in range(2)
            ]
            image_files.write_records(self.folder / split, records)
        keys = {"tfrecord_image_key": "picture", "tfrecord_label_key": "class"}
        self.assertAllEqual(self.load(**keys).train.labels, [0, 1])
        with self.assertRaisesRegex(ValueError, "expected features picture and image/class/label"):
            self.load(tfrecord_image_key="picture")
        with self.assertRaisesRegex(
            ValueError, "tfrecord_label_key=y: expected a data set tfrecord"
        ):
            data.load("digits", tfrecord_label_key="y")

    @parameterized.product(distortion=("padded_crop", "resized_crop"), where=("memory", "disk"))
    def test_labels_that_changed_under_the_old_time_are_found(self, distortion, where):
        """Bad images may be left out, but never is a set read whose labels are of other images."""
        content = image_files.encode(image_files.photo())
        one, two = (image_files.example(content, label) for label in (0, 1))
        path = self.folder / "train"
        image_files.write_records(self.folder / "test", [one, two])
        image_files.write_records(path, [one, two] * 3)
        times, name = path.stat(), f"tfrecord:{self.folder}"
        arguments = {"distortion": distortion, "image_size": 8, "skip_bad_images": True}
        data.load(name, storage=where, **arguments)
        image_files.write_records(path, [two, one] * 3)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.assertEqual(path.stat().st_size, times.st_size)
        with self.assertRaisesRegex(
            (ValueError, OSError), f"^TFRecord file '{path}': expected the"
        ):
            dataset = data.load(name, storage=where, **arguments)
            with told_in_one_line():
                list(data.create_views(dataset, ("a",), seed=0).epoch(0, 3))


class RefusedTest(TfrecordTestCase):
    def test_no_files(self):
        message = "expected a folder of TFRecord files, or a pattern"
        self.assert_refused(FileNotFoundError, message, "got no files")

    def test_no_split(self):
        self.write("train", [0, 1])
        message = "with test or validation or val in their names; got 2 others"
        self.assert_refused(FileNotFoundError, message)

    def test_files_to_train_on_are_needed_even_for_an_evaluation(self):
        self.write("test", [0, 1], 1)
        message = "with train in their names, since the labels of training images tell the classes"
        with self.assertRaisesRegex(FileNotFoundError, f"{message}; got 1 others such as 'test-"):
            self.load(needs_train=False)

    def test_a_file_of_two_splits(self):
        self.write("train_test", [0, 1], 1)
        self.assert_refused(
            ValueError, "train_test-00000-of-00001': expected a name that tells one"
        )

    def test_a_missing_shard(self):
        self.write("train", [0, 1, 0, 1], shards=4)
        self.write("test", [0, 1])
        (self.folder / "train-00002-of-00004").unlink()
        self.assert_refused(FileNotFoundError, "expected all 4 shards; got 3, without number 2")

    def test_other_features(self):
        self.write("test", [0, 1])
        record = image_files.example(b"", 0, "picture", "class")
        image_files.write_records(self.folder / "train-00000-of-00001", [record])
        message = "expected features image/encoded and"
        self.assert_refused(ValueError, message, "got features class, picture")

    def test_other_records(self):
        self.write("test", [0, 1])
        image_files.write_records(self.folder / "train", [b"\xff no protocol buffer"])
        self.assert_refused(ValueError, "train' is no TFRecord file of labelled images")

    def test_two_shardings_in_one_folder(self):
        self.write("train", [0, 1, 0, 1], shards=2)
        self.write("train", [0, 1, 0, 1], shards=4)
        self.write("test", [0, 1])
        self.assert_refused(
            ValueError, "train' ...: expected files of one", "2 shards and 4 shards"
        )

    @parameterized.parameters(
        ([b"cat"], "1 string (b'cat')"),
        ([0.5], "1 float (0.5)"),
        ([1, 2, 3], "3 integers (1, 2, ...)"),
        ([], "nothing"),
    )
    def test_labels_of_another_kind_in_the_first_record_and_in_a_later_one(self, values, got):
        good = image_files.example(image_files.encode(image_files.photo(0)), 1)
        bad = features_example({"image/encoded": [b"x"], "image/class/label": values})
        self.write("test", [0, 1])
        image_files.write_records(self.folder / "train", [bad, good])
        words = f"feature image/class/label: expected one integer, a label; got {got}"
        self.assert_refused(ValueError, f"train': {words}")
        image_files.write_records(self.folder / "train", [good] * 20 + [bad])
        self.assert_refused(ValueError, f"record 20 of '{self.folder}/train': {words}")

    def test_an_image_that_is_missing_in_a_later_record(self):
        self.write("train", [0, 1])
        good = image_files.example(image_files.encode(image_files.photo(0)), 1)
        bad = features_example({"image/class/label": [1]})
        image_files.write_records(self.folder / "test", [good, bad])
        self.assert_refused(
            ValueError,
            f"record 1 of '{self.folder}/test': expected feature image/encoded; got"
            " image/class/label",
        )

    @parameterized.parameters(1, 11)
    def test_a_few_bytes_after_the_last_record(self, count):
        """As a file has that was cut inside a record's header: TensorFlow passes over them."""
        self.write("train", [0, 1] * 2)
        self.write("test", [0, 1])
        path = self.folder / "train-00001-of-00002"
        path.write_bytes(path.read_bytes() + bytes(count))
        message = f"'{path}': expected it to end after 2 records; got {count} more"
        self.assert_refused(ValueError, message)

    def test_a_file_that_is_cut_inside_its_first_header(self):
        self.write("train", [0, 1] * 2)
        self.write("test", [0, 1])
        path = self.folder / "train-00000-of-00002"
        path.write_bytes(path.read_bytes()[:7])
        self.assert_refused(ValueError, f"'{path}': expected records; got 7 bytes that")

    @parameterized.parameters("GZIP", "ZLIB")
    def test_compressed_files_are_refused_with_the_command_that_rewrites_them(self, compression):
        self.write("train", [0, 1])
        self.write("test", [0, 1])
        (self.folder / "test-00000-of-00002").rename(self.folder / "test it's 00000-of-00002")
        (self.folder / "test-00001-of-00002").rename(self.folder / "test it's 00001-of-00002")
        plain = self.load()
        for path in self.folder.iterdir():
            records = [each.numpy() for each in tf.data.TFRecordDataset(str(path))]
            with tf.io.TFRecordWriter(str(path), compression) as writer:
                for record in records:
                    writer.write(record)
        for others in (1, 0, 1, 0):  # Of train, and then of test.
            with self.assertRaises(ValueError) as raised:
                self.load()
            told, command = str(raised.exception).split(" Rewrite it: ")
            more = f" (and {others} more)" if others else ""
            self.assertEndsWith(told, f"got one that {compression.lower()} has compressed{more}.")
            subprocess.run(command, shell=True, check=True)
        self.assertAllEqual(self.levels(self.load().train), self.levels(plain.train))

    @parameterized.parameters(("cut", 19), ("changed", 16))
    def test_damage_is_found_in_the_pass(self, kind, count):
        self.write("train", [0, 1] * 20)
        self.write("test", [0, 1])
        path = self.folder / "train-00001-of-00002"
        content = bytearray(path.read_bytes())
        content[-100] ^= 1
        path.write_bytes(content[:-50] if kind == "cut" else content)
        message = f"'{path}' cannot be read past record {count}: expected an undamaged file; got"
        self.assert_refused(ValueError, message)

    @parameterized.parameters(
        ([0, 2], "got 2 from 0 to 2, none of 1"),
        ([2, 3], "got 2 from 2 to 3"),
        ([-1, 0, 1], "got 3 from -1 to 1"),
        ([0, 5_000_000_000], "got 2 from 0 to 5000000000, none of 1"),
        ([0, 1, 2**63 - 1], f"got 3 from 0 to {2**63 - 1}, none of 2"),
        ([-(2**63), 2**63 - 1], f"got 2 from {-(2**63)} to {2**63 - 1}, none of {1 - 2**63}"),
    )
    def test_labels_that_could_mean_more_than_one_thing(self, labels, message):
        self.write("train", labels)
        self.write("test", [1])
        self.assert_refused(ValueError, message, "expected every number from 0, or from 1")

    def test_a_test_label_that_training_does_not_have(self):
        self.write("train", [1, 2])
        self.write("test", [0, 1])
        # As it is in the file, not lowered.
        told = (
            "expected 1..2, as training images have; got 0 at test image test-00000-of-00002#0: no"
        )
        self.assert_refused(ValueError, told, "has 0, which is taken for a background")
        shutil.rmtree(self.folder)
        self.write("train", [0, 1])
        self.write("test", [0, 1, 2])
        self.assert_refused(
            ValueError, "expected 0..1, as training images have; got 2 at test image "
        )


if __name__ == "__main__":
    tf.test.main()
