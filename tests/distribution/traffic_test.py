"""Tests of kdcl_tf.distribution.traffic: numbers worked out by hand."""

import dataclasses
import math

from absl.testing import absltest, parameterized

from kdcl_tf.distribution import traffic
from kdcl_tf.distribution.traffic import Machine, Workload

# Three students: 0 and 2 on device 0 of two, 1 on device 1.
_THREE = Workload(
    parameters=(100, 200, 300), num_classes=10, batch_size=8, flops=(3.0, 5.0, 4.0), view_bytes=12
)
_PAIR = Workload(parameters=(100, 300), num_classes=10, batch_size=8, flops=(3.0, 5.0))
_MACHINE = Machine(devices=2, flops_per_second=4.0, bytes_per_second=100.0)


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


class SecondsTest(absltest.TestCase):
    def test_data(self):
        # 12 operations x 8 images over 2 devices at 4 a second, 2400 bytes at 100 a second.
        self.assertEqual(traffic.data_seconds(_THREE, _MACHINE), 12.0 + 24.0)

    def test_student(self):
        # Device 0 has 7 of the 12; 640 bytes pass its link.
        self.assertEqual(traffic.busiest_flops(_THREE, 2), 7.0)
        self.assertEqual(traffic.student_seconds(_THREE, _MACHINE), 14.0 + 6.4)

    def test_more_devices_than_students_stand_idle(self):
        self.assertEqual(traffic.busiest_flops(_PAIR, 4), 5.0)


class CrossoverTest(absltest.TestCase):
    def test_bytes_are_equal_there(self):
        batch = traffic.crossover_bytes(_PAIR, 2)
        self.assertEqual(batch, 400 / 10)
        there = dataclasses.replace(_PAIR, batch_size=batch)
        self.assertEqual(traffic.data_bytes(there, 2), traffic.student_bytes(there, 2))

    def test_seconds_are_equal_there_and_a_student_a_device_leads_below(self):
        batch = traffic.crossover_seconds(_PAIR, _MACHINE)
        # 16 s of reducing; an image costs (5 - 4) / 4 s and 80 / 100 s more.
        self.assertAlmostEqual(batch, 16 / (0.25 + 0.8))
        for factor, leads in ((0.9, True), (1.1, False)):
            near = dataclasses.replace(_PAIR, batch_size=batch * factor)
            lead = traffic.data_seconds(near, _MACHINE) - traffic.student_seconds(near, _MACHINE)
            self.assertEqual(lead > 0, leads)

    def test_one_device_exchanges_nothing(self):
        machine = dataclasses.replace(_MACHINE, devices=1)
        self.assertEqual(traffic.crossover_bytes(_PAIR, 1), math.inf)
        self.assertEqual(traffic.crossover_seconds(_PAIR, machine), math.inf)


if __name__ == "__main__":
    absltest.main()
