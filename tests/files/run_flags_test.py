"""Tests of kdcl_tf.files.run_flags: the flags of a run, written and read again."""

import pathlib

from absl.testing import absltest, parameterized

from kdcl_tf.files import run_flags
from kdcl_tf.files.identity import FORMAT


class RunFlagsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "flags.txt"

    def test_what_is_written_is_read(self):
        flags = {"students": "resnet8,resnet8", "dataset": "folder:/a=b", "milestones": ""}
        self.path.write_text(run_flags.text_of(flags))
        self.assertEqual(run_flags.read(self.path), flags)
        self.assertEqual(run_flags.read_format(self.path), FORMAT)

    def test_without_a_file_there_are_none(self):
        self.assertEqual(run_flags.read(self.path), {})

    @parameterized.parameters(
        ("--seed=0\n", 1),
        ("", 1),
        ("# mine\n\n# format 3\n--seed=0\n", 3),
        ("--seed=0\n# format 3\n", 1),
        ("# format three\n--seed=0\n", 1),
    )
    def test_the_format_is_said_before_the_first_flag(self, text, expected):
        self.path.write_text(text)
        self.assertEqual(run_flags.read_format(self.path), expected)

    def test_an_editor_for_windows_changes_nothing(self):
        text = run_flags.text_of({"seed": "0", "students": "resnet8"}).replace("\n", "\r\n")
        self.path.write_bytes(text.encode("utf-8-sig"))
        self.assertEqual(run_flags.read(self.path), {"seed": "0", "students": "resnet8"})
        self.assertEqual(run_flags.read_format(self.path), FORMAT)


if __name__ == "__main__":
    absltest.main()
