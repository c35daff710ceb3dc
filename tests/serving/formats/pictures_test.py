"""Tests of kdcl_tf.serving.formats.pictures."""

import contextlib
import dataclasses
import io
import pathlib
import shutil
import unicodedata

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data.bad_images import BadImageError
from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import pictures
from tests import image_files


def _card(channels=3, distortion="padded_crop"):
    normalization = Normalization((0.5,) * channels, (0.5,) * channels)
    return Card("a", (16, 16, channels), ("cat", "dog"), normalization, distortion)


class PicturesTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_noise_is_always_the_same(self):
        found = pictures.noise((4, 5, 1))
        self.assertEqual((found.images.shape, found.images.dtype), ((16, 4, 5, 1), np.uint8))
        self.assertAllEqual(found.images, pictures.noise((4, 5, 1)).images)
        self.assertAllEqual(found.labels, [-1] * 16)

    @parameterized.parameters((0, range(10)), (10, range(10)), (4, [0, 3, 6, 9]), (1, [0]))
    def test_images_of_a_split_are_evenly_spread(self, most, expected):
        images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones([4, 4, 3], np.uint8)
        found = pictures.spread(ImageSplit(images, np.arange(10) + 5), most, "test images")
        self.assertAllEqual(found.images[:, 0, 0, 0], list(expected))
        self.assertAllEqual(found.labels, np.array(list(expected)) + 5)

    def test_a_folder_has_labels_where_its_folders_are_classes(self):
        photos = {name: image_files.photo(index) for index, name in enumerate("abcd")}
        image_files.write(
            self.folder,
            {
                "cat/b.jpg": image_files.encode(photos["b"]),
                "a.png": image_files.encode(photos["a"], "PNG"),
                "deep/dog/c.PNG": image_files.encode(photos["c"], "PNG"),
                "other/d.jpg": image_files.encode(photos["d"]),
                "cat/.hidden.jpg": b"",
                "notes.txt": b"",
            },
        )
        with contextlib.redirect_stderr(io.StringIO()) as told:
            found = pictures.of_folder(self.folder, _card())
        self.assertEqual(
            told.getvalue(), f"{self.folder}: 4 images; ignored: 1 hidden, 1 with suffix .txt\n"
        )
        self.assertAllEqual(found.labels, [-1, 0, 1, -1])
        expected = tf.image.resize(photos["a"], [16, 16], antialias=True)
        self.assertAllClose(found.images[0], expected, atol=0.51)
        self.assertEqual(found.images.dtype, np.uint8)
        self.assertLen(pictures.of_folder(self.folder, _card(), most=2).images, 2)
        grey = pictures.of_folder(self.folder, _card(1)).images
        self.assertEqual(grey.shape, (4, 16, 16, 1))
        self.assertAllClose(
            grey[0, ..., 0], np.asarray(expected) @ [0.2989, 0.587, 0.114], atol=1.6
        )

    @parameterized.product(of_card=("NFC", "NFD"), of_folder=("NFC", "NFD"))
    def test_accented_letters_may_be_written_in_either_form(self, of_card, of_folder):
        name, photo = "caf\u00e9", image_files.encode(image_files.photo(), "PNG")
        folder = unicodedata.normalize(of_folder, name)
        image_files.write(self.folder, {f"{folder}/a.png": photo, "tea/b.png": photo})
        names = (unicodedata.normalize(of_card, name), "tea")
        card = dataclasses.replace(_card(), class_names=names)
        self.assertAllEqual(pictures.of_folder(self.folder, card).labels, [0, 1])

    def test_of_two_classes_that_differ_in_that_form_alone_each_has_its_own_images(self):
        names, photo = ("cafe\u0301", "caf\u00e9"), image_files.encode(image_files.photo(), "PNG")
        image_files.write(self.folder, {f"{name}/a.png": photo for name in (*names, "tea")})
        card = dataclasses.replace(_card(), class_names=names)
        self.assertAllEqual(pictures.of_folder(self.folder, card).labels, [0, 1, -1])

    def test_linked_folders_are_entered_once(self):
        away = self.folder / "away"
        image_files.write(away, {"a.png": image_files.encode(image_files.photo(), "PNG")})
        photos = self.folder / "photos"
        photos.mkdir()
        for name in ("cat", "dog"):
            shutil.copytree(away, self.folder / name)
            (photos / name).symlink_to(self.folder / name)
        (photos / "again").symlink_to(photos)
        self.assertAllEqual(pictures.of_folder(photos, _card()).labels, [0, 1])

    def test_windows_are_evaluated_on_the_centre(self):
        photo = image_files.photo(height=64, width=64)
        image_files.write(self.folder, {"a.png": image_files.encode(photo, "PNG")})
        (found,) = pictures.of_folder(self.folder, _card(distortion="resized_crop")).images
        # 256 of 224, and 18 of 16.
        expected = tf.image.resize(photo, [18, 18], antialias=True)[1:17, 1:17]
        self.assertAllClose(found, expected, atol=0.51)

    def test_a_folder_of_nothing_or_with_a_bad_image_is_refused(self):
        with self.assertRaisesRegex(ValueError, "expected a folder with images .* got none in"):
            pictures.of_folder(self.folder, _card())
        (self.folder / "a\nb").mkdir()
        with self.assertRaisesRegex(ValueError, r"got none in .*/a\\nb$"):
            pictures.of_folder(self.folder / "a\nb", _card())
        image_files.write(self.folder, {"a.jpg": b"no image"})
        with self.assertRaisesRegex(BadImageError, "image 'a.jpg' .* cannot be decoded"):
            pictures.of_folder(self.folder, _card())


if __name__ == "__main__":
    tf.test.main()
