"""Tests of kdcl_tf.evaluation.flags."""

import pathlib

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf.evaluation.flags import check_analysis, check_read, define_flags


class FlagsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.flags = flags.FlagValues()
        define_flags(self.flags)

    def test_what_is_not_given(self):
        self.flags(["kdcl-evaluate"])
        self.assertEqual(self.flags.analysis, "scores")
        self.assertEqual(self.flags.split, "test")
        self.assertEqual(self.flags.images, 0)
        self.assertIsNone(self.flags.test_share)

    def test_several_runs_or_models(self):
        self.flags(["kdcl-evaluate", "--workdir=a,b", "--model=c.tflite"])
        self.assertEqual(self.flags.workdir, ["a", "b"])
        self.assertEqual(self.flags.model, ["c.tflite"])

    @parameterized.parameters(
        ("--analysis=nose", "analysis"),
        ("--split=dev", "split"),
        ("--match_classes=no", "match_classes"),
        ("--batch_size=0", "batch_size"),
        ("--images=-1", "images"),
        ("--noise_draws=0", "noise_draws"),
        ("--mistakes=-1", "mistakes"),
    )
    def test_what_is_impossible_is_refused(self, argument, name):
        with self.assertRaisesRegex(flags.IllegalFlagValueError, f"--{name}="):
            self.flags(["kdcl-evaluate", argument])

    def test_a_seed_is_a_whole_number_below_2_to_the_64(self):
        self.flags(["kdcl-evaluate", f"--seed={2**64 - 1}"])
        for seed in (-1, 2**64, 0.5):
            with self.assertRaisesRegex(flags.IllegalFlagValueError, "seed"):
                self.flags(["kdcl-evaluate", f"--seed={seed}"])

    def test_a_flag_that_the_analysis_does_not_read_is_refused(self):
        self.flags(["kdcl-evaluate", "--analysis=noise", "--noise_max=0.3", "--plot=a.png"])
        check_read(self.flags)
        self.flags.analysis = "spread"
        with self.assertRaisesRegex(ValueError, "got --analysis=spread: leave out --noise_max$"):
            check_read(self.flags)
        self.flags.noise_max = self.flags["noise_max"].default
        check_read(self.flags)

    @parameterized.parameters(
        ("loss_gap", {"workdir": ["one"], "student": "a"}, 1, "got 1 runs and student a: pass"),
        ("loss_gap", {"workdir": ["one", "two"]}, 2, "got 2 runs and student none: pass"),
        ("categories", {}, 3, "expected two students for --analysis=categories; got 3: pass"),
        ("scores", {"dataset": "digits", "test_share": 0.5}, 1, "test_share=0.5"),
    )
    def test_what_an_analysis_cannot_use_is_refused(self, analysis, given, count, message):
        values = {name: self.flags[name].value for name in self.flags} | given
        paths = [pathlib.Path(f"student{number}") for number in range(count)]
        with self.assertRaisesRegex(ValueError, message):
            check_analysis({**values, "analysis": analysis}, paths)

    def test_every_value_of_a_choice_is_explained(self):
        for name in ("analysis", "split", "match_classes"):
            flag = self.flags[name]
            for value in flag.parser.enum_values:
                self.assertIn(f"{value}: ", flag.help)


if __name__ == "__main__":
    absltest.main()
