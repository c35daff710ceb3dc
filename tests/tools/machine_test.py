"""Tests of tools/verifying/machine.py, on two logical devices of the CPU."""

import tensorflow as tf
from verifying.machine import Machine


class MachineTest(tf.test.TestCase):
    def test_two_logical_devices_stand_for_accelerators(self):
        machine = Machine()
        self.assertEqual((machine.kind, machine.count), ("CPU", 2))
        self.assertEqual(machine.arguments, ["--strategy=one"])
        self.assertTrue(machine.is_repeatable)
        self.assertIn("2 logical devices of kind CPU", machine.told)
        for strategy, device in ((machine.reference, "CPU:0"), (machine.one, "CPU:1")):
            with strategy.scope():
                self.assertEndsWith(tf.Variable(0.0).device, device)
        self.assertEqual(machine.all.num_replicas_in_sync, 2)

    def test_a_tpu_is_named_for_the_programs_and_not_taken_yet(self):
        machine = Machine("local")
        self.assertEqual(machine.kind, "TPU")
        self.assertEqual(machine.arguments, ["--strategy=tpu", "--tpu=local"])
        self.assertFalse(machine.is_repeatable)


if __name__ == "__main__":
    tf.test.main()
