"""Tests of kdcl_tf.objectives.ramp_up."""

import math
import subprocess
import sys

import tensorflow as tf
from absl.testing import absltest

from kdcl_tf.objectives import ramp_up


class RampUpTest(absltest.TestCase):
    def test_known_numbers_of_floats_and_tensors(self):
        shares, wanted = (0.0, 0.5, 1.0), (0.006738, 0.286505, 1.0)
        found = [math.exp(ramp_up.exponent(share)) for share in shares]
        self.assertSequenceAlmostEqual(found, wanted, places=6)
        tensors = tf.exp(ramp_up.exponent(tf.constant(shares)))
        self.assertSequenceAlmostEqual(tensors.numpy(), wanted, places=6)

    def test_it_is_read_without_tensorflow(self):
        program = "import sys, kdcl_tf.objectives.ramp_up; print('tensorflow' in sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        self.assertEqual(done.stdout.strip(), "False")


if __name__ == "__main__":
    absltest.main()
