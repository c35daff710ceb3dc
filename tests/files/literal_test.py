"""Tests of kdcl_tf.files.literal."""

import pathlib

from absl.testing import absltest, parameterized

from kdcl_tf import files


class LiteralTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    @parameterized.parameters("lr[0.1]", "[a]/step-1", "a\\b")
    def test_a_folder_that_is_a_pattern_is_read_by_a_link(self, name):
        folder = self.folder / name
        folder.mkdir(parents=True)
        (folder / "variables").write_text("1")
        with files.literal_path(folder) as path:
            self.assertNoCommonElements(str(path), "[\\")
            self.assertEqual((path / "variables").read_text(), "1")
        self.assertFalse(path.is_symlink())
        self.assertEqual((folder / "variables").read_text(), "1")

    @parameterized.parameters("a", "a*", "a?", "a]", "a{b}", "a b")
    def test_other_folders_are_read_by_their_own_path(self, name):
        (self.folder / name).mkdir()
        with files.literal_path(str(self.folder / name)) as path:
            self.assertEqual(path, self.folder / name)

    def test_so_are_files_and_what_is_not_there(self):
        (self.folder / "[a]").touch()
        for name in ("[a]", "[b]"):
            with files.literal_path(self.folder / name) as path:
                self.assertEqual(path, self.folder / name)


if __name__ == "__main__":
    absltest.main()
