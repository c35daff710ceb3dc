"""Tests of kdcl_tf.data.records.copies, through `shards.find`."""

from absl.testing import absltest

from kdcl_tf.data.records import shards
from tests.data.records.record_folder import RECORD, RecordFolderTestCase


class CopiesTest(RecordFolderTestCase):
    def test_copies_are_passed_over(self):
        for name in ("train.tfrecord", "test.tfrecord"):
            self.write(name)
        for suffix in ("~", ".bak", ".OLD", ".orig", ".tmp", ".part"):
            self.write(f"train.tfrecord{suffix}")
        for pattern in ("", "/*"):
            found = shards.find(f"{self.folder}{pattern}")
            self.assertEqual(self.names(found.kinds), ["test.tfrecord", "train.tfrecord"])
            self.assertEqual(found.passed_over, {"that are called copies": 6})

    def test_copies_and_links_are_passed_over_where_the_file_is_there(self):
        for name in ("train.tfrecord", "test-0-of-2", "test-1-of-2"):
            self.write(name)
        copies = ["train (1).tfrecord", "train - Copy.tfrecord", "train - Copy (2).tfrecord"]
        copies += ["train_copy.tfrecord", "Copy of train.tfrecord", "train copy 2.tfrecord"]
        copies += ["train (another copy).tfrecord", "test-0-of-2 (1)", "test_copy-0-of-2"]
        for name in copies:
            self.write(name)
        for name, of in (("a_train", "train.tfrecord"), ("latest-test-1-of-2", "test-1-of-2")):
            (self.folder / name).symlink_to(self.folder / of)
        for pattern in ("", "/*"):
            found = shards.find(f"{self.folder}{pattern}")
            self.assertEqual(
                self.names(found.kinds), ["test-0-of-2", "test-1-of-2", "train.tfrecord"]
            )
            counts = {"that are called copies": 9, "that are links to others": 2}
            self.assertEqual(found.passed_over, counts)

    def test_what_is_called_a_copy_is_read_where_there_is_no_original(self):
        names = ["test (1).tfrecord", "train - Copy.tfrecord", "train_copyright.tfrecord"]
        for name in (*names, "train.idx"):
            self.write(name)
        found = shards.find(f"{self.folder}/*.tfrecord")
        self.assertEqual(self.names(found.kinds), names)
        self.write("train.tfrecord")
        found = shards.find(f"{self.folder}/*.tfrecord")
        self.assertEqual(self.names(found.kinds), [names[0], "train.tfrecord", names[2]])

    def test_other_contents_under_the_name_of_a_copy_are_refused(self):
        self.write("train.tfrecord")
        for content in (RECORD * 2, RECORD[:-1] + b"?"):
            self.write("train (1).tfrecord", content)
            with self.assertRaisesRegex(
                ValueError, r"train \(1\).tfrecord': expected a copy of '.*got other contents"
            ):
                shards.find(str(self.folder))
        self.write("train (1).tfrecord", b"{}")
        self.assertEqual(self.names(self.found().kinds), ["train.tfrecord"])

    def test_numbers_and_words_that_are_no_marks_of_copies(self):
        names = ["train(2012).tfrecord", "train-copy-paste.tfrecord", "train-paste.tfrecord"]
        for name in (*names, "train.tfrecord"):
            self.write(name)
        self.assertEqual(self.names(self.found().kinds), [*names, "train.tfrecord"])

    def test_sets_that_share_a_file_are_read_whole(self):
        """As stores of contents keep them, where equal shards are one file."""
        self.write("a", b"")
        self.write("b")
        self.write("c", RECORD * 2)
        names = []
        for prefix, contents in (("cats-train", "abb"), ("dogs-train", "acb")):
            for number, content in enumerate(contents):
                names.append(f"{prefix}-{number}-of-3")
                (self.folder / names[-1]).symlink_to(self.folder / content)
        found = shards.find(f"{self.folder}/*train*")
        self.assertEqual(self.names(shards.of_split("x", found, ("train",))), names)
        for number in range(3):
            self.write(f"test-{number}-of-3")
            place = self.folder / f"latest-test-{number}-of-3"
            place.symlink_to(self.folder / f"test-{number}-of-3")
        found = shards.find(f"{self.folder}/*test*")
        self.assertLen(shards.of_split("x", found, ("test",)), 3)
        self.assertEqual(found.passed_over, {"that are links to others": 3})

    def test_links_to_one_file_that_stand_for_several(self):
        self.write("blob")
        names = ["test.tfrecord", "train-0-of-2", "train-1-of-2"]
        for name in names:
            (self.folder / name).symlink_to(self.folder / "blob")
        found = shards.find(f"{self.folder}/t*")
        self.assertEqual(self.names(found.kinds), names)


if __name__ == "__main__":
    absltest.main()
