"""Tests of kdcl_tf.detection.modes."""

import contextlib
import io

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf.detection import modes


class ModesTest(parameterized.TestCase):
    def _checked(self, *arguments):
        """What is told of flags that a mode does not read."""
        values = flags.FlagValues()
        modes.define_flags(values)
        values(["kdcl-detect", *arguments])
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            modes.check(values)
        return told.getvalue().splitlines()

    def test_a_run_reads_all_but_what_other_modes_are_for(self):
        self.assertEqual(self._checked("--seed=1", "--workdir=x", "--data_dir=y"), [])

    def test_a_flag_that_only_training_reads_is_named(self):
        self.assertEqual(
            self._checked("--mode=evaluate", "--workdir=x", "--data_dir=y", "--seed=1"),
            [
                "--mode=evaluate does not read --seed: the detector's card has its own",
                "--mode=evaluate does not read --workdir: a run of --mode=train does",
            ],
        )
        told = self._checked("--mode=predict", "--image=a", "--output=b", "--data_dir=y")
        self.assertEqual(
            told, ["--mode=predict does not read --data_dir: a run of --mode=train does"]
        )

    @parameterized.parameters(
        (["--model=x"], "--model: expected --mode=evaluate or predict; got --mode=train"),
        (["--mode=evaluate", "--image=x"], "--image: expected --mode=predict; got --mode=evaluate"),
        (["--mode=evaluate", "--least_score=0"], "--least_score: expected --mode=predict; got"),
    )
    def test_a_flag_of_other_modes_alone_is_refused(self, arguments, message):
        with self.assertRaisesRegex(ValueError, message):
            self._checked(*arguments)


if __name__ == "__main__":
    absltest.main()
