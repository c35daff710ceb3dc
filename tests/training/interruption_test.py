"""Tests of kdcl_tf.training.interruption, with real signals."""

import os
import signal

from absl.testing import absltest, parameterized

from kdcl_tf.training.interruption import SIGNALS, Interrupted, Interruption


class InterruptionTest(parameterized.TestCase):
    @parameterized.parameters(*SIGNALS)
    def test_the_first_signal_is_remembered(self, number):
        # Whoever started the tests may ignore it.
        self.addCleanup(signal.signal, number, signal.signal(number, signal.SIG_DFL))
        with Interruption() as interruption:
            self.assertIsNone(interruption.signal)
            os.kill(os.getpid(), number)
            self.assertEqual(interruption.signal, number)

    def test_a_second_signal_acts_as_before(self):
        # A shell starts its background jobs with Ctrl-C ignored; here it is Python's own.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        with self.assertRaises(KeyboardInterrupt), Interruption():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    def test_handlers_are_given_back(self):
        before = [signal.getsignal(number) for number in SIGNALS]
        with Interruption():
            os.kill(os.getpid(), signal.SIGTERM)
        after = [signal.getsignal(number) for number in SIGNALS]
        self.assertEqual(before, after)

    @parameterized.parameters((signal.SIGTERM, 143), (signal.SIGINT, 130))
    def test_the_exit_status_is_the_shells(self, number, status):
        self.assertEqual(Interrupted(number, "stopped").exit_status, status)


if __name__ == "__main__":
    absltest.main()
