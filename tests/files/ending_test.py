"""Tests of kdcl_tf.files.ending."""

import os
import pathlib
from unittest import mock

from absl.testing import absltest

from kdcl_tf import files


class EndingTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.called = []

    def test_what_was_begun_is_undone_when_its_block_is_left(self):
        with files.undone(lambda: self.called.append("after")):
            self.called.append("inside")
        with self.assertRaises(KeyError), files.undone(lambda: self.called.append("error")):
            raise KeyError
        self.assertEqual(self.called, ["inside", "after", "error"])
        files.abandon()
        self.assertLen(self.called, 3)

    def test_abandon_undoes_the_newest_first_and_all_whatever_they_raise(self):
        def failing():
            self.called.append("failing")
            if len(self.called) == 2:
                raise OSError

        with files.undone(lambda: self.called.append("outer")), files.undone(failing):
            with files.undone(lambda: self.called.append("inner")):
                files.abandon()
                self.assertEqual(self.called, ["inner", "failing", "outer"])

    def test_a_temporary_folder_is_gone_after_its_block_and_when_abandoned(self):
        with files.temporary_folder("kdcl_test_") as folder:
            (folder / "file").touch()
            self.assertStartsWith(folder.name, "kdcl_test_")
        self.assertFalse(folder.exists())
        with files.temporary_folder() as folder:
            (folder / "file").touch()
            files.abandon()
            self.assertFalse(folder.exists())

    def test_a_file_and_a_folder_under_way_leave_what_was_there(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        files.write_text(folder / "numbers", "old")
        # What the block does after that is of no account: the process has ended.
        with self.assertRaises(OSError), files.replaced_file(folder / "numbers") as partial:
            partial.write_text("half")
            files.abandon()
            self.assertEqual([each.name for each in folder.iterdir()], ["numbers"])
        with self.assertRaises(OSError), files.replaced_folder(folder / "model") as partial:
            (partial / "file").touch()
            files.abandon()
            self.assertEqual([each.name for each in folder.iterdir()], ["numbers"])
        self.assertEqual((folder / "numbers").read_text(), "old")

    def test_between_two_renames_the_old_folder_gets_its_name_back(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "model").mkdir()
        (folder / "model" / "old").touch()
        rename, found = os.rename, []

        def ended(old, new):
            os.rename = rename
            rename(old, new)
            files.abandon()
            found.extend(sorted(each.name for each in folder.rglob("*")))

        with mock.patch.object(os, "rename", ended):
            with self.assertRaises(OSError), files.replaced_folder(folder / "model") as partial:
                (partial / "new").touch()
        self.assertEqual(found, ["model", "old"])
        self.assertTrue((folder / "model" / "old").exists())

    def test_unwinding_is_told_within_its_blocks_alone(self):
        self.assertFalse(files.unwinds())
        with self.assertRaises(KeyError), files.unwinding(), files.unwinding():
            self.assertTrue(files.unwinds())
            raise KeyError
        self.assertFalse(files.unwinds())


if __name__ == "__main__":
    absltest.main()
