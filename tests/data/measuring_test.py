"""Tests of kdcl_tf.data.measuring."""

import contextlib
import dataclasses
import io
import os
import pathlib
from unittest import mock

import tensorflow as tf

from kdcl_tf.data import bad_images, decoding, measuring, storage
from kdcl_tf.data.sources import tfrecord
from tests import image_files


class MeasuredTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        image_files.use_own_cache(self)
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.enter_context(contextlib.redirect_stderr(io.StringIO()))

    def split(self, bad=(), skip=False):
        contents = {
            f"{number}.jpg": image_files.encode(image_files.photo(number, 30 + number, 40))
            for number in range(5)
        }
        contents.update({f"{number}.jpg": b"torn" for number in bad})
        return image_files.split(self.folder, contents, skip=skip)

    def test_on_disk_it_is_that_of_the_pixels(self):
        split = self.split()
        found = measuring.measured(split)
        self.assertEqual(found, measuring.measured(split.decoded()))
        pixels = split.decoded().images / 255.0
        self.assertAllClose(found.mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-12)
        self.assertAllClose(found.deviation, pixels.std(axis=(0, 1, 2)), rtol=1e-12)

    def test_the_pass_is_made_once(self):
        found = measuring.measured(self.split())
        files = [self.folder / f"{number}.jpg" for number in range(5)]
        times = [os.stat(file).st_mtime_ns for file in files]
        split = self.split()
        for file, time in zip(files, times):
            os.utime(file, ns=(time, time))
        with mock.patch.object(measuring, "_pass", side_effect=AssertionError("made again")):
            self.assertEqual(measuring.measured(split), found)
            with self.assertRaisesRegex(AssertionError, "made again"):
                measuring.measured(dataclasses.replace(split, size=(8, 8)))
            with self.assertRaisesRegex(AssertionError, "made again"):
                measuring.measured(split.take(slice(4)))
            os.utime(files[2], ns=(0, 0))
            with self.assertRaisesRegex(AssertionError, "made again"):
                measuring.measured(split)

    def test_a_pass_of_another_decoder_is_made_again(self):
        split = self.split()
        found = measuring.measured(split)
        with mock.patch.object(measuring, "_pass", side_effect=AssertionError("made again")):
            self.assertEqual(measuring.measured(split), found)
            with mock.patch.object(decoding, "VERSION", decoding.VERSION + 1):
                with self.assertRaisesRegex(AssertionError, "made again"):
                    measuring.measured(split)

    def test_of_records_it_belongs_to_those_that_were_chosen(self):
        contents = [image_files.encode(image_files.photo(number)) for number in range(4)]
        path = str(self.folder / "train")
        image_files.write_records(path, [image_files.example(each, 0) for each in contents])
        images, labels, _ = tfrecord.read([path], "image/encoded", "image/class/label")
        split = dataclasses.replace(self.split(), images=images, labels=labels)
        some = split.take([0, 2])
        self.assertEqual(measuring.measured(split), measuring.measured(split.decoded()))
        self.assertEqual(measuring.measured(some), measuring.measured(some.decoded()))
        self.assertNotEqual(measuring.measured(split), measuring.measured(some))

    def test_labels_of_good_images_are_the_same_wherever_the_images_are(self):
        split = self.split(bad=(1, 3), skip=True)
        self.assertAllEqual(measuring.good_labels(split), [0, 2, 4])
        self.assertAllEqual(measuring.good_labels(split.decoded()), [0, 2, 4])
        held = dataclasses.replace(split, images=storage.held(split.images))
        self.assertAllEqual(measuring.good_labels(held), [0, 2, 4])
        with mock.patch.object(measuring, "_pass", side_effect=AssertionError("made again")):
            self.assertAllEqual(measuring.good_labels(split), [0, 2, 4])
        self.assertAllEqual(measuring.good_labels(self.split().decoded()), range(5))
        with self.assertRaisesRegex(bad_images.BadImageError, "'1.jpg'"):
            measuring.good_labels(self.split(bad=(1,)))

    def test_bad_images_are_told_of_by_a_pass_and_by_the_cache(self):
        first = self.split(bad=(1, 3), skip=True)
        found = measuring.measured(first)
        self.assertEqual(found, measuring.measured(first.decoded()))
        with mock.patch.object(measuring, "_pass", side_effect=AssertionError("made again")):
            other = dataclasses.replace(first, bad_images=bad_images.BadImages(skip=True))
            self.assertEqual(measuring.measured(other), found)
            self.assertEqual(other.bad_images.found, first.bad_images.found)
            self.assertEqual(set(other.bad_images.found), {"1.jpg", "3.jpg"})
            strict = dataclasses.replace(first, bad_images=bad_images.BadImages())
            with self.assertRaisesRegex(bad_images.BadImageError, "'1.jpg' .*cannot be decoded"):
                measuring.measured(strict)

    def test_an_image_that_was_mended_under_its_old_size_and_time_is_measured(self):
        split = self.split(bad=(1,), skip=True)
        path = self.folder / "1.jpg"
        good = image_files.encode(image_files.photo(1, 31, 40))
        path.write_bytes(bytes(len(good)))
        time = os.stat(path).st_mtime_ns
        found = measuring.measured(split)
        path.write_bytes(good)
        os.utime(path, ns=(time, time))
        mended = dataclasses.replace(split, bad_images=bad_images.BadImages())
        self.assertNotEqual(measuring.measured(mended), found)
        self.assertEqual(measuring.measured(mended), measuring.measured(mended.decoded()))

    def test_where_nothing_can_be_decoded_there_is_nothing_to_measure(self):
        split = self.split(bad=range(5), skip=True)
        for each in (split, split.decoded()):
            message = "training images that can be decoded; got none among 5"
            with self.assertRaisesRegex(bad_images.BadImageError, message):
                measuring.measured(each)

    def test_images_are_checked_before_training_wherever_they_are(self):
        measuring.check(self.split(), "test")
        # Its header is whole.
        cut = image_files.encode(image_files.photo(2, 32, 40))[:-50]
        split = image_files.split(self.folder, {"0.jpg": cut, "1.jpg": cut})
        held = dataclasses.replace(split, images=storage.held(split.images))
        for each in (split, held, split.take([0])):
            with self.assertRaisesRegex(bad_images.BadImageError, "'0.jpg' .*: the JPEG is cut"):
                measuring.check(each, "test")
        measuring.check(split.take([]), "test")

    def test_a_long_pass_tells_what_it_does_and_how_far_it_is(self):
        told = io.StringIO()
        with (
            mock.patch.object(measuring, "_SECONDS_BETWEEN_LINES", -1.0),
            contextlib.redirect_stderr(told),
        ):
            measuring.check(self.split(), "validation")
            measuring.measured(self.split())
        self.assertRegex(
            told.getvalue(),
            "^decoding all validation images once, to find bad ones before training: 5 of 5 after"
            r" \d+ s\ndecoding all training images once: 5 of 5 after \d+ s\n$",
        )


if __name__ == "__main__":
    tf.test.main()
