"""Tests of kdcl_tf.classification.evaluation."""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf

from kdcl_tf.classification.evaluation import Evaluation
from kdcl_tf.classification.settings import Settings
from kdcl_tf.classification.task import Classification
from kdcl_tf.data import Share
from kdcl_tf.data.bad_images import BadImageError
from kdcl_tf.distribution.replicas import Replicas
from tests import image_files

_SETTINGS = Settings(
    students=("resnet8", "wrn_10_1"), image_size=8, train_per_class=4, holdout_per_class=1
)


class EvaluationTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        task = Classification(_SETTINGS)
        task.load()
        task.build(tf.distribute.get_strategy())
        cls.cohort, cls.dataset = task.model, task.dataset

    def _metrics(self, **splits):
        strategy = tf.distribute.get_strategy()
        dataset = dataclasses.replace(self.dataset, **splits)
        evaluation = Evaluation(self.cohort, dataset, strategy, None)
        return evaluation.metrics(Replicas(strategy, self.cohort))

    def _is_right(self, split, name="resnet8"):
        images = self.dataset.normalization.apply(split.images)
        logits = self.cohort.students[name].predict(images, verbose=0)
        return np.argmax(logits, axis=-1) == split.labels

    def test_every_image_of_each_split_is_evaluated_once(self):
        # More than a batch of 256 and part of another; the validation set has other images.
        record = self._metrics(validation=self.dataset.train)
        self.assertLen(self.dataset.test.labels, 360)
        for split, images in (("test", self.dataset.test), ("validation", self.dataset.train)):
            for name in self.cohort.students:
                wanted = self._is_right(images, name).mean()
                self.assertAllClose(record[f"{split}_{name}_accuracy"], wanted)
        self.assertNotIn("test_resnet8_balanced_accuracy", record)
        self.assertNotIn("validation_resnet8_balanced_accuracy", record)
        self.assertFalse(any(name.startswith("validation") for name in self._metrics()))

    def test_classes_of_different_sizes_have_a_balanced_accuracy(self):
        test = self.dataset.test
        chosen = np.flatnonzero((test.labels < 2) | (np.arange(360) < 100))
        uneven = dataclasses.replace(test, images=test.images[chosen], labels=test.labels[chosen])
        right = self._is_right(uneven)
        wanted = np.mean([right[uneven.labels == each].mean() for each in range(10)])
        record = self._metrics(test=uneven)
        self.assertAllClose(record["test_resnet8_balanced_accuracy"], wanted)
        self.assertAllClose(record["test_resnet8_accuracy"], right.mean())

    def test_images_that_stay_encoded_are_checked_and_held_out_ones_where_they_are_needed(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        good = {f"{index}.jpg": image_files.encode(image_files.photo(index)) for index in range(4)}
        cut = {**good, "3.jpg": good["3.jpg"][:-50]}
        split, bad = (
            image_files.split(folder / name, files) for name, files in (("a", good), ("b", cut))
        )

        def check(share=None, general=False, **splits):
            dataset = dataclasses.replace(self.dataset, **splits)
            strategy = tf.distribute.get_strategy()
            Evaluation(self.cohort, dataset, strategy, None).check_images(share or Share(), general)

        check(test=split, held_out=bad)
        for wrong in ({"test": bad}, {"validation": bad}, {"held_out": bad, "general": True}):
            with self.assertRaisesRegex(BadImageError, "'3.jpg' .* the JPEG is cut short"):
                check(**wrong)
        # The first of two workers reads the first half of the batch.
        check(Share(2, 0, 1), test=bad)
        with self.assertRaisesRegex(BadImageError, "'3.jpg'"):
            check(Share(2, 1, 1), test=bad)

    def test_generals_weights_are_those_of_the_held_out_images(self):
        strategy = tf.distribute.get_strategy()
        evaluation = Evaluation(self.cohort, self.dataset, strategy, None)
        found = evaluation.renew_ensemble(Replicas(strategy, self.cohort))
        self.assertEqual(list(found), ["general_weight_resnet8", "general_weight_wrn_10_1"])
        self.assertAllClose(list(found.values()), self.cohort.ensemble.weights[0])


if __name__ == "__main__":
    tf.test.main()
