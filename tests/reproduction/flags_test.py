"""Tests of kdcl_tf.reproduction.flags."""

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf.reproduction import flags as reproduction_flags
from kdcl_tf.reproduction.tables.catalogue import TABLES


def _parsed(*arguments):
    values = flags.FlagValues()
    reproduction_flags.define_flags(values)
    values(["kdcl-reproduce", *arguments])
    return values


class FlagsTest(parameterized.TestCase):
    def test_without_flags_it_is_the_papers_table_7(self):
        values = _parsed()
        self.assertEqual((values.table, values.scale, values.seeds), ("7", "full", 5))
        self.assertFalse(values.report_only)

    def test_the_help_names_every_table(self):
        told = _parsed()["table"].help
        for number in TABLES:
            self.assertIn(f" {number}: ", told)

    @parameterized.parameters(("0/1", (0, 1)), ("3/4", (3, 4)))
    def test_a_shard(self, text, expected):
        self.assertEqual(reproduction_flags.parse_shard(text), expected)

    @parameterized.parameters("4/4", "-1/4", "0", "", "a/2", "1/2/3", "0/0")
    def test_what_is_no_shard_is_refused(self, text):
        with self.assertRaisesRegex(ValueError, "--shard: expected i/n with i from 0 to n - 1"):
            reproduction_flags.parse_shard(text)

    def test_the_command_says_what_is_run_and_no_place(self):
        values = _parsed("--table=length", "--scale=small", "--seeds=2", "--data_dir=/mine")
        self.assertEqual(
            reproduction_flags.command(values),
            "kdcl-reproduce --table=length --scale=small --seeds=2 --data_dir=DIR",
        )
        values.folder = "/mine/runs"
        self.assertEndsWith(reproduction_flags.command(values), " --data_dir=DIR --folder=FOLDER")


if __name__ == "__main__":
    absltest.main()
