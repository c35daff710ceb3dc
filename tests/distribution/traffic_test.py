"""Tests of kdcl_tf.distribution.traffic: numbers worked out by hand."""

import dataclasses

from absl.testing import absltest, parameterized

from kdcl_tf.distribution import traffic
from kdcl_tf.distribution.traffic import Workload

# Three students: 0 and 2 on device 0 of two, 1 on device 1.
_THREE = Workload(parameters=(100, 200, 300), num_classes=10, batch_size=8, view_bytes=12)


class BytesTest(parameterized.TestCase):
    @parameterized.parameters((1, 0.0), (2, 4000.0), (4, 6000.0), (1000, 7992.0))
    def test_a_ring_sends_nearly_twice_the_numbers(self, devices, sent):
        self.assertAlmostEqual(traffic.ring_all_reduce_bytes(1000, devices), sent)

    def test_data(self):
        # 600 numbers, two devices that send 4 bytes of each once.
        self.assertEqual(traffic.data_bytes(_THREE, 2), 2 * 4 * 600)
        self.assertEqual(traffic.data_bytes(_THREE, 3), 3 * (4 / 3) * 4 * 600)

    def test_synchronised_batch_norm_reduces_in_every_part(self):
        # Forward 17 + 16 numbers, backward as many; and of 32 channels.
        workload = dataclasses.replace(_THREE, synchronized_channels=(16, 32))
        self.assertEqual(traffic.reduced_numbers(workload), 600 + 2 * 33 + 2 * 65)
        parts = dataclasses.replace(workload, accumulation_steps=3)
        self.assertEqual(traffic.reduced_numbers(parts), 600 + 3 * (2 * 33 + 2 * 65))

    def test_gradients_are_summed_twice_where_they_are_clipped(self):
        workload = dataclasses.replace(_THREE, is_clipped=True)
        self.assertEqual(traffic.data_bytes(workload, 2), 2 * 2 * 4 * 600)

    def test_student(self):
        # One student's 8 x 10 logits there, and their gradients back.
        self.assertEqual(traffic.student_bytes(_THREE, 2), 2 * 4 * 8 * 10)
        self.assertEqual(traffic.student_bytes(_THREE, 3), 2 * 2 * 4 * 8 * 10)
        self.assertEqual(traffic.student_bytes(_THREE, 9), 2 * 2 * 4 * 8 * 10)
        self.assertEqual(traffic.student_bytes(_THREE, 1), 0)

    def test_images(self):
        self.assertEqual(traffic.data_image_bytes(_THREE), 8 * 12 * 3)
        self.assertEqual(traffic.student_image_bytes(_THREE, 2), 8 * 12 * 3)
        shared = dataclasses.replace(_THREE, is_shared=True)
        self.assertEqual(traffic.data_image_bytes(shared), 8 * 12)
        self.assertEqual(traffic.student_image_bytes(shared, 2), 8 * 12 * 2)

    def test_the_line(self):
        self.assertEqual(
            traffic.describe(_THREE, 2),
            "2 devices exchange a step: --placement=data 0.005 MB of gradients, "
            "--placement=student 0.001 MB of logits; images to devices: 0.000 MB and 0.000 MB",
        )
        self.assertEqual(
            traffic.describe(dataclasses.replace(_THREE, shares_layers=True), 2),
            "2 devices exchange a step: 0.005 MB of gradients; images to devices: 0.000 MB",
        )


if __name__ == "__main__":
    absltest.main()
