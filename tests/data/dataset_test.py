"""Tests of the data set in memory."""

import dataclasses
import json

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data import bad_images, dataset as dataset_lib, normalization


def make_split(count, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, [count, 6, 5, 3]).astype(np.uint8)
    return dataset_lib.ImageSplit(images, np.arange(count) % 4)


def make_dataset():
    train = make_split(20)
    return dataset_lib.ImageDataset(
        name="noise",
        train=train,
        held_out=make_split(0),
        test=make_split(7, seed=1),
        class_names=("a", "b", "c", "d"),
        normalization=normalization.IMAGENET,
        flip=True,
    )


class ImageSplitTest(tf.test.TestCase):
    def test_refuses_other_dtypes_ranks_and_lengths(self):
        images, labels = np.zeros([3, 2, 2, 3], np.uint8), np.zeros([3], np.int64)
        with self.assertRaisesRegex(ValueError, "expected uint8 of .*; got float64 of shape"):
            dataset_lib.ImageSplit(images / 2, labels)
        with self.assertRaisesRegex(
            ValueError, r"expected uint8 .*; got uint8 of shape \[2, 2, 3\]"
        ):
            dataset_lib.ImageSplit(images[0], labels)
        with self.assertRaisesRegex(
            ValueError, r"expected int64 of shape \[3\].*; got int64 of shape \[2\]"
        ):
            dataset_lib.ImageSplit(images, labels[:2])

    def test_take(self):
        split = make_split(5)
        taken = split.take(np.array([4, 0]))
        self.assertAllEqual(taken.images, split.images[[4, 0]])
        self.assertAllEqual(taken.labels, [0, 0])


class ImageDatasetTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(1, 3, 7, 100)
    def test_batches_give_every_example_in_order(self, batch_size):
        dataset = make_dataset()
        batches = list(dataset.batches(dataset.test, batch_size))
        images = np.concatenate([images for images, _ in batches])
        self.assertAllEqual(images, dataset.normalization.apply(dataset.test.images))
        labels = np.concatenate([labels for _, labels in batches])
        self.assertAllEqual(labels, dataset.test.labels)
        self.assertLen(batches, -(-7 // batch_size))

    def test_students_may_have_their_own_normalisation(self):
        dataset, plain = make_dataset(), normalization.Normalization((0.0,), (1.0,))
        ours = {"a": normalization.IMAGENET, "b": plain}
        ((images, _),) = dataset.batches(dataset.test, 7, normalizations=ours)
        self.assertAllEqual(images["a"], dataset.normalization.apply(dataset.test.images))
        self.assertAllClose(images["b"], dataset.test.images / 255.0)

    def test_images_that_could_not_be_decoded_are_left_out(self):
        good = np.array([True, False, True, False, False, True, True])
        split = make_split(7, seed=1)
        holes = dataclasses.replace(split, good=good)
        dataset = dataclasses.replace(
            make_dataset(), test=holes, bad_images=bad_images.BadImages(skip=True)
        )
        for found in (dataset.batches(holes, 2), holes.pixels(2)):
            labels = [list(map(int, labels)) for _, labels in found]
            self.assertEqual(labels, [[0], [2], [1], [2]])
        self.assertAllEqual(holes.grey_levels(), split.take(good).grey_levels())
        self.assertAllEqual(holes.take(slice(2, 5)).good, good[2:5])
        self.assertEqual((holes.num_bad, split.num_bad), (3, 0))
        self.assertEqual(dataset.left_out(), {"test": 3})
        self.assertEqual(dataset.summary()["left_out"], {"test": 3})
        self.assertNotIn("left_out", make_dataset().summary())

    def test_batches_of_nothing(self):
        dataset = make_dataset()
        self.assertEmpty(list(dataset.batches(dataset.held_out, 4)))

    def test_summary_is_json(self):
        summary = json.loads(json.dumps(make_dataset().summary()))
        self.assertEqual(summary["num_train"], 20)
        self.assertEqual(summary["num_held_out"], 0)
        self.assertEqual(summary["num_test"], 7)
        self.assertEqual(summary["num_classes"], 4)
        self.assertEqual(summary["image_shape"], [6, 5, 3])
        self.assertLen(summary["mean"], 3)


if __name__ == "__main__":
    tf.test.main()
