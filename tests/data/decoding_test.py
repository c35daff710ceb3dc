"""Tests of kdcl_tf.data.decoding."""

import struct

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data import decoding
from tests import image_files, image_kinds

PHOTO = image_files.photo(height=60, width=90)


def _gradient_bmp():
    """Two pixels of a palette of two colours, in the form that TensorFlow reads."""
    palette = bytes((1, 2, 3, 0, 201, 202, 203, 0))
    header = struct.pack("<2sIHHI", b"BM", 54 + 8 + 4, 0, 0, 54 + 8)
    info = struct.pack("<IiiHHIIiiII", 40, 4, 1, 1, 8, 0, 4, 0, 0, 2, 0)
    return header + info + palette + bytes((0, 1, 1, 0))


class RgbTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ("PNG", None, 0),
        ("BMP", None, 0),
        ("WEBP", None, 0),
        ("JPEG", None, 6),
        ("JPEG", "CMYK", 9),
    )
    def test_kinds_of_files_in_a_graph(self, kind, mode, tolerance):
        options = {"lossless": True} if kind == "WEBP" else {}
        content = image_files.encode(PHOTO, kind, mode, quality=95, **options)
        found = tf.function(decoding.rgb)(tf.constant(content)).numpy()
        self.assertEqual((found.shape, found.dtype), (PHOTO.shape, np.uint8))
        self.assertLessEqual(np.abs(found.astype(int) - PHOTO).mean(), tolerance)

    @parameterized.parameters(("JPEG", "L"), ("PNG", "L"), ("PNG", "LA"), ("GIF", "L"))
    def test_grey_becomes_rgb(self, kind, mode):
        found = decoding.rgb(image_files.encode(PHOTO, kind, mode)).numpy()
        self.assertAllEqual(found[..., 0], found[..., 2])
        expected = PHOTO @ np.array([0.299, 0.587, 0.114])
        self.assertAllClose(found[..., 0], expected, atol=12)

    def test_the_colours_of_a_palette(self):
        found = decoding.rgb(_gradient_bmp())
        self.assertAllEqual(found[0], [[3, 2, 1], [203, 202, 201], [203, 202, 201], [3, 2, 1]])


# Traced once for all files.
_rgb = tf.function(decoding.rgb, input_signature=[tf.TensorSpec([], tf.string)])


class KindsTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(*image_kinds.files())
    def test_pixels_and_parts_are_those_of_pillow(self, name):
        content = image_kinds.files()[name]
        expected = image_kinds.by_pillow(content)
        self.assertAllEqual(_rgb(content), expected)
        windows = np.array([[5, 10, 8, 9], [0, 3, 20, 4]], np.int32)
        pixels, moved = decoding.parts(tf.constant(content), lambda *_, found=windows: found)
        for (top, left, height, width), (row, column, _, _) in zip(windows, moved.numpy()):
            part = expected[top : top + height, left : left + width]
            self.assertAllEqual(pixels[row : row + height, column : column + width], part)

    @parameterized.parameters(*image_kinds.files())
    def test_a_file_cut_short_is_refused_or_decoded_but_ends_no_process(self, name):
        content = image_kinds.files()[name]
        for size in (3, 30, len(content) // 2, len(content) - 30):
            found = decoding.fault(content[:size])
            if found is None:
                self.assertEqual(decoding.rgb(content[:size]).shape, (37, 45, 3))
            else:
                self.assertNotIn("\n", found)
                with self.assertRaises(tf.errors.OpError):
                    _rgb(content[:size])


class PartsTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(subsampling=(0, 1, 2), mode=(None, "L", "CMYK"))
    def test_parts_of_a_jpeg_are_those_of_the_whole_bit_for_bit(self, subsampling, mode):
        options = {} if mode == "L" else {"subsampling": subsampling}
        content = image_files.encode(PHOTO, "JPEG", mode, **options)
        self._assert_parts_are_those_of_the_whole(content, 60)

    def test_also_of_real_photographs(self):
        for number, file in enumerate(image_files.imagenet_samples()[:40]):
            self._assert_parts_are_those_of_the_whole(file.read_bytes(), 3, number)

    def _assert_parts_are_those_of_the_whole(self, content, times, seed=0):
        whole, rng = decoding.rgb(content).numpy(), np.random.default_rng(seed)
        for _ in range(times):
            sides = rng.integers(1, np.array([whole.shape[:2]] * 2) + 1)
            corners = rng.integers(0, np.array(whole.shape[:2]) - sides + 1)
            windows = np.concatenate([corners, sides], axis=1).astype(np.int32)
            pixels, moved = decoding.parts(tf.constant(content), lambda *_, found=windows: found)
            for (top, left, high, wide), (row, column, *same) in zip(windows, moved.numpy()):
                self.assertEqual(same, [high, wide])
                expected = whole[top : top + high, left : left + wide]
                found = pixels[row : row + high, column : column + wide]
                self.assertAllEqual(found, expected)

    def test_only_the_rectangle_around_the_windows_is_decoded(self):
        content = tf.constant(image_files.encode(PHOTO))
        windows = np.array([[10, 20, 5, 6], [12, 50, 9, 7]], np.int32)
        pixels, _ = decoding.parts(content, lambda *_, found=windows: found)
        self.assertEqual(pixels.shape, (21 - 10 + 4, 57 - 20 + 4, 3))

    def test_windows_are_asked_for_the_size_of_the_image(self):
        for kind in ("JPEG", "PNG"):
            content = tf.constant(image_files.encode(PHOTO, kind))
            pixels, windows = decoding.parts(content, lambda h, w: tf.stack([[0, 0, h, w]]))
            self.assertEqual(pixels.shape, PHOTO.shape)
            self.assertAllEqual(windows, [[0, 0, 60, 90]])

    def test_a_jpeg_that_is_cut_short_is_refused_whatever_is_asked_of_it(self):
        content = tf.constant(image_files.encode(PHOTO)[:-50])
        with self.assertRaises(tf.errors.InvalidArgumentError):
            decoding.parts(content, lambda *_: tf.constant([[0, 0, 4, 4]]))

    def test_bytes_after_the_end_of_a_jpeg_do_no_harm(self):
        content = image_files.encode(PHOTO)
        pixels, _ = decoding.parts(tf.constant(content + b"more"), lambda *_: [[0, 0, 60, 90]])
        self.assertAllEqual(pixels, decoding.rgb(content))


class FaultTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.named_parameters(
        ("empty", lambda: b"", "the file is empty"),
        ("one_byte", lambda: b"x", "."),
        (
            "page",
            lambda: b"<html>404 not found</html>",
            "expected a JPEG, PNG, GIF, BMP, WebP or TIFF",
        ),
        ("tiff", lambda: image_files.encode(PHOTO, "TIFF")[:-500], "."),
        (
            "tiff_of_floats",
            lambda: image_kinds.grey_tiff(1, 32, bytes(4), 3),
            "^expected 8 or 16 bits a channel, without signs; got floating point: convert the image$",
        ),
        ("jpeg", lambda: image_files.encode(PHOTO)[:-50], "the JPEG is cut short"),
        ("png", lambda: image_files.encode(PHOTO, "PNG")[:-500], "PNG"),
    )
    def test_what_is_wrong_in_one_line(self, content, expected):
        found = decoding.fault(content())
        self.assertRegex(found, expected)
        self.assertNotIn("\n", found)

    def test_nothing_is_wrong(self):
        self.assertIsNone(decoding.fault(image_files.encode(PHOTO)))


class ResizedTest(tf.test.TestCase):
    def test_same_size_changes_nothing(self):
        images = np.random.default_rng(0).integers(0, 256, [2, 8, 8, 3])
        images = images.astype(np.uint8)
        self.assertAllEqual(decoding.resized(images, 8, 8), images)
        # Not even where TensorFlow does not see that it is the same.
        found = tf.function(
            lambda image: decoding.resized(image, 8, 8),
            input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)],
        )(images[0])
        self.assertAllEqual(found, images[0])

    def test_the_centre_is_cut_from_the_scaled_image(self):
        image = np.random.default_rng(0).integers(0, 256, [30, 20, 3]).astype(np.uint8)
        scaled = decoding.resized(image, 10, 12).numpy()
        self.assertAllEqual(decoding.centre(image, (10, 12), (6, 7, 3)), scaled[2:8, 2:9])
        # As it is, where it has that size already.
        self.assertAllEqual(decoding.centre(image, (30, 20), (30, 20, 3)), image)
        grey = image[..., :1]
        self.assertAllEqual(decoding.centre(grey, (30, 20), (28, 20, 1)), grey[1:29])

    def test_extremes_do_not_wrap_round(self):
        for level in (0, 255):
            image = np.full([5, 9, 3], level, np.uint8)
            self.assertAllEqual(decoding.resized(image, 32, 32), np.full([32, 32, 3], level))

    def test_shrinking_averages(self):
        stripes = np.tile(np.array([0, 255], np.uint8), 32)
        image = np.broadcast_to(stripes[None, :, None], [64, 64, 3])
        inner = decoding.resized(image, 4, 8).numpy()[:, 1:-1].astype(np.int32)
        self.assertEqual(inner.shape, (4, 6, 3))
        self.assertAllInRange(inner, 120, 135)


if __name__ == "__main__":
    tf.test.main()
