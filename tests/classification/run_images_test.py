"""Tests of kdcl_tf.classification.run_images."""

import dataclasses
import pathlib
import tempfile

import numpy as np
from absl.testing import absltest

from kdcl_tf.classification import run_images
from kdcl_tf.classification.settings import Settings
from kdcl_tf.serving.cards import Card
from tests import image_files

_SETTINGS = Settings(
    students=("resnet8",),
    ensemble="min_logit",
    image_size=8,
    train_per_class=4,
    holdout_per_class=1,
)


class RunImagesTest(absltest.TestCase):
    def test_the_data_of_the_run_and_no_other(self):
        dataset = run_images.load(_SETTINGS, None, {})
        self.assertLen(dataset.train, 40)
        digest = dataset.digest()
        again = run_images.load(_SETTINGS, None, digest)
        self.assertEqual(again.digest(), digest)
        other = {**digest, "test": {**digest["test"], "decoded": "0" * 64}}
        with self.assertRaisesRegex(
            run_images.NotFoundError, "^digits is not what the run was trained with: test"
        ):
            run_images.load(_SETTINGS, None, other)

    def test_data_that_is_gone_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            gone = pathlib.Path(folder) / "gone"
            settings = Settings(
                students=("resnet8",), ensemble="min_logit", dataset=f"folder:{gone}"
            )
            with self.assertRaisesRegex(
                run_images.NotFoundError, "^folder:.*gone, the data of the run, is not found: "
            ):
                run_images.load(settings, None, {})

    def test_an_image_that_cannot_be_decoded_is_told_of_data_that_is_there(self):
        folder = self.create_tempdir().full_path
        photo = image_files.encode(image_files.photo(1, 8, 8), "PNG")
        names = [f"{split}/{name}/1.png" for split in ("train", "test") for name in "ab"]
        image_files.write(folder, {**dict.fromkeys(names, photo), "train/b/2.png": b"torn"})
        settings = Settings(students=("resnet8",), dataset=f"folder:{folder}", image_size=8)
        normalization = run_images.load(_SETTINGS, None, {}).normalization
        card = Card("a", (8, 8, 3), ("a", "b"), normalization, more={"identity": {"data": {}}})
        wanted = run_images.Wanted(None, 1, True, None, 0)
        with self.assertRaisesRegex(ValueError, "'train/b/2.png' .*: mend the image, or") as caught:
            run_images.pictures(wanted, settings, card, None)
        self.assertNotIn("skip_bad_images", str(caught.exception))
        # Nor is any advised to raise a limit that is the run's.
        large = self.create_tempdir().full_path
        image_files.write(large, {"1.png": image_files.encode(image_files.photo(1, 40, 50), "PNG")})
        for limits, told in (
            (
                {"max_image_megapixels": 0.001},
                "at most 0.001 megapixels; got .*: mend the image, or",
            ),
            ({"max_image_megabytes": 0.0001}, "at most 0.0001 MB for .*: mend the image, or"),
        ):
            limited = dataclasses.replace(settings, **limits)
            wanted = run_images.Wanted(large, 1, True, None, 0)
            with self.assertRaisesRegex(ValueError, told) as limit:
                run_images.pictures(wanted, limited, card, None)
            self.assertNotIn("max_image", str(limit.exception))
        self.assertNotIn("not found", str(caught.exception))

    def _pictures(self, folder, tests, needs_tests, calibration, calibrations, before=None):
        dataset = run_images.load(_SETTINGS, None, {})
        before = dataset.digest() if before is None else before
        card = Card(
            "a",
            dataset.image_shape,
            dataset.class_names,
            dataset.normalization,
            more={"identity": {"data": before}},
        )
        wanted = run_images.Wanted(folder, tests, needs_tests, calibration, calibrations)
        return dataset, *run_images.pictures(wanted, _SETTINGS, card, None)

    def test_images_of_the_run_where_no_folder_is_given(self):
        dataset, checked, calibration = self._pictures(None, 5, True, None, 7)
        last = len(dataset.test) - 1
        np.testing.assert_array_equal(checked.images[[0, 4]], dataset.test.images[[0, last]])
        np.testing.assert_array_equal(calibration.images[[0, 6]], dataset.train.images[[0, 39]])
        self.assertEqual((len(checked.labels), len(calibration.labels)), (5, 7))

    def test_without_need_of_data_none_is_read(self):
        other = {"classes": ["of another data set"]}
        _, checked, calibration = self._pictures(None, 5, False, None, 0, other)
        self.assertEqual((checked.labels.max(), calibration), (-1, None))
        with tempfile.TemporaryDirectory() as folder:
            photo = image_files.encode(image_files.photo(), "PNG")
            image_files.write(folder, {"3/a.png": photo, "b.png": photo})
            _, checked, calibration = self._pictures(folder, 0, True, folder, 1, other)
        self.assertEqual(checked.labels.tolist(), [3, -1])
        self.assertEqual(calibration.images.shape, (1, 8, 8, 3))
        with self.assertRaisesRegex(run_images.NotFoundError, "digits is not what the run was"):
            self._pictures(None, 5, True, None, 0, other)


if __name__ == "__main__":
    absltest.main()
