"""Tests of kdcl_tf.detection.drawing."""

import os

import numpy as np
import tensorflow as tf
from PIL import Image

from kdcl_tf.detection import drawing

GREY = np.full([120, 160, 3], 128, np.uint8)
BOX = [[40, 50, 120, 100]]


class DrawTest(tf.test.TestCase):
    def test_a_box_has_the_colour_of_its_class(self):
        found = drawing.draw(GREY, BOX, [0.87], ["cat"])
        self.assertEqual((found.shape, found.dtype), (GREY.shape, np.uint8))
        for row, column in ((70, 40), (70, 119), (99, 80)):
            self.assertAllEqual(found[row, column], drawing.colour("cat"))
        self.assertAllEqual(found[75, 80], [128, 128, 128])
        self.assertAllEqual(GREY, np.full([120, 160, 3], 128))

    def test_the_label_is_above_the_box_or_inside_where_there_is_no_room(self):
        for top, rows in ((50, slice(36, 49)), (0, slice(2, 13))):
            found = drawing.draw(GREY, [[40, top, 120, 110]], [0.87], ["cat"])
            colour = np.array(drawing.colour("cat"))
            band = np.all(found[rows, 41:60] == colour, axis=-1)
            # Background of the class's colour, and letters of another.
            self.assertAllInRange(band.mean(), 0.3, 0.98)

    def test_letters_outside_ascii_are_told_apart(self):
        """Those that no font is sure to have are shown by their numbers."""
        shown = set()
        for name in ("caf\u00e9", "caf\u00e8", "\u03ba\u03cd\u03c9\u03bd", "\u732b", "\u72ac"):
            font, (label,) = drawing._written([name], 20)
            shown.add(bytes(font.getmask(label)))
        self.assertLen(shown, 5)
        self.assertEqual(drawing._written(["\u732b caf\u00e9"], 20)[1], ["\\u732b caf\u00e9"])
        wide = np.full([120, 400, 3], 128, np.uint8)
        self.assertEqual(drawing.draw(wide, BOX, [0.9], ["\u732b"]).shape, wide.shape)

    def test_masks_are_translucent(self):
        mask = np.zeros([1, 120, 160], np.uint8)
        mask[0, 60:90, 50:80] = 1
        found = drawing.draw(GREY, BOX, [0.5], ["cat"], mask)
        colour = np.array(drawing.colour("cat"))
        self.assertAllClose(found[75, 65], 128 + 0.45 * (colour - 128), atol=0.51)
        self.assertAllEqual(found[75, 90], [128, 128, 128])

    def test_the_surest_is_on_top(self):
        boxes = [BOX[0], BOX[0]]
        for scores, name in (([0.9, 0.4], "cat"), ([0.4, 0.9], "dog")):
            found = drawing.draw(GREY, boxes, scores, ["cat", "dog"])
            self.assertAllEqual(found[70, 40], drawing.colour(name))

    def test_a_box_up_to_the_border_has_all_four_sides(self):
        found = drawing.draw(GREY, [[20, 20, GREY.shape[1], GREY.shape[0]]], [1.0], ["cat"])
        for side in (found[60:, 20], found[60:, -1], found[-1, 20:]):
            self.assertAllEqual(side, np.broadcast_to(drawing.colour("cat"), side.shape))

    def test_nothing_found_and_odd_boxes(self):
        nothing = drawing.draw(GREY, np.zeros([0, 4]), [], [], np.zeros([0, 120, 160]))
        self.assertAllEqual(nothing, GREY)
        boxes = np.float32([[-9, -9, 500, 500], [159.5, 119.5, 160, 120], [3, 3, 3.2, 3.1]])
        self.assertNotAllEqual(drawing.draw(GREY, boxes, [0.1, 0.2, 0.3], ["a", "b", "c"]), GREY)
        for size in ((8, 8), (1500, 30)):
            image = np.zeros([*size, 3], np.uint8)
            self.assertEqual(drawing.draw(image, [[1, 1, 6, 6]], [1], ["x"]).shape, image.shape)


class ColourTest(tf.test.TestCase):
    def test_fixed_by_the_name(self):
        """In all processes and versions: pictures of two runs are compared side by side."""
        self.assertEqual(drawing.colour("person"), (13, 255, 229))

    def test_hardly_two_of_coco_share_one(self):
        found = {drawing.colour(f"class {number}") for number in range(80)}
        self.assertGreater(len(found), 75)


class WriteTest(tf.test.TestCase):
    def test_png_without_a_rest(self):
        folder = self.create_tempdir().full_path
        picture = np.random.default_rng(0).integers(0, 256, [9, 7, 3]).astype(np.uint8)
        for _ in range(2):
            drawing.write(os.path.join(folder, "picture.png"), picture)
        self.assertEqual(os.listdir(folder), ["picture.png"])
        self.assertAllEqual(Image.open(os.path.join(folder, "picture.png")), picture)


if __name__ == "__main__":
    tf.test.main()
