"""Tests of the views that students train on."""

import dataclasses
import hashlib
import os

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data
from kdcl_tf.data import dataset as dataset_lib, normalization, views as views_lib

STUDENTS = ("first", "second")
COUNT = 23


def make_dataset(flip=True):
    """Noise; the label of an image is its index, so a view can be traced."""
    images = np.random.default_rng(0).integers(0, 256, [COUNT, 8, 10, 3])
    split = dataset_lib.ImageSplit(images.astype(np.uint8), np.arange(COUNT))
    counts = normalization.grey_levels(split.images)
    return dataset_lib.ImageDataset(
        name="noise",
        train=split,
        held_out=split.take(np.arange(0)),
        test=split,
        class_names=tuple(map(str, range(COUNT))),
        normalization=normalization.Normalization.measured(counts),
        flip=flip,
    )


def make_views(seed=0, students=STUDENTS, **arguments):
    return views_lib.create_views(make_dataset(), students, seed, **arguments)


def by_index(views, epoch=0, batch_size=5, student="first"):
    """`[COUNT, H, W, C]`: one student's views, in the order of the images."""
    views_of = {}
    for images, labels in views.epoch(epoch, batch_size):
        mine = images[student] if isinstance(images, dict) else images
        views_of.update(zip(labels.numpy(), mine.numpy()))
    return np.stack([views_of[index] for index in range(COUNT)])


class ViewsTest(parameterized.TestCase, tf.test.TestCase):
    def test_element_spec_leaves_the_batch_open(self):
        images = tf.TensorSpec([None, 8, 10, 3], tf.float32)
        labels = tf.TensorSpec([None], tf.int64)
        self.assertEqual(
            make_views().epoch(0, 5).element_spec,
            ({"first": images, "second": images}, labels),
        )
        shared = make_views(invariant=False).epoch(0, 5)
        self.assertEqual(shared.element_spec, (images, labels))

    def test_same_seed_repeats(self):
        self.assertAllEqual(by_index(make_views(7)), by_index(make_views(7)))

    def test_students_epochs_and_seeds_differ(self):
        views = [
            by_index(make_views(seed), epoch, student=student)
            for seed in (0, 1)
            for epoch in (0, 1)
            for student in STUDENTS
        ]
        for number, one in enumerate(views):
            for other in views[:number]:
                same = np.all(one == other, axis=(1, 2, 3))
                # Of 162 distortions, two by chance are the same one.
                self.assertLess(same.mean(), 0.2)

    def test_views_do_not_depend_on_the_batch_they_land_in(self):
        expected = by_index(make_views(), batch_size=5)
        for batch_size in (1, 4, COUNT):
            got = by_index(make_views(), batch_size=batch_size)
            self.assertAllEqual(got, expected)

    def test_a_view_is_the_drawn_distortion_of_its_image(self):
        views = make_views(cutout=3)
        images = views.dataset.normalization.apply(views.dataset.train.images)
        expected = views.policy.apply(images, views.draws(4)[1])
        got = by_index(views, epoch=4, student="second")
        self.assertAllClose(got, expected, rtol=1e-6)
        self.assertGreater(np.mean(got == 0.0), 0.05)

    def test_without_invariance_all_share_the_first_students_view(self):
        shared = by_index(make_views(invariant=False))
        self.assertAllEqual(shared, by_index(make_views(), student="first"))

    def test_a_view_does_not_depend_on_how_many_students_there_are(self):
        three = make_views(students=("a", "b", "c"))
        self.assertAllEqual(by_index(three, student="b"), by_index(make_views(), student="second"))

    def test_no_mirror_where_the_data_set_allows_none(self):
        views = views_lib.Views(make_dataset(flip=False), STUDENTS, 0)
        for draws in views.draws(0):
            self.assertFalse(np.any(draws.mirror))

    def test_replaced_flip_is_followed(self):
        dataset = dataclasses.replace(make_dataset(), flip=False)
        self.assertFalse(views_lib.Views(dataset, STUDENTS, 0).policy.flip)

    def test_students_may_have_their_own_normalisation(self):
        """With a view each, and with one view that all share."""
        plain = normalization.Normalization((0.0,) * 3, (1.0,) * 3)
        for invariant in (True, False):
            views = make_views(invariant=invariant, normalizations={"second": plain}, padding=0)
            ours, number = views.dataset.normalization, 1 if invariant else 0
            mirror = views.draws(0)[number].mirror
            images = views.dataset.train.images / 255.0
            wanted = np.where(np.reshape(mirror, [-1, 1, 1, 1]), images[:, :, ::-1], images)
            self.assertAllClose(by_index(views, student="second"), wanted)
            first = make_views(invariant=invariant, padding=0)
            self.assertAllEqual(by_index(views), by_index(first))
            self.assertEqual(views.normalizations, {"first": ours, "second": plain})

    def test_without_distortion_all_students_see_the_images(self):
        dataset = dataclasses.replace(make_dataset(), distortion="none")
        views = views_lib.create_views(dataset, STUDENTS, 0)
        wanted = dataset.normalization.apply(dataset.train.images)
        for student in STUDENTS:
            self.assertAllEqual(by_index(views, student=student), wanted)


class PinnedTest(tf.test.TestCase):
    """Views that every version has to give, bit for bit."""

    def _digest(self, views, batch_size):
        digest = hashlib.sha256()
        for epoch in (0, 1):
            for images, labels in views.epoch(epoch, batch_size).take(3):
                for name in sorted(images):
                    digest.update(images[name].numpy().tobytes())
                digest.update(labels.numpy().tobytes())
        return digest.hexdigest()[:16]

    def test_digits(self):
        dataset = data.load("digits", holdout_per_class=5, train_per_class=10)
        views = data.create_views(dataset, ("a", "b"), 0, cutout=8)
        self.assertEqual(self._digest(views, 16), "960e52b49371301c")

    @pytest.mark.slow
    def test_cifar(self):
        data_dir = os.path.join(os.environ.get("KDCL_DATA_DIR", ""), "tensorflow_datasets")
        if not os.path.isdir(os.path.join(data_dir, "cifar100")):
            self.skipTest(f"no prepared CIFAR-100 in '{data_dir}': set KDCL_DATA_DIR")
        dataset = data.load("cifar100", data_dir=data_dir)
        views = data.create_views(dataset, ("a", "b"), 0, cutout=8)
        self.assertEqual(self._digest(views, 128), "338f3110384818c7")
        views = data.create_views(dataset, ("a", "b"), 0)
        self.assertEqual(self._digest(views, 128), "48c52b1fe6a8e895")


class OrderTest(parameterized.TestCase, tf.test.TestCase):
    def test_every_image_once_an_epoch(self):
        for epoch in range(3):
            batches = [labels.numpy() for _, labels in make_views().epoch(epoch, 5)]
            self.assertEqual([len(batch) for batch in batches], [5, 5, 5, 5, 3])
            self.assertAllEqual(np.sort(np.concatenate(batches)), np.arange(COUNT))

    def test_order_differs_by_epoch_and_seed(self):
        orders = [tuple(make_views(seed).order(epoch)) for seed in range(3) for epoch in range(3)]
        self.assertLen(set(orders), 9)
        self.assertAllEqual(make_views(2).order(2), orders[-1])

    @parameterized.parameters(True, False)
    def test_skip_gives_the_tail(self, invariant):
        views = make_views(invariant=invariant)
        whole = list(views.epoch(1, 5))
        for skip in range(6):
            tail = list(views.epoch(1, 5, skip=skip))
            self.assertLen(tail, 5 - skip)
            for got, expected in zip(tail, whole[skip:]):
                tf.nest.map_structure(self.assertAllEqual, got, expected)

    def test_steps_per_epoch(self):
        views = make_views()
        self.assertEqual(views.steps_per_epoch(5), 5)
        self.assertEqual(views.steps_per_epoch(COUNT), 1)
        self.assertEqual(views.epoch(0, 5).cardinality(), 5)


class DistributedTest(tf.test.TestCase):
    def test_replicas_share_out_every_batch(self):
        if len(tf.config.list_logical_devices("CPU")) < 2:
            self.skipTest("needs two logical CPU devices, as tests/conftest.py sets")
        strategy = tf.distribute.MirroredStrategy(
            ["CPU:0", "CPU:1"],
            cross_device_ops=tf.distribute.ReductionToOneDevice(),
        )
        views = make_views()
        local = strategy.experimental_local_results
        shared = strategy.experimental_distribute_dataset(views.epoch(0, 6))
        for (images, labels), expected in zip(shared, views.epoch(0, 6)):
            got = np.concatenate([part.numpy() for part in local(labels)])
            self.assertAllEqual(got, expected[1])
            got = np.concatenate([part.numpy() for part in local(images["second"])])
            self.assertAllEqual(got, expected[0]["second"])


class RefusedTest(parameterized.TestCase, tf.test.TestCase):
    @parameterized.parameters(0, -1, COUNT + 1)
    def test_batch_size(self, batch_size):
        message = f"batch_size: expected 1..{COUNT}, .*; got {batch_size}"
        with self.assertRaisesRegex(ValueError, message):
            make_views().epoch(0, batch_size)

    @parameterized.parameters(-1, 6)
    def test_skip(self, skip):
        with self.assertRaisesRegex(ValueError, f"skip: expected 0..5 batches; got {skip}"):
            make_views().epoch(0, 5, skip=skip)

    @parameterized.parameters(((),), (("a", "a"),))
    def test_students(self, students):
        with self.assertRaisesRegex(ValueError, "students: expected one or more names"):
            make_views(students=students)

    def test_numbers(self):
        with self.assertRaisesRegex(ValueError, "seed: expected 0 or more; got -1"):
            make_views(seed=-1)
        with self.assertRaisesRegex(
            ValueError, "cutout: expected at most 8, the side of the image; got 9"
        ):
            make_views(cutout=9)
        with self.assertRaisesRegex(ValueError, "expected students of first, second; got third"):
            make_views(normalizations={"third": normalization.IMAGENET})
        with self.assertRaisesRegex(ValueError, "padding: expected 0 or more pixels; got -1"):
            make_views(padding=-1)


if __name__ == "__main__":
    tf.test.main()
