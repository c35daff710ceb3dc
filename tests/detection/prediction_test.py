"""Tests of kdcl_tf.detection.prediction."""

import json
import pathlib

import numpy as np
import tensorflow as tf

from kdcl_tf.data import decoding
from kdcl_tf.detection import prediction, served
from tests import exported_photos, image_files, tiny_detector


class PredictionTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.image = self.folder / "photo.jpg"
        self.image.write_bytes(image_files.encode(image_files.photo(1, 40, 60)))
        self.model = served.ServedDetector(tiny_detector.exported())

    def test_a_picture_and_a_list(self):
        line = prediction.draw(self.model, self.image, self.folder, 0.5)
        self.assertStartsWith(line, "photo.jpg: brush 0.9")
        picture = tf.io.decode_png((self.folder / "photo.png").read_bytes())
        self.assertEqual(picture.shape, (40, 60, 3))
        listing = json.loads((self.folder / "photo.json").read_text())
        self.assertEqual({each["name"] for each in listing}, {"brush"})
        self.assertEqual(set(listing[0]), {"name", "score", "box", "mask"})
        self.assertEqual(listing[0]["mask"]["size"], [40, 60])
        scores = [each["score"] for each in listing]
        self.assertAllEqual(np.sort(scores)[::-1], scores)

    def test_boxes_are_written_as_exactly_as_they_are(self):
        prediction.draw(self.model, self.image, self.folder, 0.5)
        listing = json.loads((self.folder / "photo.json").read_text())
        image = decoding.rgb(tf.constant(self.image.read_bytes())).numpy()
        boxes = self.model(image).of_at_least(0.5).boxes
        self.assertAllEqual(np.float32([each["box"] for each in listing]), boxes)

    def test_a_photograph_is_turned_where_those_of_training_were(self):
        self.image.write_bytes(exported_photos.turned(6, seed=1, height=40, width=60))
        for setting, shape in (("true", (60, 40, 3)), ("false", (40, 60, 3))):
            settings = {"apply_exif_orientation": setting}
            self.model.card = {**self.model.card, "identity": {"settings": settings}}
            prediction.draw(self.model, self.image, self.folder, 0.5)
            picture = tf.io.decode_png((self.folder / "photo.png").read_bytes())
            self.assertEqual(picture.shape, shape)

    def test_nothing_sure_is_said_so(self):
        image = self.image.rename(self.folder / "a\nb.jpg")
        line = prediction.draw(self.model, image, self.folder, 1.0)
        told = r"a\nb.jpg: nothing with a score of 1.0 or more; "
        self.assertEqual(line, rf"{told}{self.folder}/a\nb.png")
        self.assertEqual(json.loads((self.folder / "a\nb.json").read_text()), [])

    def test_a_damaged_image_is_refused(self):
        prediction.check(self.image)
        cut = self.folder / "cut\u2028.jpg"
        cut.write_bytes(self.image.read_bytes()[:200])
        with self.assertRaisesRegex(ValueError, r"cut\\u2028.jpg cannot be decoded: the JPEG is"):
            prediction.check(cut)


if __name__ == "__main__":
    tf.test.main()
