"""Tests of kdcl_tf.prediction.telling."""

import contextlib
import io

from absl.testing import absltest

from kdcl_tf.prediction import telling
from kdcl_tf.prediction.predicting import Prediction

_GOOD = Prediction("a.png", ("cat", "dog"), (0.75, 0.25))
_BAD = Prediction("b\n.png", fault="no image")


class _Terminal(io.StringIO):
    def isatty(self):
        return True


class TellTest(absltest.TestCase):
    def _told(self, *predictions, stderr=None):
        stdout, stderr, added = io.StringIO(), stderr or io.StringIO(), []
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            skipped = telling.tell(iter(predictions), len(predictions), added.append)
        self.assertEqual(added, list(predictions))
        return skipped, stdout.getvalue(), stderr.getvalue()

    def test_a_line_an_image_and_no_bar_in_a_file(self):
        found = self._told(_GOOD, _BAD)
        wanted = (1, "a.png: cat 75.00%, dog 25.00%\n", "skipped: b\\n.png: no image\n")
        self.assertEqual(found, wanted)

    def test_a_terminal_has_a_bar(self):
        _, stdout, stderr = self._told(_GOOD, _BAD, stderr=_Terminal())
        self.assertEqual(stdout, "a.png: cat 75.00%, dog 25.00%\n")
        self.assertIn("2/2", stderr)

    def test_images_of_which_none_can_be_read_are_an_error(self):
        with self.assertRaisesRegex(telling.NothingRead, "can be read; got none among 2"):
            self._told(_BAD, _BAD)


if __name__ == "__main__":
    absltest.main()
