"""Tests of kdcl_tf.evaluation.datasets."""

import dataclasses

from absl.testing import absltest, parameterized

from kdcl_tf import data
from kdcl_tf.evaluation import datasets
from tests.evaluation.cards import CARD, of_run, student_of


class DatasetsTest(parameterized.TestCase):
    def test_the_data_set_is_by_default_the_one_learned_at_its_resolution(self):
        dataset = datasets.load_dataset(CARD)
        self.assertEqual((dataset.name, dataset.image_shape), ("digits", (8, 8, 3)))

    def test_a_card_without_a_data_set_asks_for_one(self):
        with self.assertRaisesRegex(ValueError, "pass dataset=NAME"):
            datasets.load_dataset({"image_shape": [8, 8, 3]})

    @parameterized.parameters(
        ({"image_shape": [8, 9, 3]}, "digits", "scaled to 8 x 8, and y of .* scaled to 8 x 9:"),
        ({"distortion": "resized_crop"}, "digits", "scaled to 9 x 9 and cut to 8 x 8:"),
        (of_run(apply_exif_orientation="false"), "digits", "scaled to 8 x 8, not turned upright:"),
        (of_run(tfrecord_label_key="fine"), "tfrecord:x", "8 x 8, of the features fine:"),
    )
    def test_students_of_images_that_are_read_otherwise_are_refused(self, change, name, message):
        other = dataclasses.replace(student_of(**change), name="y")
        datasets.check_alike([other, other], name)
        with self.assertRaisesRegex(ValueError, f"got x of images .*{message} analyse them one"):
            datasets.check_alike([student_of(), other], name)

    def test_students_are_read_alike_whatever_they_are_otherwise(self):
        other = student_of(class_names=["a"], distortion="none", **of_run(seed="1"))
        for name in ("digits", "tfrecord:x", ""):
            datasets.check_alike([student_of(), other], name)
        # Where no image is turned, none is turned for one of them alone.
        unturned = student_of(**of_run(apply_exif_orientation="false"))
        rules = data.ImageRules(apply_exif_orientation=False)
        datasets.check_alike([student_of(), unturned], "digits", rules)


if __name__ == "__main__":
    absltest.main()
