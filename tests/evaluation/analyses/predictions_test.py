"""Tests of kdcl_tf.evaluation.analyses.predictions."""

import numpy as np
import tensorflow as tf

from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.evaluation.analyses import predictions
from tests import image_files

# Of the classes 0, 0, 1, 1, 2; the second and the last two are taken for others.
_LOGITS = np.log(
    [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.6, 0.3], [0.9, 0.05, 0.05], [0.5, 0.3, 0.2]]
)
_FOUND = predictions.Predicted(_LOGITS, np.array([0, 0, 1, 1, 2]), np.array([0, 1, 2, 4, 7]))


class MistakesTest(tf.test.TestCase):
    def test_the_surest_come_first_with_both_probabilities(self):
        first, second, third = predictions.mistakes(_FOUND, 5)
        self.assertEqual((first.index, first.label, first.predicted), (4, 1, 0))
        self.assertAllClose((first.probability, first.of_true), (0.9, 0.05))
        self.assertEqual((second.index, third.index), (1, 7))
        self.assertEqual(predictions.mistakes(_FOUND, 2), [first, second])
        self.assertEqual(predictions.mistakes(_FOUND, 0), [])


class PredictedTest(tf.test.TestCase):
    def _predict(self, images):
        return {"logits": images.reshape([len(images), -1])[:, :3].astype(np.float32)}

    def test_each_image_keeps_its_number_where_some_cannot_be_decoded(self):
        images = np.arange(7 * 4 * 3, dtype=np.uint8).reshape([7, 2, 2, 3])
        good = np.array([1, 1, 0, 1, 0, 0, 1], bool)
        split = ImageSplit(images, np.arange(7), good=good)
        found = predictions.predicted(self._predict, split, 2)
        self.assertAllEqual(found.indices, [0, 1, 3, 6])
        self.assertAllEqual(found.labels, [0, 1, 3, 6])
        self.assertAllEqual(found.logits, images.reshape([7, -1])[[0, 1, 3, 6], :3])

    def test_images_on_disk_are_those_in_memory(self):
        contents = {f"{n}.png": image_files.encode(image_files.photo(n), "PNG") for n in range(5)}
        contents["2.png"] = b"no image"
        split = image_files.split(self.create_tempdir().full_path, contents, skip=True)
        found = predictions.predicted(self._predict, split, 2)
        self.assertAllEqual(found.indices, [0, 1, 3, 4])
        self.assertAllEqual(
            found.logits, predictions.predicted(self._predict, split.decoded(), 3).logits
        )

    def test_a_batch_of_one_is_answered_as_evaluation_answers_it(self):
        seen = []

        def predict(images):
            seen.append(len(images))
            return self._predict(images)

        images = np.arange(5 * 4 * 3, dtype=np.uint8).reshape([5, 2, 2, 3])
        found = predictions.predicted(predict, ImageSplit(images, np.arange(5)), 2)
        # The last image is given twice.
        self.assertEqual(seen, [2, 2, 2])
        self.assertAllEqual(found.logits, images.reshape([5, -1])[:, :3])

    def test_batches_of_bad_images_alone_are_passed_over(self):
        contents = {f"{n}.png": image_files.encode(image_files.photo(n), "PNG") for n in range(6)}
        contents |= {"2.png": b"no image", "3.png": b"none either"}
        split = image_files.split(self.create_tempdir().full_path, contents, skip=True)
        found = predictions.predicted(self._predict, split, 2)
        self.assertAllEqual(found.indices, [0, 1, 4, 5])


if __name__ == "__main__":
    tf.test.main()
