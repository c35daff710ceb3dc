"""Tests of kdcl_tf.detection.scenes.pixels."""

import os

import numpy as np
import tensorflow as tf

from kdcl_tf.data import bad_images
from kdcl_tf.detection.coco import folder as coco_folder
from kdcl_tf.detection.scenes import pixels as scene_pixels
from tests import coco_files, image_files


class ScenePixelsTest(tf.test.TestCase):
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
            self.assertAllEqual(image, tf.io.decode_image(content, channels=3))
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

    def test_no_image(self):
        image_files.write(self.root, {"train2017/000000000002.jpg": b""})
        self.assert_refused("image '000000000002.jpg' of id 2 cannot be decoded: .* is empty")

    def test_gone(self):
        os.remove(self.file)
        self.assert_refused("image '000000000002.jpg' of id 2 cannot be read: .*No such file")

    def test_of_another_size_than_annotated(self):
        turned = image_files.encode(np.swapaxes(image_files.photo(2, 48, 32), 0, 1))
        image_files.write(self.root, {"train2017/000000000002.jpg": turned})
        self.assert_refused("of id 2 has another size .*expected 48 x 32 pixels .*; got 32 x 48;")


if __name__ == "__main__":
    tf.test.main()
