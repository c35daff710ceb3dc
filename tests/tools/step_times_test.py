"""Tests of tools/benchmarking/step_times.py: numbers worked out by hand."""

import dataclasses
import math

from absl.testing import absltest
from benchmarking import step_times

from kdcl_tf.distribution import traffic
from kdcl_tf.distribution.traffic import Workload

# Three students: 0 and 2 on device 0 of two, 1 on device 1.
_THREE = Workload(parameters=(100, 200, 300), num_classes=10, batch_size=8)
_THREE_FLOPS = (3.0, 5.0, 4.0)
_PAIR = Workload(parameters=(100, 300), num_classes=10, batch_size=8)
_PAIR_FLOPS = (3.0, 5.0)
_MACHINE = step_times.Machine(devices=2, flops_per_second=4.0, bytes_per_second=100.0)


class SecondsTest(absltest.TestCase):
    def test_data(self):
        # 12 operations x 8 images over 2 devices at 4 a second, 2400 bytes at 100 a second.
        self.assertEqual(step_times.data_seconds(_THREE, _THREE_FLOPS, _MACHINE), 12.0 + 24.0)

    def test_student(self):
        # Device 0 has 7 of the 12; 640 bytes pass its link.
        self.assertEqual(step_times.busiest_flops(_THREE_FLOPS, 2), 7.0)
        self.assertEqual(step_times.student_seconds(_THREE, _THREE_FLOPS, _MACHINE), 14.0 + 6.4)

    def test_more_devices_than_students_stand_idle(self):
        self.assertEqual(step_times.busiest_flops(_PAIR_FLOPS, 4), 5.0)


class CrossoverTest(absltest.TestCase):
    def test_bytes_are_equal_there(self):
        batch = step_times.crossover_bytes(_PAIR, 2)
        self.assertEqual(batch, 400 / 10)
        there = dataclasses.replace(_PAIR, batch_size=batch)
        self.assertEqual(traffic.data_bytes(there, 2), traffic.student_bytes(there, 2))

    def test_seconds_are_equal_there_and_a_student_a_device_leads_below(self):
        batch = step_times.crossover_seconds(_PAIR, _PAIR_FLOPS, _MACHINE)
        # 16 s of reducing; an image costs (5 - 4) / 4 s and 80 / 100 s more.
        self.assertAlmostEqual(batch, 16 / (0.25 + 0.8))
        for factor, leads in ((0.9, True), (1.1, False)):
            near = dataclasses.replace(_PAIR, batch_size=batch * factor)
            data = step_times.data_seconds(near, _PAIR_FLOPS, _MACHINE)
            student = step_times.student_seconds(near, _PAIR_FLOPS, _MACHINE)
            self.assertEqual(data > student, leads)

    def test_one_device_exchanges_nothing(self):
        machine = dataclasses.replace(_MACHINE, devices=1)
        self.assertEqual(step_times.crossover_bytes(_PAIR, 1), math.inf)
        self.assertEqual(step_times.crossover_seconds(_PAIR, _PAIR_FLOPS, machine), math.inf)


if __name__ == "__main__":
    absltest.main()
