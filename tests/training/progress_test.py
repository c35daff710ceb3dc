"""Tests of kdcl_tf.training.progress."""

import contextlib
import io
import time

from absl.testing import absltest

from kdcl_tf.training.progress import Progress, Stopwatch, duration, ending


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


class EndingTest(absltest.TestCase):
    def test_the_end_is_told_in_local_time(self):
        noon = time.mktime((2026, 3, 4, 12, 0, 0, 0, 0, -1))
        self.assertEqual(
            ending(90, 20, noon),
            "an epoch takes 1 min 30 s: this run will end at about 12:30, in 30 min",
        )
        self.assertEqual(
            ending(3600, 30, noon),
            "an epoch takes 1 h: this run will end at about 2026-03-05 18:00, in 1 d 6 h",
        )

    def test_durations(self):
        expected = {
            0.04: "0.0 s",
            9.9: "9.9 s",
            9.96: "10 s",
            59.6: "1 min",
            3725: "1 h 2 min",
            90000: "1 d 1 h",
        }
        self.assertEqual({each: duration(each) for each in expected}, expected)


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
