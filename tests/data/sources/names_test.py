"""Tests of kdcl_tf.data.sources.names."""

import subprocess
import sys

from absl.testing import absltest, parameterized

from kdcl_tf import data
from kdcl_tf.data.sources import names


class ParseTest(parameterized.TestCase):
    @parameterized.parameters(
        ("digits", "digits", "digits"),
        ("cifar100", "tfds", "cifar100"),
        ("cifar100:3.0.2", "tfds", "cifar100:3.0.2"),
        ("cifar100:3.*.*", "tfds", "cifar100:3.*.*"),
        ("cifar10_corrupted/fog_1", "tfds", "cifar10_corrupted/fog_1"),
        ("cifar10_corrupted/fog_1:1.0.0", "tfds", "cifar10_corrupted/fog_1:1.0.0"),
        ("folder:/tmp/my images", "folder", "/tmp/my images"),
        ("folder: ~/images ", "folder", "~/images"),
        ("folder:a:b", "folder", "a:b"),
        ("tfrecord:/data/imagenet/*-of-*", "tfrecord", "/data/imagenet/*-of-*"),
    )
    def test_the_source_and_where_it_looks(self, name, kind, where):
        self.assertEqual(names.parse(name), names.Name(kind, where))

    @parameterized.parameters(
        "", "folder:", "folder: ", "tfrecord:", "no such", "/tmp", "huggingface:x", "a/b/c"
    )
    def test_what_can_be_no_name(self, name):
        for check in (names.parse, data.validate_name):
            with self.assertRaisesRegex(ValueError, "data set: expected .*; got"):
                check(name)

    def test_costs_no_slow_import(self):
        program = (
            "import sys; from kdcl_tf import data;"
            "data.validate_name('cifar100'); data.check_storage('cifar100', 'disk');"
            "print(sorted({'numpy', 'tensorflow', 'tensorflow_datasets'} & set(sys.modules)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True
        )
        self.assertEqual(done.stdout, "[]\n")


class StorageTest(absltest.TestCase):
    def test_where_images_cannot_live(self):
        with self.assertRaisesRegex(ValueError, "storage: expected auto or .*; got 'tape'"):
            names.check_storage("cifar100", "tape")
        with self.assertRaisesRegex(ValueError, "'digits' has no files: expected storage=memory"):
            names.check_storage("digits", "disk")


class KeysTest(absltest.TestCase):
    def test_names_of_features_are_for_tfrecords_alone(self):
        names.check_keys("tfrecord:/data", "picture", "class")
        names.check_keys("digits", None, "")
        for name in ("digits", "folder:/data", "cifar100"):
            with self.assertRaisesRegex(ValueError, "tfrecord_label_key=y: expected a data set tf"):
                names.check_keys(name, "", "y")
        with self.assertRaisesRegex(ValueError, "tfrecord_image_key=x: .* got 'digits'"):
            names.check_keys("digits", "x", "y")


class SharesTest(absltest.TestCase):
    def test_shares_are_above_0_and_below_1(self):
        names.check_shares("folder:/data", 0.2, 0.9)
        names.check_shares("digits", 0, 0.5)
        for share in (1, -0.2, float("nan"), 20):
            with self.assertRaisesRegex(
                ValueError, f"^test_share: expected a number .*; got {share}$"
            ):
                names.check_shares("folder:/data", share, 0)
            with self.assertRaisesRegex(
                ValueError, f"^validation_share: expected .*; got {share}$"
            ):
                names.check_shares("digits", 0, share)

    def test_only_a_folder_can_be_split(self):
        # Beans and digits have a test set, and TFRecords or other sets of TFDS may have none.
        for name in ("digits", "tfrecord:/data", "beans", "eurosat"):
            message = f"^test_share=0.2: expected .*; got '{name}': only a folder can be split$"
            with self.assertRaisesRegex(ValueError, message):
                names.check_shares(name, 0.2, 0)


class PathTest(absltest.TestCase):
    def test_a_path_is_told_from_a_name(self):
        folder = self.create_tempdir().full_path
        for name in (folder, "/no/such", "~/photos", "./photos", "../photos"):
            with self.assertRaisesRegex(
                ValueError, f"if it is a folder of images, pass folder:{name}$"
            ):
                names.parse(name)
        self.assertEqual(names.path_hint("cifar100"), "")


class IndexTest(absltest.TestCase):
    def test_a_name_gives_what_its_source_has(self):
        source = names.index("digits", None, 8)
        self.assertEqual((len(source.train), len(source.test)), (1437, 360))
        self.assertEqual(source.size, (8, 8))

    def test_a_path_is_where_the_source_looks(self):
        with self.assertRaisesRegex(FileNotFoundError, "folder of images; got '/no/such'"):
            names.index("folder: /no/such", None, 0)
        with self.assertRaisesRegex(FileNotFoundError, "tfrecord:/no/such: expected"):
            names.index("tfrecord:/no/such", None, 0)

    def test_the_example_of_a_name_can_be_trained_on(self):
        with self.assertRaisesRegex(ValueError, "a TFDS name such as cifar100 or imagenet_resized"):
            names.parse("no such")
        self.assertEqual(names.parse("imagenet_resized/32x32").kind, "tfds")


if __name__ == "__main__":
    absltest.main()
