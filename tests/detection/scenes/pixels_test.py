"""Tests of kdcl_tf.detection.scenes.pixels."""

import os

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data import bad_images
from kdcl_tf.data.formats.rules import ImageRules
from kdcl_tf.detection.coco import folder as coco_folder
from kdcl_tf.detection.scenes import pixels as scene_pixels
from tests import coco_files, image_files, image_kinds


class ScenePixelsTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.root = self.create_tempdir().full_path
        coco_files.write(self.root)
        self.scenes = coco_folder.read(self.root, masks=False).train
        self.file = os.path.join(self.root, "train2017", "000000000002.jpg")

    def decoded(self):
        stream = tf.data.Dataset.range(3).map(scene_pixels.ScenePixels(self.scenes).decoded)
        with bad_images.told_in_one_line():
            return list(stream.as_numpy_iterator())

    def assert_refused(self, message):
        with self.assertRaisesRegex(bad_images.BadImageError, message) as raised:
            self.decoded()
        self.assertNotIn("\n", str(raised.exception))

    def test_pixels_are_those_of_the_file(self):
        for index, image in enumerate(self.decoded()):
            content = self.scenes.images.read(index)
            self.assertAllEqual(image, image_kinds.by_pillow(content))
            self.assertAllEqual(image.shape[:2], self.scenes.sizes[index])

    def test_grey_becomes_rgb(self):
        grey = image_files.encode(image_files.photo(2, 48, 32), mode="L")
        image_files.write(self.root, {"train2017/000000000002.jpg": grey})
        image = self.decoded()[1]
        self.assertEqual(image.shape, (48, 32, 3))
        self.assertAllEqual(image[..., 0], image[..., 2])

    def test_cut_short(self):
        os.truncate(self.file, os.path.getsize(self.file) - 40)
        self.assert_refused("image '000000000002.jpg' of id 2 cannot be decoded: the JPEG is cut")

    def test_all_are_checked_before_a_run_trains(self):
        scene_pixels.ScenePixels(self.scenes).check("test")
        os.truncate(self.file, os.path.getsize(self.file) - 40)
        with self.assertRaisesRegex(bad_images.BadImageError, "'000000000002.jpg' .* is cut"):
            with bad_images.told_in_one_line():
                scene_pixels.ScenePixels(self.scenes).check("test")
        scene_pixels.ScenePixels(self.scenes.take([0, 2])).check("test")

    def test_no_image(self):
        image_files.write(self.root, {"train2017/000000000002.jpg": b""})
        self.assert_refused("image '000000000002.jpg' of id 2 cannot be decoded: .* is empty")

    def test_gone(self):
        os.remove(self.file)
        self.assert_refused("image '000000000002.jpg' of id 2 cannot be read: .*No such file")

    def test_of_another_size_than_annotated(self):
        turned = image_files.encode(np.swapaxes(image_files.photo(2, 48, 32), 0, 1))
        image_files.write(self.root, {"train2017/000000000002.jpg": turned})
        self.assert_refused("of id 2 has another size .*expected 48 x 32 pixels .*; got 32 x 48:")

    def turned(self, orientation, height, width):
        """Writes a photograph that is stored with this size."""
        pixels = image_files.photo(2, height, width)
        content = image_kinds.turned("JPEG", orientation, pixels)
        image_files.write(self.root, {"train2017/000000000002.jpg": content})
        return content

    @parameterized.parameters(range(1, 9))
    def test_annotated_upright_or_as_stored(self, orientation):
        """The annotated size is 48 x 32."""
        is_transposed = orientation >= 5
        upright = self.turned(orientation, *((32, 48) if is_transposed else (48, 32)))
        self.assertAllEqual(self.decoded()[1], image_kinds.transposed(upright))
        if is_transposed:
            stored = self.turned(orientation, 48, 32)
            self.assertAllEqual(self.decoded()[1], image_kinds.by_pillow(stored))

    def test_orientation_can_be_left_alone(self):
        stored = self.turned(3, 48, 32)
        self.scenes = self.scenes.under(ImageRules(apply_exif_orientation=False))
        self.assertAllEqual(self.decoded()[1], image_kinds.by_pillow(stored))
        self.turned(6, 32, 48)
        self.assert_refused("of id 2 has another size .*expected 48 x 32 pixels .*; got 32 x 48:")

    def test_limits(self):
        self.scenes = self.scenes.under(ImageRules(max_image_megapixels=0.001))
        self.assert_refused("cannot be decoded: expected at most 0.001 megapixels; got ")
        self.scenes = self.scenes.under(ImageRules(max_image_megabytes=0.0001))
        self.assert_refused("cannot be read: expected at most 0.0001 MB for an image; got ")


if __name__ == "__main__":
    tf.test.main()
