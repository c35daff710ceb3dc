"""Tests of kdcl_tf.comparison.flags."""

from absl import flags
from absl.testing import absltest

from kdcl_tf import train
from kdcl_tf.classification.flags import settings_from_flags
from kdcl_tf.comparison import flags as comparison_flags


class FlagsTest(absltest.TestCase):
    def _parsed(self, *arguments):
        values = flags.FlagValues()
        train.define_flags(values)
        values(["kdcl-train", *arguments])
        return values, settings_from_flags(values)

    def test_what_does_not_go_together_is_refused(self):
        for arguments, message in (
            (["--seeds=3"], "--seeds=3 is for --compare: pass --compare"),
            (["--runs_at_once=2"], "--runs_at_once=2 is for --compare, which has several runs"),
            (["--compare", "--method=independent"], "another --method than independent"),
            (["--compare", "--strategy=multi_worker"], "--strategy=one, mirrored or tpu"),
            (["--compare", "--seed=4294967295", "--seeds=2"], "at most 2"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                comparison_flags.check(*self._parsed(*arguments))
        comparison_flags.check(*self._parsed("--seeds=1"))
        comparison_flags.check(*self._parsed("--compare", "--seeds=2", "--strategy=mirrored"))

    def test_every_run_gets_the_flags_that_are_no_settings(self):
        given = ["--data_dir=a b", "--keep_checkpoints=3"]
        others = [
            "--compare",
            "--seeds=2",
            "--runs_at_once=2",
            "--workdir=x",
            "--epochs=7",
            "--seed=1",
        ]
        found = comparison_flags.of_every_run(*self._parsed(*given, *others))
        self.assertCountEqual(found, given)


if __name__ == "__main__":
    absltest.main()
