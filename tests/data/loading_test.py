"""Tests of kdcl_tf.data.loading."""

import contextlib
import io
import pathlib
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data
from kdcl_tf.data import normalization, sizes, storage as storage_lib
from kdcl_tf.data.bad_images import BadImageError, told_in_one_line
from tests import image_files


class LoadTest(parameterized.TestCase, tf.test.TestCase):
    def test_held_out_and_train_are_parts_of_the_same(self):
        whole = data.load("digits", image_size=8)
        parts = data.load("digits", image_size=8, holdout_per_class=5, train_per_class=20)
        self.assertLen(parts.held_out, 50)
        self.assertLen(parts.train, 200)
        self.assertAllEqual(np.bincount(parts.train.labels), [20] * 10)
        self.assertAllEqual(parts.test.images, whole.test.images)
        known = {image.tobytes() for image in whole.train.images}
        for split in (parts.train, parts.held_out):
            self.assertContainsSubset({i.tobytes() for i in split.images}, known)

    def test_statistics_are_those_of_the_images_trained_on(self):
        dataset = data.load("digits", image_size=8, train_per_class=2)
        unit = dataset.train.images / 255.0
        self.assertAllClose(dataset.normalization.mean, unit.mean(axis=(0, 1, 2)))
        self.assertAllClose(dataset.normalization.deviation, unit.std(axis=(0, 1, 2)))

    def test_too_many_held_out(self):
        message = "class '0' .*expected at least 501 .*; got 142"
        with self.assertRaisesRegex(ValueError, message):
            data.load("digits", image_size=8, holdout_per_class=500)

    def test_negative_size(self):
        with self.assertRaisesRegex(ValueError, "image_size: expected 0 or more pixels; got -1"):
            data.load("digits", image_size=-1)

    def test_arguments_that_are_unknown(self):
        message = "distortion: expected padded_crop or resized_crop or none; got 'crop'"
        with self.assertRaisesRegex(ValueError, message):
            data.load("digits", distortion="crop")
        with self.assertRaisesRegex(ValueError, "storage: expected auto or .*; got 'tape'"):
            data.load("digits", storage="tape")
        with self.assertRaisesRegex(ValueError, "'digits' has no files: expected storage=memory"):
            data.load("digits", storage="disk")

    def test_a_normalisation_that_is_given_is_not_measured(self):
        dataset = data.load("digits", image_size=8, normalization=normalization.IMAGENET)
        self.assertEqual(dataset.normalization, normalization.IMAGENET)

    @parameterized.parameters(*data.DISTORTIONS)
    def test_digits_under_any_distortion(self, distortion):
        dataset = data.load("digits", image_size=8, train_per_class=2, distortion=distortion)
        ((images, labels),) = data.create_views(dataset, ("a", "b"), 0).epoch(0, 20)
        self.assertEqual(images["b"].shape, (20, 8, 8, 3))
        self.assertAllEqual(np.bincount(labels), [2] * 10)
        self.assertLen(dataset.notes, 1)
        self.assertStartsWith(
            dataset.notes[0], "read 1,437 training images and 360 test images of 10"
        )

    def test_a_validation_share_is_neither_trained_on_nor_tested_on(self):
        whole = data.load("digits", image_size=8)
        parts = data.load("digits", image_size=8, validation_share=0.1, holdout_per_class=5)
        splits = (parts.train, parts.validation, parts.held_out, parts.test)
        contents = [{image.tobytes() for image in split.images} for split in splits]
        for number, one in enumerate(contents[:3]):
            for other in contents[number + 1 : 3]:
                self.assertEmpty(one & other)
        self.assertEqual(sum(map(len, splits)), len(whole.train) + len(whole.test))
        self.assertBetween(len(parts.validation), 140, 148)
        self.assertAllEqual(parts.test.images, whole.test.images)
        self.assertEqual(parts.digest()["validation"]["images"], len(parts.validation))
        self.assertNotIn("validation", whole.digest())
        self.assertIn(f"{len(parts.validation)} validation images and 360", parts.notes[0])

    def test_without_training_images_the_test_set_is_the_same(self):
        whole, alone = (
            data.load("digits", image_size=8, needs_train=each) for each in (True, False)
        )
        self.assertEmpty(alone.train.labels)
        self.assertEqual(alone.digest()["test"], whole.digest()["test"])

    def test_views_are_reached_through_the_package(self):
        self.assertEqual(data.Views.__name__, "Views")
        self.assertEqual(data.EncodedViews.__name__, "EncodedViews")
        with self.assertRaisesRegex(AttributeError, "no attribute 'View'"):
            _ = data.View


CLASSES = ("cat", "dog")
BAD = {"train/cat/1.jpg", "train/dog/4.png", "test/dog/2.jpg"}


def _contents(bad=()):
    """`{path: bytes}`: images of many sizes and two kinds, some of them cut short."""
    contents = {}
    for split, count in (("train", 7), ("test", 4)):
        for number in range(count):
            for name in CLASSES:
                kind = "PNG" if number == 4 else "JPEG"
                path = f"{split}/{name}/{number}.{'png' if kind == 'PNG' else 'jpg'}"
                pixels = image_files.photo(len(contents), 30 + 9 * number, 90 - 5 * number)
                content = image_files.encode(pixels, kind)
                contents[path] = content[: len(content) // 2] if path in bad else content
    return contents


class SplitFolderTest(tf.test.TestCase):
    """A folder of the folders of its classes."""

    def _folder(self, *more):
        folder = pathlib.Path(self.create_tempdir().full_path) / "photos"
        contents = {
            f"{name}/{n}.png": image_files.encode(image_files.photo(10 * n + len(name)), "PNG")
            for name in ("cat", "horse")
            for n in range(10)
        }
        image_files.write(folder, {**contents, **dict.fromkeys(more, contents["cat/3.png"])})
        return folder

    def _names(self, split):
        return [line.split("\t")[0] for line in split.listing().splitlines()]

    def test_it_is_split_alike_wherever_it_lies_and_wherever_images_are_kept(self):
        one, other = self._folder(), self._folder()
        shares = {"test_share": 0.3, "validation_share": 0.3, "image_size": 8}
        first = data.load(f"folder:{one}", **shares)
        for options in (
            {"storage": "disk"},
            {"distortion": "resized_crop"},
            {"train_per_class": 2},
        ):
            second = data.load(f"folder:{other}", **shares, **options)
            for split in ("test", "validation"):
                names = self._names(getattr(first, split))
                self.assertEqual(names, self._names(getattr(second, split)))
        self.assertEqual(
            [len(each) for each in (first.train, first.validation, first.test)], [10, 4, 6]
        )
        self.assertIn(
            "test_share=0.3 of the images of each class, 6 of 20, are the test set", first.told
        )

    def test_copies_lie_on_one_side(self):
        more = ("cat/copy.png", "horse/copy.png")
        folder = self._folder(*more)
        for share in (0.1, 0.9):
            dataset = data.load(f"folder:{folder}", test_share=share, image_size=8)
            names = set(self._names(dataset.test))
            self.assertIn(len(names & {"cat/3.png", *more}), (0, 3))
            self.assertIn("1 image is in more than one class", dataset.told)

    def test_a_validation_folder_beside_test_is_a_split_and_alone_is_the_test_set(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        photos = self._folder()
        for split in ("train", "test", "valid"):
            (folder / split).symlink_to(photos)
        dataset = data.load(f"folder:{folder}", image_size=8)
        self.assertLen(dataset.validation, 20)
        with self.assertRaisesRegex(
            ValueError, "validation_share=0.1: expected a data set without a val"
        ):
            data.load(f"folder:{folder}", image_size=8, validation_share=0.1)
        (folder / "test").unlink()
        dataset = data.load(f"folder:{folder}", image_size=8)
        self.assertIsNone(dataset.validation)
        self.assertLen(dataset.test, 20)
        self.assertIn("the test images are those of valid/", dataset.notes[0])

    def test_a_test_set_alone_can_be_evaluated(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "test").symlink_to(self._folder())
        for name in (folder, folder / "test"):
            dataset = data.load(f"folder:{name}", image_size=8, needs_train=False)
            self.assertEqual((len(dataset.train), len(dataset.test)), (0, 20))
            self.assertEqual(dataset.class_names, ("cat", "horse"))


class StorageTest(parameterized.TestCase, tf.test.TestCase):
    """What students see does not depend on where images live."""

    def setUp(self):
        super().setUp()
        image_files.use_own_cache(self)
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.enter_context(contextlib.redirect_stderr(io.StringIO()))

    def write(self, kind, bad=()):
        """Writes the images as a folder or as TFRecords; returns the name of the data set."""
        contents = _contents(bad)
        if kind == "folder":
            image_files.write(self.folder, contents)
        for split in ("train", "test"):
            chosen = [path for path in contents if path.startswith(split)]
            examples = [
                image_files.example(contents[path], CLASSES.index(path.split("/")[1]))
                for path in chosen
            ]
            if kind == "tfrecord":
                image_files.write_records(self.folder / split, examples)
        return f"{kind}:{self.folder}"

    def seen(self, dataset):
        """All that a run could see: views of two epochs, for one and for two replicas."""
        views = data.create_views(dataset, ("a", "b"), seed=3)
        shares = [None, data.Share(), data.Share(2, 0, 1), data.Share(2, 1, 1)]
        streams = [views.epoch(epoch, 5, share=share) for epoch in (0, 1) for share in shares]
        splits = (dataset.test, dataset.held_out)
        streams += [dataset.batches(split, 3, share) for split in splits for share in shares[:2]]
        streams = [[tf.nest.flatten(batch) for batch in stream] for stream in streams]
        return streams + [list(dataset.test.pixels(3))]

    @parameterized.parameters("folder", "tfrecord")
    def test_disk_and_memory_give_the_same_bits(self, kind):
        self._assert_same_bits("padded_crop", kind, BAD)

    @parameterized.product(
        distortion=tuple(data.DISTORTIONS), kind=("folder", "tfrecord"), bad=((), BAD)
    )
    @pytest.mark.slow
    def test_disk_and_memory_give_the_same_bits_of_every_distortion(self, distortion, kind, bad):
        self._assert_same_bits(distortion, kind, bad)

    def _assert_same_bits(self, distortion, kind, bad):
        name = self.write(kind, bad)
        arguments = {"distortion": distortion, "image_size": 24, "holdout_per_class": 1}
        found, loaded = [], []
        for storage in ("memory", "disk"):
            dataset = data.load(name, storage=storage, skip_bad_images=bool(bad), **arguments)
            loaded.append(dataset)
            found.append(self.seen(dataset))
        memory, disk = loaded
        self.assertEqual(memory.normalization, disk.normalization)
        self.assertEqual(memory.summary(), disk.summary())
        self.assertEqual(memory.held_out.listing(), disk.held_out.listing())
        self.assertEqual(set(memory.bad_images.found.values()), set(disk.bad_images.found.values()))
        self.assertLen(memory.bad_images, len(bad))
        for one, other in zip(*found, strict=True):
            self.assertNotEmpty(one)
            for batch, same in zip(one, other, strict=True):
                for array, wanted in zip(batch, same, strict=True):
                    self.assertAllEqual(array, wanted)

    @parameterized.parameters("memory", "disk")
    def test_a_bad_image_that_is_not_left_out_is_an_error(self, storage):
        name = self.write("folder", {"train/dog/4.png"})
        message = "image 'train/dog/4.png' of class 'dog' cannot be decoded: .*skip_bad_images=True"
        with self.assertRaisesRegex(BadImageError, message):
            data.load(name, storage=storage, image_size=24)

    def test_a_class_none_of_whose_images_can_be_decoded_is_named(self):
        bad = {path for path in _contents() if "dog" in path and "train" in path}
        cats = {path for path in _contents() if "test/cat" in path}
        name = self.write("folder", bad | cats)
        lost = "1 class without a training image that can be decoded: 'dog'"
        lost += "; 1 class without a test image that can be decoded: 'cat'"
        for storage, distortion in (("memory", "padded_crop"), ("disk", "resized_crop")):
            arguments = {"storage": storage, "distortion": distortion, "image_size": 24}
            dataset = data.load(name, skip_bad_images=True, **arguments)
            self.assertEqual((dataset.notes[-1], dataset.told), (lost, lost))
        dataset = data.load(name, skip_bad_images=True, needs_train=False, image_size=24)
        self.assertEqual(dataset.told, lost.partition("; ")[2])

    def test_validation_classes_none_of_whose_images_can_be_decoded_are_named(self):
        name = self.write("folder")
        good = image_files.encode(image_files.photo(1), "PNG")
        root = pathlib.Path(name.partition(":")[2])
        image_files.write(root, {"val/cat/1.png": b"torn", "val/dog/1.png": good})
        dataset = data.load(name, skip_bad_images=True, image_size=24)
        lost = "1 class without a validation image that can be decoded: 'cat'"
        self.assertEqual(dataset.told, lost)

    def test_a_replica_without_an_image_is_an_error(self):
        name = self.write("folder", {"train/cat/1.jpg"})
        for storage in ("memory", "disk"):
            dataset = data.load(name, storage=storage, image_size=24, skip_bad_images=True)
            views = data.create_views(dataset, ("a",), 0)
            with self.assertRaisesRegex(BadImageError, "in each batch; got 1 that cannot"):
                with told_in_one_line():
                    list(views.epoch(0, 2, share=data.Share(2, 0, 1)))
                    list(views.epoch(0, 2, share=data.Share(2, 1, 1)))

    @parameterized.parameters("padded_crop", "resized_crop")
    def test_what_does_not_fit_in_memory_stays_on_disk(self, distortion):
        name = self.write("folder")
        arguments = {"image_size": 24, "distortion": distortion}
        small = data.load(name, **arguments)
        with mock.patch.object(sizes, "MAXIMUM_BYTES", 30_000):
            large = data.load(name, **arguments)
            with self.assertRaisesRegex(ValueError, "too large to hold in memory: 22 .*=disk"):
                data.load(name, storage="memory", **arguments)
        self.assertLen(small.notes, 1)
        self.assertRegex(large.notes[1], "^images stay on disk: 22 images .* than 3e-05 GB")
        self.assertIsInstance(large.train.images, storage_lib.Files)
        self.assertNotIsInstance(small.train.images, storage_lib.Files)

    def test_the_size_is_the_median_or_what_students_want(self):
        name = self.write("folder")
        for distortion in data.DISTORTIONS:
            dataset = data.load(name, distortion=distortion, default_size=224)
            self.assertEqual(dataset.image_shape, (57, 57, 3))
            self.assertRegex(dataset.notes[1], "^image size: 57 pixels, as the median shorter")


if __name__ == "__main__":
    tf.test.main()
