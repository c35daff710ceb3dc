"""Tests of TFDS sets: real small builders, prepared on the spot."""

import io
import os
import socket
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from absl.testing import parameterized
from PIL import Image

from kdcl_tf import data
from kdcl_tf.data import decoding, sizes
from kdcl_tf.data.sources import network, tfds as tfds_lib
from tests import image_files
from tests.data.sources import small_sets


class TfdsTestCase(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        image_files.use_own_cache(self)
        self.data_dir = os.path.join(self.get_temp_dir(), "tfds")

    def load(self, name, online=True, **arguments):
        """Loads as if there were a network, or none; the sets here need none."""
        with mock.patch.object(network, "is_reachable", return_value=online):
            return data.load(name, data_dir=self.data_dir, **arguments)

    def assert_refused(self, error, message, name, **arguments):
        with self.assertRaisesRegex(error, message) as raised:
            self.load(name, **arguments)
        self.assertNotIn("\n", str(raised.exception))


class ReadTest(TfdsTestCase):
    def test_prepares_once_and_reads_back(self):
        first = self.load("kdcl_levels")
        second = self.load("kdcl_levels", online=False)
        self.assertEqual(first.class_names, ("dark", "bright"))
        self.assertEqual(first.image_shape, (4, 5, 3))
        self.assertAllEqual(first.train.images, second.train.images)
        levels = first.train.images[:, 0, 0, 0]
        self.assertAllEqual(np.sort(levels), [0, 2, 4, 101, 103, 105])
        self.assertAllEqual(first.train.labels, levels // 100)
        self.assertLen(first.test, 4)

    def test_home_in_the_folder(self):
        self.load("kdcl_levels")
        home, self.data_dir = os.path.split(self.data_dir)
        self.data_dir = os.path.join("~", self.data_dir)
        with mock.patch.dict(os.environ, HOME=home):
            self.assertLen(self.load("kdcl_levels", online=False).train, 6)

    def test_grey_becomes_rgb(self):
        dataset = self.load("kdcl_grey_levels")
        self.assertEqual(dataset.image_shape, (4, 4, 3))
        self.assertAllEqual(dataset.train.images[..., 0], dataset.train.images[..., 2])

    @parameterized.parameters((0, 5), (6, 6))
    def test_sizes_that_vary(self, image_size, side):
        dataset = self.load("kdcl_sizes", image_size=image_size)
        self.assertEqual(dataset.image_shape, (side, side, 3))
        levels = dataset.train.images[:, 0, 0, 0]
        self.assertAllEqual(np.sort(levels), [0, 2, 4, 101, 103, 105])

    def test_image_size_of_a_set_of_one_size(self):
        self.assertEqual(self.load("kdcl_levels", image_size=3).image_shape, (3, 3, 3))

    @parameterized.parameters(
        ("cifar100", True),
        ("svhn_cropped", False),
        ("emnist/letters", False),
        ("binary_alpha_digits", False),
        ("visual_domain_decathlon/cifar100", True),
        ("visual_domain_decathlon/svhn", False),
        ("visual_domain_decathlon/omniglot", False),
        ("visual_domain_decathlon/gtsrb:1.2.0", False),
    )
    def test_writing_and_signs_are_not_mirrored(self, name, flips):
        self.assertEqual(tfds_lib.flips(tfds_lib.builder_of(name, self.data_dir)), flips)

    def test_sets_are_mirrored_unless_they_are_known_not_to_be(self):
        self.assertTrue(self.load("kdcl_levels").flip)
        with mock.patch.object(tfds_lib, "NEVER_FLIPPED", {"kdcl_levels"}):
            self.assertFalse(self.load("kdcl_levels").flip)

    def test_a_test_set_alone_can_be_evaluated(self):
        dataset = self.load("kdcl_test_only", needs_train=False)
        self.assertEqual((len(dataset.train), len(dataset.test)), (0, 4))
        self.assertEqual(dataset.class_names, ("dark", "bright"))
        self.assertAllEqual(np.sort(dataset.test.images[:, 0, 0, 0]), [0, 2, 101, 103])

    def test_validation_in_the_place_of_test(self):
        self.assertLen(self.load("kdcl_validation").test, 3)


class RefusedTest(TfdsTestCase):
    @parameterized.parameters("cifar100", "mnist", "cifar10_corrupted/fog_1")
    def test_not_prepared_and_no_network(self, name):
        message = f"'{name}' is not prepared in '{self.data_dir}' .*pass data_dir=DIR"
        # To ask for what is not there would take TFDS minutes.
        with mock.patch.object(socket, "getaddrinfo") as look_up:
            self.assert_refused(FileNotFoundError, message, name, online=False)
        look_up.assert_not_called()

    @parameterized.parameters("..", "kdcl_levels", "kdcl_levels/1.0.0")
    def test_a_folder_close_to_the_prepared_one_is_refused_and_nothing_downloaded(self, given):
        folder = os.path.join(self.get_temp_dir(), "close")
        self.data_dir = folder
        self.load("kdcl_levels")
        self.data_dir = os.path.normpath(os.path.join(folder, given))
        message = f"not prepared in '{self.data_dir}', but in '{folder}': pass data_dir={folder}"
        for online in (False, True):
            self.assert_refused(FileNotFoundError, message, "kdcl_levels", online=online)
        self.assertFalse(os.path.exists(os.path.join(self.data_dir, "kdcl_levels", "1.0.0")))

    def test_download_that_fails(self):
        with mock.patch.object(small_sets.KdclLevels, "_split_generators") as download:
            download.side_effect = OSError("connection\nreset")
            self.data_dir += "_fails"
            message = "'kdcl_levels' could not be prepared in .*: connection reset"
            self.assert_refused(FileNotFoundError, message, "kdcl_levels")

    def test_unknown_name(self):
        message = "unknown data set 'cifar101' .*cifar100.*digits, folder:PATH"
        self.assert_refused(ValueError, message, "cifar101")

    def test_unknown_config_and_version(self):
        message = "cifar10_corrupted has no config 'fog' .did you mean fog_5"
        self.assert_refused(ValueError, message, "cifar10_corrupted/fog")
        message = "'cifar100:9.9.9': .*only: 3.0.2"
        self.assert_refused(ValueError, message, "cifar100:9.9.9")

    @parameterized.parameters(
        ("kdcl_no_keys", "supervised_keys None"),
        ("kdcl_reversed_keys", "ClassLabel, Image"),
        ("imdb_reviews", "Text, ClassLabel"),
    )
    def test_not_for_image_classification(self, name, got):
        message = f"'{name}' is not for image classification: expected .*; got {got}"
        self.assert_refused(ValueError, message, name)

    def test_no_test_split(self):
        message = "expected a split test or validation; got train"
        self.assert_refused(ValueError, message, "kdcl_train_only")

    def test_no_training_split(self):
        message = "'kdcl_test_only': expected a split train; got test"
        self.assert_refused(ValueError, message, "kdcl_test_only")
        message = "expected a split test or validation; got train"
        self.assert_refused(ValueError, message, "kdcl_train_only", needs_train=False)

    def test_splits_that_are_known_are_checked_before_a_download(self):
        known = tfds.core.splits.SplitDict(
            [tfds.core.SplitInfo(name="test", shard_lengths=[4], num_bytes=1)]
        )
        self.data_dir += "_known"
        with (
            mock.patch.object(tfds.core.DatasetInfo, "splits", known),
            mock.patch.object(small_sets.KdclTestOnly, "download_and_prepare") as download,
        ):
            message = "'kdcl_test_only': expected a split train; got test"
            self.assert_refused(ValueError, message, "kdcl_test_only")
        download.assert_not_called()

    def test_labels_out_of_range(self):
        message = r"expected 0..1; got -1 at example \d of train"
        self.assert_refused(ValueError, message, "kdcl_unlabelled")

    def test_too_large(self):
        with mock.patch.object(sizes, "MAXIMUM_BYTES", 100):
            message = "'kdcl_levels' is too large .*: 10 images of 4x5"
            self.assert_refused(ValueError, message, "kdcl_levels", storage="memory")

    def test_damaged_file(self):
        self.data_dir += "_damaged"
        self.load("kdcl_levels")
        folder = os.path.join(self.data_dir, "kdcl_levels", "1.0.0")
        (file,) = tf.io.gfile.glob(f"{folder}/*-test.tfrecord*")
        with open(file, "r+b") as record:
            record.seek(40)
            record.write(b"damaged")
        message = f"'{file}' cannot be read past record 0"
        self.assert_refused(ValueError, message, "kdcl_levels")


class IndexTest(TfdsTestCase):
    def test_sets_of_one_size_that_is_not_square_stay_so_on_disk(self):
        memory = self.load("kdcl_levels", storage="memory")
        disk = self.load("kdcl_levels", storage="disk")
        self.assertEqual(disk.image_shape, (4, 5, 3))
        self.assertEqual(disk.normalization, memory.normalization)
        self.assertAllEqual(
            np.concatenate([i for i, _ in disk.train.pixels(4)]), memory.train.images
        )

    def test_images_are_those_of_tfds_and_the_unlabelled_split_is_passed_over(self):
        dataset = self.load("kdcl_photos", distortion="resized_crop", image_size=16)
        self.assertEqual((len(dataset.train), len(dataset.test)), (6, 4))
        self.assertEqual(dataset.class_names, ("cat", "dog"))
        read_config = tfds.ReadConfig(interleave_cycle_length=1)
        wanted = tfds.load(
            "kdcl_photos",
            split="train",
            data_dir=self.data_dir,
            read_config=read_config,
            # TFDS decodes with the fast transform, a few grey levels off.
            decoders={"image": tfds.decode.SkipDecoding()},
        )
        for index, example in enumerate(wanted):
            content = dataset.train.images.read(index)
            self.assertEqual(content, example["image"].numpy())
            pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
            self.assertAllEqual(decoding.rgb(content), pixels)
            self.assertEqual(dataset.train.labels[index], example["label"])
        self.assertRegex(dataset.train.images.name(2), r"^kdcl_photos-train.tfrecord-0.*-of-.*#2$")

    def test_sets_of_grey_images_of_one_size(self):
        dataset = self.load("kdcl_grey_levels", distortion="resized_crop")
        self.assertEqual(dataset.image_shape, (4, 4, 3))
        images = np.concatenate([images for images, _ in dataset.train.pixels(4)])
        self.assertAllEqual(np.sort(images[:, 0, 0, 1]), [0, 2, 4, 101, 103, 105])

    def test_views_of_a_prepared_set(self):
        dataset = self.load("kdcl_photos", distortion="resized_crop", image_size=16)
        views = data.create_views(dataset, ("a", "b"), seed=0)
        ((images, labels),) = views.epoch(0, 6)
        self.assertEqual((images["a"].shape, images["b"].shape), ((6, 16, 16, 3),) * 2)
        self.assertAllEqual(labels, dataset.train.labels[views.order(0)])

    def test_other_files_than_tfrecords_are_refused(self):
        self.data_dir += "_arrays"
        builder = small_sets.KdclPhotos(data_dir=self.data_dir, file_format="array_record")
        builder.download_and_prepare()
        message = "'kdcl_photos': expected one prepared as tfrecord; got array_record"
        self.assert_refused(ValueError, message, "kdcl_photos")

    def test_damaged_file(self):
        self.data_dir += "_damaged_photos"
        self.load("kdcl_photos", distortion="resized_crop")
        folder = os.path.join(self.data_dir, "kdcl_photos", "1.0.0")
        (file,) = tf.io.gfile.glob(f"{folder}/*-train.tfrecord*")
        os.truncate(file, os.path.getsize(file) - 10)
        message = f"'{file}' cannot be read past record 5"
        self.assert_refused(ValueError, message, "kdcl_photos", distortion="resized_crop")


@pytest.mark.slow
class Cifar100Test(tf.test.TestCase):
    def test_facts(self):
        data_dir = os.path.join(os.environ.get("KDCL_DATA_DIR", ""), "tensorflow_datasets")
        if not os.path.isdir(os.path.join(data_dir, "cifar100")):
            self.skipTest(f"no prepared CIFAR-100 in '{data_dir}': set KDCL_DATA_DIR")
        dataset = data.load("cifar100", data_dir=data_dir)
        self.assertEqual(dataset.num_classes, 100)
        self.assertEqual(dataset.image_shape, (32, 32, 3))
        self.assertAllEqual(np.bincount(dataset.train.labels), [500] * 100)
        self.assertAllEqual(np.bincount(dataset.test.labels), [100] * 100)
        # The figures that every CIFAR-100 recipe quotes.
        self.assertAllClose(dataset.normalization.mean, [0.5071, 0.4865, 0.4409], atol=1e-4)
        self.assertAllClose(dataset.normalization.deviation, [0.2673, 0.2564, 0.2762], atol=1e-4)


if __name__ == "__main__":
    tf.test.main()
