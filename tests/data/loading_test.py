"""Tests of names, subsets and assembly."""

import subprocess
import sys

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data


class ValidateNameTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        "digits",
        "cifar100",
        "cifar100:3.0.2",
        "cifar100:3.*.*",
        "cifar10_corrupted/fog_1",
        "cifar10_corrupted/fog_1:1.0.0",
        "folder:/tmp/my images",
        "folder:~/images",
        "tfrecord:/data/imagenet/*-of-*",
    )
    def test_good(self, name):
        data.validate_name(name)

    @parameterized.parameters(
        "", "folder:", "folder: ", "tfrecord:", "no such", "/tmp", "huggingface:x", "a/b/c"
    )
    def test_bad(self, name):
        with self.assertRaisesRegex(ValueError, "data set: got .*wanted"):
            data.validate_name(name)

    def test_costs_no_import_of_tensorflow(self):
        program = (
            "import sys, kdcl_tf.data.loading as loading;"
            "loading.validate_name('cifar100');"
            "sys.exit('tensorflow_datasets' in sys.modules)"
        )
        subprocess.run([sys.executable, "-c", program], check=True)


class LoadTest(parameterized.TestCase, tf.test.TestCase):
    def test_held_out_and_train_are_parts_of_the_same(self):
        whole = data.load("digits", image_size=8)
        parts = data.load("digits", image_size=8, holdout_per_class=5, train_per_class=20)
        self.assertLen(parts.held_out, 50)
        self.assertLen(parts.train, 200)
        self.assertAllEqual(np.bincount(parts.train.labels), [20] * 10)
        self.assertAllEqual(parts.test.images, whole.test.images)
        known = {image.tobytes() for image in whole.train.images}
        for split in (parts.train, parts.held_out):
            self.assertContainsSubset({i.tobytes() for i in split.images}, known)

    def test_statistics_are_those_of_the_images_trained_on(self):
        dataset = data.load("digits", image_size=8, train_per_class=2)
        unit = dataset.train.images / 255.0
        self.assertAllClose(dataset.normalization.mean, unit.mean(axis=(0, 1, 2)))
        self.assertAllClose(dataset.normalization.deviation, unit.std(axis=(0, 1, 2)))

    def test_too_many_held_out(self):
        message = "class '0' .*got 142, wanted at least 501"
        with self.assertRaisesRegex(ValueError, message):
            data.load("digits", image_size=8, holdout_per_class=500)

    def test_negative_size(self):
        with self.assertRaisesRegex(ValueError, "image_size: got -1"):
            data.load("digits", image_size=-1)

    @parameterized.parameters(
        ("digits", "resized_crop", False, "'digits' has no files: wanted"),
        ("tfrecord:x", "padded_crop", False, "'tfrecord:x' stays on disk: wanted"),
        ("folder:x", "padded_crop", True, "--skip_bad_images: wanted --distortion=resized_crop"),
        ("folder:x", "crop", False, "distortion: got 'crop', wanted padded_crop or resized_crop"),
    )
    def test_distortions_that_do_not_go(self, name, distortion, skip, message):
        with self.assertRaisesRegex(ValueError, message):
            data.load(name, distortion=distortion, skip_bad_images=skip)

    def test_views_are_reached_through_the_package(self):
        self.assertEqual(data.Views.__name__, "Views")
        self.assertEqual(data.EncodedViews.__name__, "EncodedViews")
        with self.assertRaisesRegex(AttributeError, "no attribute 'View'"):
            _ = data.View


if __name__ == "__main__":
    tf.test.main()
