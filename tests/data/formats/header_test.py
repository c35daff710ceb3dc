"""Tests of kdcl_tf.data.formats.header."""

import io
import struct
import zlib
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image, ImageFile

from kdcl_tf.data.formats import header as header_lib, pillow
from kdcl_tf.data.formats.rules import ImageRules
from tests import image_files, image_kinds

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>8</tiff:Orientation></x:xmpmeta>'
UNTURNED = ImageRules(apply_exif_orientation=False)


def behind_the_pixels(content):
    """A PNG with its EXIF moved behind its pixels."""
    at = content.index(b"eXIf") - 4
    end = at + 12 + int.from_bytes(content[at : at + 4], "big")
    return content[:at] + content[end:-12] + content[at:end] + content[-12:]


class ReadTest(parameterized.TestCase):
    @parameterized.parameters(*image_kinds.files())
    def test_sizes_are_read_without_decoding(self, name):
        with mock.patch.object(ImageFile.ImageFile, "load", side_effect=AssertionError):
            found = header_lib.read(image_kinds.files()[name])
        self.assertEqual(found[1:], (37, 45, 1))

    def test_tensorflow_decodes_what_it_decodes_as_pillow_does(self):
        files = image_kinds.files()
        by = {name: header_lib.read(content).decoder for name, content in files.items()}
        jpegs = {name for name in by if by[name] == header_lib.Decoder.JPEG}
        self.assertEqual(
            jpegs, {f"jpeg_{kind}" for kind in ("baseline", "progressive", "grey", "full_colour")}
        )
        pngs = {name for name in by if by[name] == header_lib.Decoder.PNG}
        self.assertContainsSubset({"png_RGB", "png_RGBA", "png_8_bits"}, pngs)
        self.assertNoCommonElements({"png_16_bits", "png_interlaced", "png_1", "webp_lossy"}, pngs)

    @parameterized.product(kind=("JPEG", "PNG", "WEBP", "TIFF"), orientation=tuple(range(1, 9)))
    def test_orientation_is_read_and_the_size_is_the_stored_one(self, kind, orientation):
        content = image_kinds.turned(kind, orientation)
        with mock.patch.object(ImageFile.ImageFile, "load", side_effect=AssertionError):
            found = header_lib.read(content)
        self.assertEqual(found[1:], (37, 45, orientation))
        self.assertEqual(found.upright, image_kinds.transposed(content).shape[:2])
        self.assertEqual(header_lib.read(content, UNTURNED).orientation, 1)

    def test_orientation_in_xmp_and_behind_the_pixels_of_a_png(self):
        for kind in ("JPEG", "WEBP"):
            content = image_files.encode(image_kinds.PHOTO, kind, xmp=XMP)
            self.assertEqual(header_lib.read(content).orientation, 8)
        content = behind_the_pixels(image_kinds.turned("PNG", 6))
        self.assertGreater(content.index(b"eXIf"), content.index(b"IDAT"))
        self.assertEqual(header_lib.read(content).orientation, 6)

    def test_orientation_in_xmp_of_a_png(self):
        """In a chunk of any text, before the pixels and behind, and behind XMP that has none."""
        plain, key = image_files.encode(image_kinds.PHOTO, "PNG"), b"XML:com.adobe.xmp\0"
        first = plain.index(b"IDAT") - 4
        for kind, text in (
            (b"tEXt", XMP),
            (b"zTXt", b"\0" + zlib.compress(XMP)),
            (b"iTXt", bytes(4) + XMP),
        ):
            chunk = image_kinds.png_chunk(kind, key + text)
            empty = image_kinds.png_chunk(b"iTXt", key + bytes(4) + b"<x:xmpmeta/>")
            for content in (
                plain[:first] + chunk + plain[first:],
                plain[:-12] + chunk + plain[-12:],
                plain[:first] + empty + plain[first:-12] + chunk + plain[-12:],
            ):
                upright = image_kinds.by_pillow(plain)[:, ::-1].transpose(1, 0, 2)
                np.testing.assert_array_equal(image_kinds.transposed(content), upright)
                self.assertEqual(header_lib.read(content).orientation, 8)

    def test_a_jpeg_without_metadata_is_not_given_to_pillow(self):
        content = image_files.encode(image_kinds.PHOTO)
        with mock.patch.object(pillow, "opened", side_effect=AssertionError):
            self.assertEqual(header_lib.read(content)[1:], (37, 45, 1))

    def test_a_jpeg_with_fill_bytes_and_comments_with_markers(self):
        content = image_files.encode(image_kinds.PHOTO)
        comment = b"\xff\xff\xff\xfe" + struct.pack(">H", 20) + b"\xff\xc0" * 9
        found = header_lib.read(content[:2] + comment + content[2:])
        self.assertEqual(found, header_lib.read(content))

    def test_all_jpegs_of_a_real_data_set(self):
        for file in image_files.imagenet_samples():
            content = file.read_bytes()
            with Image.open(io.BytesIO(content)) as image:
                found = header_lib.read(content)
                self.assertEqual(found[1:3], image.size[::-1])
                self.assertEqual(found.orientation, image.getexif().get(0x0112, 1))


class RefusedTest(parameterized.TestCase):
    @parameterized.parameters(
        (b"", "the file is empty"),
        (b"\xff\xd8\xff\xd9", "expected the size of a JPEG"),
        (b"\x89PNG\r\n\x1a\nabc", "expected the size of a PNG"),
        (b"no image", "expected a JPEG, PNG"),
    )
    def test_without_a_size(self, content, message):
        with self.assertRaisesRegex(ValueError, message):
            header_lib.read(content)

    @parameterized.parameters(*image_kinds.files())
    def test_no_kind_has_more_pixels_than_allowed(self, name):
        rules = ImageRules(max_image_megapixels=37 * 45 / 1e6)
        header_lib.read(image_kinds.files()[name], rules)
        rules = ImageRules(max_image_megapixels=(37 * 45 - 1) / 1e6)
        with self.assertRaisesRegex(ValueError, "expected at most .* megapixels; got 37 x 45"):
            header_lib.read(image_kinds.files()[name], rules)

    def test_no_tile_has_more_pixels_than_allowed(self):
        content = image_kinds.tiled_tiff(16, 15, 16)
        self.assertEqual(header_lib.read(content)[1:], (16, 15, 1))
        np.testing.assert_array_equal(pillow.rgb(content), np.zeros([16, 15, 3]))
        content = image_kinds.tiled_tiff(16, 15, 40_000)
        with self.assertRaisesRegex(ValueError, "at most 160 megapixels; got 40000 x 40000"):
            header_lib.read(content)

    def test_every_cut_of_a_header_ends_in_an_error_or_a_header(self):
        for name in ("jpeg_baseline", "png_RGB", "webp_alpha", "gif_still", "bmp_P", "tiff_RGB"):
            content = image_kinds.files()[name]
            for size in range(60):
                try:
                    found = header_lib.read(content[:size])
                except Exception as error:  # Pillow's are of many kinds.
                    self.assertNotIsInstance(error, (StopIteration, MemoryError))
                else:
                    self.assertEqual(found[1:], (37, 45, 1), name)


if __name__ == "__main__":
    absltest.main()
