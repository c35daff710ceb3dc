"""Tests of tools/drawing/style.py."""

import io
import pathlib

import numpy as np
from absl.testing import absltest
from drawing import style
from PIL import Image


def _lightness(colour):
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class StyleTest(absltest.TestCase):
    def test_looks_tell_apart_without_colours(self):
        self.assertLen(set(style.MARKERS), len(style.MARKERS))
        self.assertGreaterEqual(len(style.MARKERS), len(style.COLOURS))
        # What is light and what is dark differ in grey, too.
        self.assertGreater(_lightness(style.SKY) - _lightness(style.BLUE), 0.2)
        self.assertGreater(_lightness(style.ORANGE) - _lightness(style.VERMILION), 0.15)

    def test_a_picture_that_is_too_large_is_refused(self):
        figure, ((axes,),) = style.new(8.0)
        axes.imshow(np.random.default_rng(0).integers(0, 256, (900, 900, 3)))
        path = pathlib.Path(self.create_tempdir().full_path) / "noise.png"
        with self.assertRaisesRegex(ValueError, "expected noise.png below 200,000 bytes; got"):
            style.save(figure, path)
        self.assertFalse(path.exists())

    def test_a_png_has_few_colours_and_the_width_of_a_page(self):
        figure, ((axes,),) = style.new(1.0)
        axes.plot([0, 1], color=style.BLUE)
        path = pathlib.Path(self.create_tempdir().full_path) / "line.png"
        style.save(figure, path)
        picture = Image.open(io.BytesIO(path.read_bytes()))
        self.assertEqual((picture.mode, picture.width), ("P", 880))


if __name__ == "__main__":
    absltest.main()
