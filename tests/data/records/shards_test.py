"""Tests of kdcl_tf.data.records.shards."""

import collections
import gzip

from absl.testing import absltest, parameterized

from kdcl_tf.data.records import shard_names, shards
from tests.data.records.record_folder import RECORD, RecordFolderTestCase


class CheckCompleteTest(parameterized.TestCase):
    @parameterized.parameters(
        (["train-0-of-2", "train-1-of-2"],),
        (["train-1-of-2", "train-2-of-2"],),
        (["train-1-of-1"],),
        (["a_train-0-of-1", "b_train-0-of-2", "b_train-1-of-2.tfrecord", "train.tfrecord"],),
        (["train"],),
    )
    def test_whole_sets_of_shards(self, names):
        files = [f"/data/{name}" for name in names]
        prefixes = {shard_names.shard_of(file).prefix for file in files}
        self.assertIsNone(shards.check_complete(files))
        for prefix in prefixes:
            group = [file for file in files if shard_names.shard_of(file).prefix == prefix]
            if len(group) > 1:
                with self.assertRaisesRegex(FileNotFoundError, "without number"):
                    shards.check_complete(group[:1])

    @parameterized.parameters(
        (
            ["train-00000-of-00004.tfrecord"],
            FileNotFoundError,
            "all 4 shards; got 1, .* 1, 2, 3: add",
        ),
        (["train-1-of-3", "train-3-of-3"], FileNotFoundError, "got 2, without number 2: add them"),
        (["train-0-of-9"], FileNotFoundError, "number 1, 2, 3, 4, 5, ...: add"),
        (
            ["train-00000-of-99999999999"],
            FileNotFoundError,
            "all 99999999999 .* 1, 2, 3, 4, 5, ...",
        ),
        (["train_20230101of20231231"], FileNotFoundError, "rename the files if they are no shards"),
        (["train (1 of 3)", "train (3 of 3)"], FileNotFoundError, "got 2, without number 2:"),
        (
            ["train-0-of-0"],
            ValueError,
            "/train' ...: expected one shard or more; got number 0 of 0",
        ),
        (["train-2-of-00"], ValueError, "got number 2 of 0: rename the file"),
        (["train-0-of-1", "train-0-of-2", "train-1-of-2"], ValueError, "got 1 shards and 2 shards"),
        (["train-0-of-1", "train.tfrecord"], ValueError, "got 1 shards and one file"),
        (["train", "train.tfrecord"], ValueError, "got one file"),
        (["train-0-of-1", "train-00-of-1"], ValueError, "once; got number 0 of 1 in several"),
        (["train-0-of-1", "train-0-of-1.tfrec"], ValueError, "got number 0 of 1 in several files"),
        (["train-0-of-2", "train-1-of-2", "train-2-of-2"], ValueError, "0..1; got number 2"),
    )
    def test_others(self, names, error, message):
        with self.assertRaisesRegex(error, message):
            shards.check_complete([f"/data/{name}" for name in names])


class FindTest(RecordFolderTestCase):
    def test_files_without_records_are_passed_over(self):
        for name in ("train-0-of-2", "train-1-of-2", "test.tfrecord"):
            self.write(name)
        for name in ("train.json", "train-0-of-2.csv", "test.tfrecord.idx"):
            self.write(name, b"{}")
        self.write(".train", b"hidden")
        (self.folder / "train").mkdir()
        found = shards.find(str(self.folder))
        self.assertEqual(self.names(found.kinds), ["test.tfrecord", "train-0-of-2", "train-1-of-2"])
        counts = {"without records": 3, "hidden": 1, "folders inside": 1}
        self.assertEqual(found.passed_over, counts)
        train = shards.of_split("x", found, ("train",))
        self.assertEqual(self.names(train), ["train-0-of-2", "train-1-of-2"])
        message = "with val in their names; got 3 others such as 'test.tfrecord', and 3 without"
        with self.assertRaisesRegex(FileNotFoundError, message):
            shards.of_split("x", found, ("val",))

    def split(self, split_names, *files):
        """The names, of these files, that are of a split."""
        kinds = {f"/data/{file}": "records" for file in files}
        found = shards.Found(kinds, collections.Counter())
        return self.names(shards.of_split("x", found, split_names))

    def test_the_last_word_for_a_split_in_a_name_tells_it(self):
        for train, test in (
            ("crash_test-train.tfrecord-00000-of-00001", "crash_test-test.tfrecord-0-of-1"),
            ("crash_test-train-0-of-1", "crash_test-validation-0-of-1"),
            ("train_test_split_train.tfrecord", "train_test_split_test.tfrecord"),
            ("toy-train-train", "toy-train-test"),
            ("train-train-0-of-1", "train-val-0-of-1"),
            ("val_val_train2017", "train.val2017.tfrecord"),
            ("0-of-1-test-train", "0-of-1-test-val"),
        ):
            self.assertEqual(self.split(shard_names.TRAIN_NAMES, train, test), [train])
            self.assertEqual(self.split(shard_names.TEST_NAMES, train, test), [test])
            shards.check_apart([train], [test])

    def test_another_word_tells_the_split_of_which_no_name_has_it_last(self):
        files = ("train_val-0-of-1", "test-0-of-1", "trainer")
        self.assertEqual(self.split(shard_names.TRAIN_NAMES, *files), ["train_val-0-of-1"])
        self.assertEqual(self.split(shard_names.TEST_NAMES, *files), ["test-0-of-1"])
        for file in ("train_test.tfrecord", "crash_test-train"):
            both = [
                self.split(names, file)
                for names in (shard_names.TRAIN_NAMES, shard_names.TEST_NAMES)
            ]
            with self.assertRaisesRegex(ValueError, f"TFRecord file '{file}': .* tells one split"):
                shards.check_apart(*both)

    def test_files_that_are_called_records_and_have_none(self):
        self.write("test")
        for name in ("train.tfrecord", "train.tfrecord-0-of-1", "train-00000-of-00001"):
            self.write(name, b"no record at all")
            found = shards.find(str(self.folder))
            with self.assertRaisesRegex(ValueError, f"{name}': expected records; got 16 bytes"):
                shards.of_split("x", found, ("train",))
            self.assertEqual(self.names(shards.of_split("x", found, ("test",))), ["test"])
            (self.folder / name).unlink()

    def test_compressed_files_of_a_split_are_refused_and_others_are_not(self):
        self.write("train")
        self.write("old.gz", gzip.compress(RECORD))
        found = shards.find(str(self.folder))
        self.assertEqual(self.names(shards.of_split("x", found, ("train",))), ["train"])
        self.write("train.gz", gzip.compress(RECORD))
        with self.assertRaisesRegex(ValueError, "train.gz': .* gzip has compressed. Rewrite it"):
            shards.of_split("x", shards.find(str(self.folder)), ("train",))

    def test_empty_files_are_shards(self):
        self.write("train-0-of-2", b"")
        self.write("train-1-of-2")
        found = shards.find(f"{self.folder}/train-*")
        self.assertLen(shards.of_split("x", found, ("train",)), 2)

    def test_empty_files_of_any_suffix_are_shards_of_their_set(self):
        for name in ("train-{}-of-3.tfexample", "train-{}-of-3.tfr", "train ({} of 3)"):
            for number, content in enumerate((RECORD, b"", RECORD)):
                self.write(name.format(number), content)
            self.assertLen(shards.of_split("x", self.found(), ("train",)), 3)
            for path in self.folder.iterdir():
                path.unlink()

    def test_empty_files_of_other_names_are_none(self):
        self.write("train-00000-of-00002")
        self.write("test.tfrecord", b"")
        others = ("train-00001-of-00002.lock", "train-00000-of-00002.done", "train.txt", "_SUCCESS")
        for name in others:
            self.write(name, b"")
        found = shards.find(str(self.folder))
        self.assertEqual(self.names(found.kinds), ["test.tfrecord", "train-00000-of-00002"])
        self.assertEqual(found.passed_over, {"without records": 4})
        with self.assertRaisesRegex(FileNotFoundError, "all 2 shards; got 1, without number 1"):
            shards.of_split("x", found, ("train",))


if __name__ == "__main__":
    absltest.main()
