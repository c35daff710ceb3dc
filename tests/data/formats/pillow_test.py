"""Tests of kdcl_tf.data.formats.pillow."""

import io
import struct

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from kdcl_tf.data.formats import pillow
from tests import image_files, image_kinds


class RgbTest(parameterized.TestCase):
    @parameterized.parameters(*image_kinds.files())
    def test_pixels_are_those_of_convert(self, name):
        content = image_kinds.files()[name]
        found = pillow.rgb(content)
        self.assertEqual(found.dtype, np.uint8)
        np.testing.assert_array_equal(found, image_kinds.by_pillow(content))

    def test_alpha_is_dropped_and_not_blended(self):
        for kind in ("PNG", "TIFF"):
            content = image_files.encode(image_kinds.with_alpha(), kind)
            np.testing.assert_array_equal(pillow.rgb(content), image_kinds.PHOTO)

    @parameterized.parameters("PNG", "TIFF")
    def test_of_16_bits_of_grey_the_high_8_are_taken(self, kind):
        grey = image_kinds.PHOTO[..., 0]
        content = image_files.encode(grey.astype(np.uint16) * 256 + 200, kind)
        np.testing.assert_array_equal(pillow.rgb(content), np.dstack([grey] * 3))

    @parameterized.parameters((0, 255), (1, 0), (None, 255))
    def test_0_is_white_or_black_as_a_tiff_says(self, photometric, first):
        grey = np.array([0, 1, 100, 254, 255])
        for bits, numbers in ((8, grey.astype(np.uint8)), (16, (grey * 256 + 7).astype("<u2"))):
            content = image_kinds.grey_tiff(5, bits, numbers.tobytes(), photometric=photometric)
            found = pillow.rgb(content)
            np.testing.assert_array_equal(found[0, :, 0], np.abs(first - grey))
            np.testing.assert_array_equal(found, np.repeat(found[..., :1], 3, axis=-1))

    def test_of_12_bits_of_grey_the_high_8_are_taken(self):
        content = image_kinds.grey_tiff(2, 12, b"\xab\xc1\x23")
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), [[0xABC, 0x123]])
        np.testing.assert_array_equal(pillow.rgb(content), [[[0xAB] * 3, [0x12] * 3]])

    @parameterized.parameters(
        (32, 1, np.uint32, "32 bits or with signs"),
        (32, 2, np.int32, "32 bits or with signs"),
        (16, 2, np.int16, "32 bits or with signs"),
        (32, 3, np.float32, "floating point"),
    )
    def test_numbers_whose_white_is_not_known_are_refused(self, bits, sample_format, kind, got):
        content = image_kinds.grey_tiff(2, bits, np.array([1, 300], kind).tobytes(), sample_format)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), [[1, 300]])
        message = f"^expected 8 or 16 bits a channel, without signs; got {got}: convert the image$"
        with self.assertRaisesRegex(ValueError, message):
            pillow.rgb(content)

    @parameterized.parameters(37, 40, 43)
    def test_a_bmp_of_2_bits_which_pillow_does_not_read(self, width):
        rng = np.random.default_rng(0)
        positions, palette = rng.integers(0, 4, [9, width]), rng.integers(0, 256, [4, 3])
        content = image_kinds.bmp(positions, palette, 2)
        with self.assertRaisesRegex(OSError, "Unsupported BMP pixel depth"):
            Image.open(io.BytesIO(content)).load()
        np.testing.assert_array_equal(pillow.rgb(content), palette[positions])

    def test_a_bmp_of_os_2_whose_palette_looks_like_2_bits_a_pixel(self):
        """Its palette begins at byte 26: the first colour's red is where others have their bits."""
        palette = np.array([[2, 5, 6], [7, 8, 0]])
        colours = palette[:, ::-1].astype(np.uint8).tobytes()
        start = 26 + len(colours)
        content = struct.pack("<2sIHHI", b"BM", start + 4, 0, 0, start)
        content += struct.pack("<IHHHH", 12, 2, 1, 1, 1) + colours + b"\x40\0\0\0"
        self.assertEqual(content[28:30], b"\2\0")
        np.testing.assert_array_equal(pillow.rgb(content), palette[None, [0, 1]])

    def test_a_bmp_by_hand(self):
        palette = np.array([[1, 2, 3], [201, 202, 203]])
        found = pillow.rgb(image_kinds.bmp(np.array([[0, 1], [1, 1]]), palette, 1))
        np.testing.assert_array_equal(found[0], palette)
        np.testing.assert_array_equal(found[1], palette[[1, 1]])

    def test_only_kinds_of_images_that_are_named_are_opened(self):
        for content in (b"%!PS-Adobe-3.0 EPSF-3.0\n", b"P6 1 1 255 abc", b"", b"<html>"):
            with self.assertRaisesRegex(ValueError, "expected a JPEG, PNG, .* got none"):
                pillow.rgb(content)


class OrientationTest(parameterized.TestCase):
    @parameterized.product(kind=("JPEG", "PNG", "WEBP", "TIFF"), orientation=tuple(range(1, 9)))
    def test_orientation_and_stored_pixels(self, kind, orientation):
        content = image_kinds.turned(kind, orientation)
        self.assertEqual(pillow.orientation_of(content), orientation)
        expected = image_kinds.by_pillow(image_kinds.turned(kind, 1))
        np.testing.assert_array_equal(pillow.rgb(content), expected)

    def test_damaged_exif_is_none(self):
        for exif in (b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"):
            content = image_files.encode(image_kinds.PHOTO, "JPEG", exif=exif)
            self.assertEqual(pillow.orientation_of(content), 1)
        self.assertEqual(pillow.orientation_of(image_kinds.turned("JPEG", 9)), 1)
        self.assertEqual(pillow.orientation_of(b"no image"), 1)


if __name__ == "__main__":
    absltest.main()
