"""Tests of kdcl_tf.detection.coco.loading; of coco/2017, see coco_tfds_test."""

import subprocess
import sys
from unittest import mock

import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data.sources import network
from kdcl_tf.detection.coco import loading as coco_loading
from tests import coco_files


class ValidateNameTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters("", "coco", "coco:", "coco: ", "coco/2014", "cifar100", "/tmp")
    def test_bad(self, name):
        with self.assertRaisesRegex(ValueError, "data set: expected coco:PATH.*coco/2017.*; got"):
            coco_loading.validate_name(name)
        with self.assertRaisesRegex(ValueError, "data set: expected"):
            coco_loading.load(name)

    def test_costs_no_import_of_tensorflow(self):
        program = (
            "import sys; from kdcl_tf.detection.coco import loading;"
            "loading.validate_name('coco:x'); sys.exit('tensorflow' in sys.modules)"
        )
        subprocess.run([sys.executable, "-c", program], check=True)


class LoadTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(
        ("coco:/no/data", "'/no/data"),
        ("coco:~/no data", "/no data"),
        ("coco/2017", "'coco/2017' is not prepared in '/no/tfds'"),
        ("coco/2017:1.1.0", "'coco/2017:1.1.0' is not prepared in '/no/tfds'"),
    )
    def test_a_good_name_is_looked_up_where_it_says(self, name, looked_up):
        coco_loading.validate_name(name)
        with mock.patch.object(network, "is_reachable", return_value=False):
            with self.assertRaisesRegex(FileNotFoundError, looked_up):
                coco_loading.load(name, data_dir="/no/tfds")

    def test_folder(self):
        root = self.create_tempdir().full_path
        coco_files.write(root)
        dataset = coco_loading.load(f"coco: {root}", masks=True)
        self.assertEqual(dataset.num_classes, 3)
        self.assertLen(dataset.train.segmentations, 4)
        self.assertIsNone(coco_loading.load(f"coco:{root}").test.segmentations)


if __name__ == "__main__":
    tf.test.main()
