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

    def test_what_is_written_beside_it_needs_a_name_too(self):
        for length, name in ((219, "a.json"), (214, "a")):
            path = self.folder / ("a" * (length - len(name)) + name)
            outputs.named("output", str(path), ".detections.json")
            with self.assertRaisesRegex(ValueError, f"a name of at most {length} bytes; got a+"):
                outputs.named("output", str(path.with_name(f"a{path.name}")), ".detections.json")

    def test_a_folder_that_cannot_be_written_to_is_refused(self):
        # No user, root included, may make a file there.
        with self.assertRaisesRegex(ValueError, "--plot to be in a folder that can be written to"):
            outputs.named("plot", "/proc/self/a.png")
        message = r"^expected --output to be a folder that can be written to; got \S+ \(.+\)$"
        (self.folder / "file").touch()
        for folder in (pathlib.Path("/proc/self/a/b"), self.folder / "file" / "a"):
            with self.assertRaisesRegex(ValueError, message):
                outputs.check_folder("output", folder)
        outputs.check_folder("output", self.folder / "a" / "b")
        outputs.check_folder("output", pathlib.Path("a/b"))
        self.assertEqual(os.listdir(self.folder), ["file"])


if __name__ == "__main__":
    absltest.main()
