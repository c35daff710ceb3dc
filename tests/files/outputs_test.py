"""Tests of kdcl_tf.files.outputs."""

import os
import pathlib
from unittest import mock

from absl.testing import absltest, parameterized

from kdcl_tf.files import outputs


class OutputsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_a_flag_that_is_not_given_names_no_file(self):
        self.assertIsNone(outputs.named("output", None))
        self.assertIsNone(outputs.named("output", ""))

    def test_a_file_may_be_there_already_and_a_home_is_found(self):
        path = self.folder / "seen.csv"
        self.assertEqual(outputs.named("output", str(path)), path)
        path.touch()
        self.assertEqual(outputs.named("output", str(path)), path)
        with mock.patch.dict(os.environ, HOME=str(self.folder)):
            self.assertEqual(outputs.named("output", "~/seen.csv"), path)
        self.assertEqual(os.listdir(self.folder), ["seen.csv"])

    @parameterized.parameters(
        ("none/a.json", "--plot to be in a folder that exists; got .*: make .*/none$"),
        (".", "--plot to name a file; got the folder "),
        ("a" * 231, "--plot to have a name of at most 230 bytes; got a+$"),
        # Of two bytes each.
        ("é" * 116, "--plot to have a name of at most 230 bytes; got é+$"),
    )
    def test_what_cannot_be_written_is_refused(self, name, message):
        with self.assertRaisesRegex(ValueError, message):
            outputs.named("plot", str(self.folder / name))
        self.assertEmpty(os.listdir(self.folder))

    def test_a_folder_that_cannot_be_written_to_is_refused(self):
        # No user, root included, may make a file there.
        with self.assertRaisesRegex(ValueError, "--plot to be in a folder that can be written to"):
            outputs.named("plot", "/proc/self/a.png")


if __name__ == "__main__":
    absltest.main()
