"""Tests of kdcl_tf.prediction.predicting: what it computes is what evaluation computes."""

import dataclasses
import os

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data import ImageRules
from kdcl_tf.evaluation import datasets, loaded
from kdcl_tf.prediction import predicting
from tests import class_folder, exported_photos, image_files


class PredictingTest(tf.test.TestCase, parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = class_folder.make(cls)
        contents = exported_photos.contents()
        cls.paths = [str(cls.folder / "test" / "x" / name) for name in contents]
        image_files.write(cls.folder / "test" / "x", contents)
        for name in ("x", "y"):
            image_files.write(cls.folder / "train" / name, {"b.png": contents["b.png"]})
        cls.made = {}

    def _student(self, distortion, shape=(20, 20, 3), **more):
        key = "_".join([distortion, *map(str, shape), str(len(more))])
        path = self.folder / "students" / key
        if key not in self.made:
            exported_photos.export(path, distortion, shape, **more)
            (self.made[key],) = loaded.load_students([path])
        return self.made[key]

    def _evaluated(self, student, batch_size, rules=ImageRules()):
        """`[N, C]` probabilities, as `kdcl-evaluate` has them of the test images."""
        dataset = datasets.load_dataset(
            student.card, f"folder:{self.folder}", skip_bad_images=True, rules=rules
        )
        batches = dataset.test.pixels(batch_size)
        return np.concatenate(
            [loaded.answers(student.predict, images)["probabilities"] for images, _ in batches]
        )

    def _found(self, student, batch_size, rules=ImageRules()):
        names = student.card["class_names"]
        rows = []
        for each in predicting.predictions(student, self.paths, 3, batch_size, rules):
            by_name = dict(zip(each.classes, each.probabilities))
            if not each.fault:
                self.assertEqual(sorted(each.probabilities, reverse=True), [*each.probabilities])
                rows.append([by_name[name] for name in names])
        return np.array(rows, np.float32)

    @parameterized.product(distortion=("padded_crop", "resized_crop"), batch_size=(1, 2, 32))
    @pytest.mark.slow
    def test_predictions_are_those_of_evaluation_whatever_the_batches(self, distortion, batch_size):
        student = self._student(distortion)
        expected = self._evaluated(student, 256)
        self.assertLen(expected, 4)
        # Some processors add in another order in a batch of another size.
        np.testing.assert_allclose(self._found(student, batch_size), expected, rtol=1e-6)
        # A batch of the same images in the same way is the same.
        np.testing.assert_array_equal(self._found(student, 256), self._evaluated(student, 256))

    def test_real_photographs(self):
        photographs = image_files.imagenet_samples()[:3]
        folder = self.folder / "real"
        for split in ("train", "test"):
            for name in ("x", "y"):
                (folder / split / name).mkdir(parents=True)
                for path in photographs:
                    (folder / split / name / path.name).symlink_to(path)
        student = self._student("resized_crop")
        dataset = datasets.load_dataset(student.card, f"folder:{folder}")
        logits, _ = loaded.predictions(student.predict, dataset.test)
        paths = list(map(str, photographs))
        for row, found in zip(logits, predicting.predictions(student, paths, 1)):
            self.assertEqual(found.classes, (student.card["class_names"][row.argmax()],))
            share = tf.nn.softmax(row).numpy().max()
            self.assertAllClose(found.probabilities, [share], rtol=1e-6)

    def test_a_photograph_is_turned_where_those_of_training_were(self):
        upright = self._found(self._student("resized_crop"), 4)
        stored = ImageRules(apply_exif_orientation=False)
        as_stored = self._found(self._student("resized_crop"), 4, stored)
        of_stored = {"identity": {"settings": {"apply_exif_orientation": "false"}}}
        student = self._student("resized_crop", **of_stored)
        np.testing.assert_array_equal(self._found(student, 4), as_stored)
        np.testing.assert_array_equal(self._evaluated(student, 256), as_stored)
        # Only of the one that is turned.
        self.assertEqual((upright != as_stored).any(axis=1).tolist(), [False, False, True, False])

    def test_images_that_cannot_be_read_keep_their_places_and_say_why(self):
        for batch_size in (1, 2, 5):
            found = list(
                predicting.predictions(self._student("padded_crop"), self.paths, 1, batch_size)
            )
            self.assertEqual([each.path for each in found], self.paths)
            self.assertEqual([bool(each.fault) for each in found], [0, 0, 1, 0, 0])
            self.assertStartsWith(found[2].fault, "the JPEG is cut short (")
            self.assertEqual([len(each.classes) for each in found], [1, 1, 0, 1, 1])

    def test_one_that_is_too_large_or_gone_is_not_read(self):
        paths = [self.paths[0], self.paths[1], str(self.folder / "gone.jpg")]
        rules = ImageRules(max_image_megapixels=0.001)
        found = list(predicting.predictions(self._student("padded_crop"), paths, rules=rules))
        self.assertRegex(found[0].fault, "at most 0.001 megapixels; got 37 x 61")
        self.assertEqual(found[1].fault, "")
        self.assertRegex(found[2].fault, "No such file or directory")

    def test_a_student_of_images_that_are_not_square(self):
        student = self._student("padded_crop", (16, 20, 3))
        (pixels, _), *_ = predicting.split(student, self.paths[:1]).numbered()
        self.assertEqual(pixels.shape, (1, 16, 20, 3))
        self.assertLen(self._found(student, 2), 4)

    def test_a_student_of_grey_images_is_given_luminance(self):
        student = self._student("padded_crop", (16, 16, 1))
        (found,) = predicting.predictions(student, [self.paths[1]], 3)
        ((pixels, _),) = predicting.split(student, [self.paths[1]]).numbered()
        self.assertEqual(pixels.shape, (1, 16, 16, 3))
        # Of the picture in colours.
        self.assertGreater(np.ptp(pixels.astype(int), axis=-1).max(), 50)
        grey = tf.image.rgb_to_grayscale(pixels).numpy()
        expected = loaded.answers(student.predict, grey)["probabilities"][0]
        names = student.card["class_names"]
        self.assertEqual(found.classes, tuple(names[each] for each in np.argsort(-expected)))
        self.assertAllClose(found.probabilities, np.sort(expected)[::-1], rtol=1e-6)

    def test_evaluation_gives_a_student_of_grey_images_the_same(self):
        student = self._student("padded_crop", (16, 16, 1))
        dataset = datasets.load_dataset(student.card, f"folder:{self.folder}", skip_bad_images=True)
        dataset = dataclasses.replace(dataset, class_names=tuple(student.card["class_names"]))
        fitted = loaded.fitted(student, dataset)
        logits, _ = loaded.predictions(fitted.predict, dataset.test)
        self.assertAllClose(tf.nn.softmax(logits), self._found(student, 256), rtol=1e-5)

    def test_a_student_of_other_channels_is_refused_at_once(self):
        student = self._student("padded_crop", (16, 16, 2))
        with self.assertRaisesRegex(ValueError, "3 channels, .* or 1, grey; got .* of 2"):
            predicting.predictions(student, self.paths)

    def test_names_of_any_bytes_are_found_and_are_one_line(self):
        path = os.fsdecode(os.path.join(os.fsencode(self.folder), b"\xff\n.jpg"))
        with open(path, "wb") as file:
            file.write(exported_photos.contents()["a.jpg"])
        (found,) = predicting.predictions(self._student("padded_crop"), [path])
        self.assertEndsWith(found.name, r"/\xff\n.jpg")
        self.assertRegex(str(found), r"^.*\.jpg: .+ \d+\.\d\d%(, .+ \d+\.\d\d%){2}$")


if __name__ == "__main__":
    tf.test.main()
