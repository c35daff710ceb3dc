"""Tests of kdcl_tf.serving.photographs, on drawn images and on real photographs."""

import pathlib

import keras
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import serving, students
from kdcl_tf.data.normalization import IMAGENET, Normalization
from kdcl_tf.serving import photographs
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import pictures
from tests import class_folder, image_files
from tests.students.plain_layers import move_statistics

_PHOTO = image_files.photo(height=47, width=80)


def _student(folder, channels=3, distortion="resized_crop"):
    """The path of an exported student and its card."""
    keras.utils.set_random_seed(0)
    student = students.build("resnet8", 3, (16, 16, channels))
    move_statistics(student)
    normalization = IMAGENET if channels == 3 else Normalization((0.5,), (0.5,))
    card = Card("resnet8", (16, 16, channels), ("a", "b", "c"), normalization, distortion)
    return serving.export_student(
        student, pathlib.Path(folder) / f"{distortion}{channels}", card=card
    ), card


class PhotographsTest(tf.test.TestCase, parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = class_folder.make(cls)
        cls.path, cls.card = _student(folder)
        cls.grey_path, cls.grey_card = _student(folder, 1, "padded_crop")
        cls.loaded = tf.saved_model.load(str(cls.path))

    @parameterized.parameters(
        *(
            (kind, distortion, photo, {})
            for kind in ("JPEG", "PNG")
            for distortion in ("padded_crop", "resized_crop")
            for photo in (_PHOTO, _PHOTO[:18, :18], _PHOTO[:16, :16], _PHOTO[:9, :3])
        ),
        ("JPEG", "padded_crop", _PHOTO, {"mode": "L"}),
        ("PNG", "padded_crop", _PHOTO, {"mode": "P"}),
        ("PNG", "padded_crop", _PHOTO, {"mode": "RGBA"}),
        ("JPEG", "padded_crop", _PHOTO, {"progressive": True}),
    )  # fmt: skip
    def test_pixels_are_those_of_evaluation(self, kind, distortion, photo, options):
        content = image_files.encode(photo, kind, **options)
        card = Card("a", (16, 16, 3), ("a", "b"), IMAGENET, distortion)
        found = photographs.pixels(tf.constant(content), card.image_shape, card.scaled_to)
        folder = self.create_tempdir().full_path
        image_files.write(folder, {f"a.{kind.lower()}": content})
        self.assertAllEqual(found, pictures.of_folder(folder, card).images[0])

    def test_grey_students_are_given_luminance(self):
        content = image_files.encode(_PHOTO, "PNG")
        found = photographs.pixels(tf.constant(content), (16, 16, 1), (16, 16))
        whole = photographs.pixels(tf.constant(content), (16, 16, 3), (16, 16)).numpy()
        self.assertAllClose(found[..., 0], whole @ [0.299, 0.587, 0.114], atol=2.0)

    def test_the_signature_gives_what_the_images_of_evaluation_give(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        for path in image_files.imagenet_samples()[::20]:
            content = path.read_bytes()
            found = self.loaded.signatures["photograph"](photograph=tf.constant(content))
            image_files.write(folder, {"a.jpg": content})
            images = pictures.of_folder(folder, self.card).images
            expected = self.loaded.signatures["serving_default"](images=tf.constant(images))
            for name in ("logits", "probabilities"):
                self.assertEqual(found[name].shape, (1, 3))
                self.assertAllClose(found[name], expected[name], atol=1e-5, rtol=0.0)

    def test_session_loaders_run_it(self):
        for path, card in ((self.path, self.card), (self.grey_path, self.grey_card)):
            with tf.Graph().as_default(), tf.compat.v1.Session() as session:
                loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(path))
                signature = loaded.signature_def["photograph"]
                (given,) = signature.inputs.values()
                self.assertEqual(given.tensor_shape.dim, [])
                content = image_files.encode(_PHOTO)
                logits = session.run(signature.outputs["logits"].name, {given.name: content})
            pixels = photographs.pixels(tf.constant(content), card.image_shape, card.scaled_to)
            predict, facts = serving.load_student(path)
            self.assertAllClose(logits, predict(pixels[None])["logits"], atol=1e-4)
            self.assertIn("EXIF", facts["photograph"])

    def test_what_is_no_image_is_an_error(self):
        with self.assertRaises(tf.errors.InvalidArgumentError):
            self.loaded.signatures["photograph"](photograph=tf.constant(b"no image"))

    def test_the_orientation_of_a_photograph_is_not_applied(self):
        exif = image_files.Image.Exif()
        exif[0x112] = 6
        turned = image_files.encode(_PHOTO, exif=exif)
        plain = image_files.encode(_PHOTO)
        found = [
            photographs.pixels(tf.constant(each), (16, 16, 3), (16, 16)) for each in (turned, plain)
        ]
        self.assertAllEqual(*found)


if __name__ == "__main__":
    tf.test.main()
