"""Tests of kdcl_tf.prediction.thumbnails."""

import base64
import io
import pathlib

import numpy as np
from absl.testing import absltest
from PIL import Image

from kdcl_tf.data import ImageRules
from kdcl_tf.prediction import thumbnails
from tests import exported_photos, image_files


def _opened(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), np.int16)


class ThumbnailsTest(absltest.TestCase):
    def test_the_longer_side_shrinks_to_the_limit_and_the_shape_stays(self):
        photo = image_files.photo(0, 60, 120)
        self.assertEqual(_opened(thumbnails.thumbnail(photo, 40)).shape, (20, 40, 3))
        small = _opened(thumbnails.thumbnail(photo, 400))
        self.assertEqual(small.shape, photo.shape)
        self.assertLess(np.abs(small - photo).mean(), 8)

    def test_a_picture_is_upright_as_the_rules_say(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "turned.jpg"
        path.write_bytes(exported_photos.turned(height=40, width=50))
        for turn, shape in ((True, (50, 40, 3)), (False, (40, 50, 3))):
            uri = thumbnails.data_uri(str(path), ImageRules(apply_exif_orientation=turn))
            head, _, content = uri.partition(",")
            self.assertEqual(head, "data:image/jpeg;base64")
            self.assertEqual(_opened(base64.b64decode(content)).shape, shape)

    def test_a_file_that_is_gone_or_changed_has_no_picture(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "a.png"
        self.assertEqual(thumbnails.data_uri(str(path)), "")
        path.write_bytes(b"no image")
        self.assertEqual(thumbnails.data_uri(str(path)), "")


if __name__ == "__main__":
    absltest.main()
