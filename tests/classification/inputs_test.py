"""Tests of kdcl_tf.classification.inputs."""

import tensorflow as tf

from kdcl_tf.classification import inputs
from kdcl_tf.classification.settings import Settings
from kdcl_tf.data.normalization import MODES

_SETTINGS = Settings(image_size=8, train_per_class=3, holdout_per_class=2)


class InputsTest(tf.test.TestCase):
    def test_the_data_set_has_the_images_that_the_settings_ask_for(self):
        dataset = inputs.load_dataset(_SETTINGS, None)
        self.assertEqual(dataset.name, "digits")
        self.assertEqual([len(each) for each in (dataset.train, dataset.held_out)], [30, 20])
        self.assertEqual(tuple(dataset.image_shape), (8, 8, 3))

    def test_students_share_a_normalisation_unless_they_have_their_own(self):
        settings = Settings(**{**vars(_SETTINGS), "distortion": "none"})
        dataset = inputs.load_dataset(settings, None)
        first, second = settings.student_names
        ((images, _), *_) = inputs.create_views(settings, dataset).epoch(0, 30)
        self.assertAllClose(images[first], images[second])
        own = {first: MODES["tf"], second: MODES["caffe"]}
        ((images, _), *_) = inputs.create_views(settings, dataset, own).epoch(0, 30)
        pixels = own[first].fractions(images[first])
        self.assertAllClose(images[second], own[second].apply_fractions(pixels), atol=1e-3)


if __name__ == "__main__":
    tf.test.main()
