"""Tests of kdcl_tf.training.versions."""

import sys

import keras
from absl.testing import absltest

from kdcl_tf.training.versions import versions


class VersionsTest(absltest.TestCase):
    def test_versions(self):
        found = versions()
        self.assertEqual(found["keras"], keras.__version__)
        self.assertEqual(found["python"], ".".join(map(str, sys.version_info[:3])))
        self.assertEqual(set(found), {"kdcl_tf", "tensorflow", "keras", "python"})


if __name__ == "__main__":
    absltest.main()
