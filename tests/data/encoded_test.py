"""Tests of kdcl_tf.data.encoded: images on disk, good and bad."""

import contextlib
import dataclasses
import io
import os

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data import bad_images, decoding, encoded, encoded_views, storage, stream
from tests import image_files

PHOTO = image_files.photo()
SIZES = ((40, 50), (31, 90), (70, 33), (16, 16), (120, 45))


def _photos(count=5):
    return {
        f"{number}.jpg": image_files.encode(image_files.photo(number, *SIZES[number % len(SIZES)]))
        for number in range(count)
    }


class SplitTest(tf.test.TestCase, parameterized.TestCase):
    def _split(self, contents, **arguments):
        return image_files.split(self.create_tempdir().full_path, contents, **arguments)

    def test_every_image_counts_once_in_order_the_last_partial_batch_included(self):
        split = self._split(_photos())
        whole = np.concatenate([images for images, _ in split.pixels(5)])
        for size in (1, 2, 4):
            batches = list(split.pixels(size))
            self.assertAllEqual(np.concatenate([labels for _, labels in batches]), np.arange(5))
            self.assertAllEqual(np.concatenate([images for images, _ in batches]), whole)
        self.assertEqual((whole.shape, whole.dtype), ((5, 16, 16, 3), np.uint8))

    def test_scaled_to_a_square_and_cut_to_the_centre(self):
        """The paper's 256 and 224, whatever the shape of the image."""
        split = self._split(_photos(), size=224)
        for index, (images, _) in enumerate(split.pixels(1)):
            image = decoding.rgb(split.images.read(index))
            square = tf.image.resize(image, [256, 256], antialias=True)[16:240, 16:240]
            self.assertAllClose(images[0], square, atol=0.51)

    def test_take_and_listing(self):
        split = self._split(_photos()).take(np.array([3, 1]))
        self.assertEqual(split.listing(), "3.jpg\tclass 3\n1.jpg\tclass 1\n")
        self.assertAllEqual(next(split.pixels(9))[1], [3, 1])
        self.assertLen(split.take(slice(1)), 1)
        self.assertEmpty(list(split.take([]).pixels(2)))

    @parameterized.named_parameters(
        ("grey_jpeg", "JPEG", "L"),
        ("cmyk_jpeg", "JPEG", "CMYK"),
        ("png_called_jpg", "PNG", None),
        ("palette_png", "PNG", "P"),
        ("alpha_png", "PNG", "RGBA"),
        ("gif", "GIF", None),
        ("bmp", "BMP", None),
        ("palette_bmp", "BMP", "P"),
        ("webp", "WEBP", None),
    )
    def test_kinds_of_images_that_are_taken(self, kind, mode):
        split = self._split({"a.jpg": image_files.encode(PHOTO, kind, mode)})
        ((images, _),) = split.pixels(1)
        wanted = tf.image.resize(PHOTO, [18, 18], antialias=True)[1:17, 1:17].numpy()
        if mode == "L":
            wanted = wanted @ np.array([[0.299], [0.587], [0.114]]) * np.ones(3)
        # GIF and P have 256 colours or fewer, CMYK is not exact.
        self.assertLess(np.abs(images[0] - wanted).mean(), 16 if mode == "P" else 9)

    def test_one_pixel_and_16_bits(self):
        pixel = np.array([[[250, 120, 10]]], np.uint8)
        deep = tf.io.encode_png(np.full([3, 4, 3], 77 * 257, np.uint16)).numpy()
        split = self._split({"one.png": image_files.encode(pixel, "PNG"), "deep.png": deep})
        ((images, _),) = split.pixels(2)
        self.assertAllEqual(images[0], np.broadcast_to(pixel, [16, 16, 3]))
        self.assertAllEqual(images[1], np.full([16, 16, 3], 77))

    def test_a_data_set_normalises_and_says_what_it_is(self):
        dataset = image_files.dataset(self._split(_photos()))
        ((images, labels),) = dataset.batches(dataset.test, 5)
        pixels = np.concatenate([images for images, _ in dataset.test.pixels(2)]) / 255.0
        self.assertAllClose(
            images,
            (pixels - dataset.normalization.mean) / dataset.normalization.deviation,
            atol=1e-5,
        )
        self.assertAllEqual(labels, np.arange(5))
        self.assertEqual(dataset.image_shape, (16, 16, 3))
        self.assertEqual(dataset.batches(dataset.test, 3).element_spec[0].shape, (None, 16, 16, 3))
        summary = dataset.summary()
        self.assertEqual((summary["num_train"], summary["distortion"]), (5, "resized_crop"))
        self.assertNotIn("bad_images", summary)

    def test_decoded_images_are_those_of_the_stream(self):
        split = self._split(_photos())
        decoded = split.decoded()
        self.assertAllEqual(decoded.images, np.concatenate([i for i, _ in split.pixels(2)]))
        self.assertEqual(decoded.listing(), split.listing())
        self.assertEqual(decoded.take([3, 1]).listing(), split.take([3, 1]).listing())
        self.assertIsNone(decoded.good)

    def test_pixels_of_the_right_size_are_decoded_already(self):
        pixels = np.random.default_rng(0).integers(0, 256, [2, 8, 9, 3]).astype(np.uint8)
        images = storage.Pixels(pixels, storage.Numbered("noise", np.arange(2)))
        bad = bad_images.BadImages()
        split = encoded.EncodedSplit(images, np.arange(2), ("a", "b"), (8, 9), bad)
        self.assertIs(split.decoded().images, pixels)
        self.assertAllEqual(next(split.pixels(2))[0], pixels)
        self.assertEqual(dataclasses.replace(split, size=(4, 4)).decoded().image_shape, (4, 4, 3))

    def test_batch_size(self):
        with self.assertRaisesRegex(ValueError, "batch_size: expected 1 or more; got 0"):
            self._split(_photos()).batches(np.arange(5), 0, lambda *batch: batch)


BAD = {
    "cut.jpg": (lambda: image_files.encode(PHOTO)[:-60], "the JPEG is cut short"),
    "cut.png": (lambda: image_files.encode(PHOTO, "PNG")[:-600], "PNG"),
    "page.jpg": (lambda: b"<html>404 not found</html>", "expected a JPEG, PNG, GIF"),
    "tiff.jpg": (lambda: image_files.encode(PHOTO, "TIFF")[:-600], "."),
    "empty.jpg": (lambda: b"", "the file is empty"),
}


class BadImagesTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path
        self.enter_context(contextlib.redirect_stderr(io.StringIO()))

    def _split(self, names, skip=False):
        good = _photos()
        contents = {**good, **{name: BAD[name][0]() for name in names}}
        # Bad ones first, and between good ones.
        order = sorted(contents, key=lambda name: (name[0] > "2", name in good, name))
        return image_files.split(self.folder, {name: contents[name] for name in order}, skip=skip)

    @parameterized.parameters(*BAD)
    def test_one_line_names_the_image_its_class_and_what_is_wrong(self, name):
        split = self._split([name])
        number = [split.images.name(index) for index in range(6)].index(name)
        with self.assertRaises(bad_images.BadImageError) as raised:
            list(split.pixels(3))
        self.assertRegex(
            str(raised.exception),
            f"^image '{name}' of class 'class {number}' cannot be decoded: .*{BAD[name][1]}.*; "
            "pass skip_bad_images=True to leave out such images$",
        )

    def test_an_image_that_is_gone(self):
        split = self._split([])
        os.remove(os.path.join(self.folder, "3.jpg"))
        with self.assertRaisesRegex(bad_images.BadImageError, "'3.jpg'.*No such file"):
            list(split.pixels(3))

    @parameterized.parameters(2, 4, 10)
    def test_skipped_ones_leave_their_batch_smaller_and_move_no_other(self, batch_size):
        split = self._split(BAD, skip=True)
        names = [split.images.name(index) for index in range(10)]
        batches = [range(start, min(start + batch_size, 10)) for start in range(0, 10, batch_size)]
        wanted = [[label for label in batch if names[label] not in BAD] for batch in batches]
        found = [labels.tolist() for _, labels in split.pixels(batch_size)]
        self.assertEqual(found, [labels for labels in wanted if labels])
        self.assertEqual(set(split.bad_images.found), set(BAD))

    def test_what_is_left_is_as_if_they_had_not_been_there(self):
        found = np.concatenate([images for images, _ in self._split(BAD, skip=True).pixels(4)])
        wanted = np.concatenate([images for images, _ in self._split([]).pixels(4)])
        self.assertAllEqual(found, wanted)

    def test_decoded_into_memory_they_leave_holes(self):
        split = self._split(BAD, skip=True)
        decoded = split.decoded()
        names = [split.images.name(index) for index in range(10)]
        self.assertEqual(decoded.good.tolist(), [name not in BAD for name in names])
        self.assertEqual(set(split.bad_images.found), set(BAD))
        for (found, labels), (wanted, same) in zip(decoded.pixels(3), split.pixels(3), strict=True):
            self.assertAllEqual(found, wanted)
            self.assertAllEqual(labels, same)

    def test_bad_ones_are_counted_where_they_are_once_they_are_found(self):
        split = self._split(BAD, skip=True)
        self.assertEqual(split.num_bad, 0)
        list(split.pixels(4))
        self.assertEqual(split.num_bad, len(BAD))
        names = [split.images.name(index) for index in range(len(split))]
        good = [index for index, name in enumerate(names) if name not in BAD]
        self.assertEqual(split.take(good).num_bad, 0)
        self.assertEqual(split.decoded().num_bad, len(BAD))

    def test_batches_of_bad_ones_alone(self):
        contents = {name: BAD[name][0]() for name in ("cut.jpg", "empty.jpg")}
        split = image_files.split(self.folder, contents, skip=True)
        self.assertEmpty(list(split.pixels(2)))
        views = encoded_views.EncodedViews(image_files.dataset(split), ("a",), 0)
        self.assertEmpty(list(views.epoch(0, 2)))
        # Who asks for a share counts batches.
        (batch,) = views.epoch(0, 2, share=stream.Share())
        self.assertEqual(batch[1].shape, [0])
        self.assertEqual(set(split.bad_images.found), set(contents))
        # Other replicas would wait for this one.
        with self.assertRaisesRegex(
            bad_images.BadImageError, "every device in each batch; got 1 that cannot.*'"
        ):
            with bad_images.told_in_one_line():
                list(views.epoch(0, 2, share=stream.Share(2, 0, 1)))


if __name__ == "__main__":
    tf.test.main()
