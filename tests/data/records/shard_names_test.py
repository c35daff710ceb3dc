"""Tests of kdcl_tf.data.records.shard_names."""

from absl.testing import absltest, parameterized

from kdcl_tf.data.records import shard_names


class ShardOfTest(parameterized.TestCase):
    @parameterized.parameters(
        ("train-00000-of-01024", "train", 0, 1024),
        ("flowers_train_00003-of-00004.tfrecord", "flowers_train", 3, 4),
        ("train_1_of_4.tfrecords", "train", 1, 4),
        ("cifar100-train.tfrecord-00000-of-00001", "cifar100-train", 0, 1),
        ("train2017-7-of-12.tfrec", "train2017", 7, 12),
        ("1-of-2-train-000-of-003", "1-of-2-train", 0, 3),
        ("train-00000-OF-00003", "train", 0, 3),
        ("train (3 of 4).tfrecord", "train", 3, 4),
        ("train 3 of 4", "train", 3, 4),
        ("train.tfrecord", "train", None, None),
        ("train", "train", None, None),
        ("train-00000", "train-00000", None, None),
    )
    def test_names(self, name, prefix, number, total):
        found = shard_names.shard_of(f"/some-0-of-1/{name}")
        self.assertEqual(found, (f"/some-0-of-1/{prefix}", number, total))


class NamesTest(parameterized.TestCase):
    @parameterized.parameters(
        ("a/train-0-of-2.tfr", ("a/train", 2, ".tfr")),
        ("a/train (1 of 2)", ("a/train", 2, ")")),
        ("a/train-0-of-2.lock", ("a/train", 2, ".lock")),
        ("a/train.tfrecord", None),
    )
    def test_what_shards_of_a_set_have_in_common(self, path, expected):
        self.assertEqual(shard_names.set_of(path), expected)

    @parameterized.parameters(
        ("test/crash_test-train-0-of-1", ["test", "train"]),
        ("train/trainer_val2.tfrecord", ["val"]),
        ("contest", []),
    )
    def test_words_for_splits(self, path, expected):
        self.assertEqual(shard_names.words(path), expected)

    @parameterized.parameters(
        ("train.tfrecord", True),
        ("train.TFRec", True),
        ("train-0-of-2", True),
        ("train-0-of-2.record", True),
        ("train-0-of-2.idx", False),
        ("train", False),
    )
    def test_what_is_called_records(self, path, expected):
        self.assertEqual(shard_names.is_called_records(path), expected)


if __name__ == "__main__":
    absltest.main()
