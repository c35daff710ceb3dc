"""Tests of kdcl_tf.detection.coco.loading; of coco/2017, see coco_tfds_test."""

import subprocess
import sys

import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.coco import loading as coco_loading
from tests import coco_files


class ValidateNameTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters("coco:/data/coco", "coco:~/my data", "coco/2017", "coco/2017:1.1.0")
    def test_good(self, name):
        coco_loading.validate_name(name)

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


class LoadTest(tf.test.TestCase):
    def test_folder(self):
        root = self.create_tempdir().full_path
        coco_files.write(root)
        dataset = coco_loading.load(f"coco: {root}", masks=True)
        self.assertEqual(dataset.num_classes, 3)
        self.assertLen(dataset.train.segmentations, 4)
        self.assertIsNone(coco_loading.load(f"coco:{root}").test.segmentations)


if __name__ == "__main__":
    tf.test.main()
