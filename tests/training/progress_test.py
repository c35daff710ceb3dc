"""Tests of kdcl_tf.training.progress."""

import contextlib
import io
import time

from absl.testing import absltest

from kdcl_tf.training.progress import Progress, Stopwatch


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def _run(stderr, seconds=0.0):
    """What a short run writes to `(stdout, stderr)`."""
    stdout = io.StringIO()
    with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(stdout):
        bar = Progress(total=60, done=20)
        bar.start_epoch(2, 3)
        bar.advance(20, 1.5)
        time.sleep(seconds)
        bar.say("epoch 2: test accuracy 50.0%")
        bar.advance(20, 1.25)
        bar.close()
    return stdout.getvalue(), stderr.getvalue()


class ProgressTest(absltest.TestCase):
    def test_a_terminal_sees_a_moving_bar(self):
        stdout, stderr = _run(_Terminal(), seconds=0.3)
        self.assertIn("\r", stderr)
        self.assertRegex(stderr, r"epoch 2/3 +100%\|.*img/s.* left, loss 1\.250")
        self.assertIn("epoch 2: test accuracy 50.0%\n", stdout)

    def test_a_file_of_a_short_run_has_only_what_was_said(self):
        stdout, stderr = _run(io.StringIO())
        self.assertEqual(stdout, "epoch 2: test accuracy 50.0%\n")
        self.assertEqual(stderr, "")

    def test_a_file_of_a_long_run_has_whole_lines(self):
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr):
            bar = Progress(total=180)
            bar.start_epoch(1, 3)
            # As if the run had begun and the last line been printed long ago.
            bar._bar.start_t = bar._bar.last_print_t = time.time() - 60
            bar.advance(120, 1.5)
            text = stderr.getvalue()
            bar.close()
        self.assertRegex(text, r"^epoch 1/3 +67% +\S*img/s .* left, loss 1\.500\n$")


class StopwatchTest(absltest.TestCase):
    def test_times_add_up_and_pauses_do_not_count(self):
        watch = Stopwatch()
        for _ in range(2):
            with watch:
                time.sleep(0.02)
            time.sleep(0.1)
        self.assertBetween(watch.seconds, 0.04, 0.2)


if __name__ == "__main__":
    absltest.main()
