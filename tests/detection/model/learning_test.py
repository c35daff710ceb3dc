"""Tests of kdcl_tf.detection.model.learning."""

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf.detection.model import learning
from kdcl_tf.detection.model.detector import Detector
from tests.detection import small_scenes
from tests.detection.small_scenes import CLASSES


def _detector(steps, rate=0.05, norm=True, clip_norm=0.0):
    keras.utils.set_random_seed(0)
    backbone = small_scenes.backbone(regularizer=keras.regularizers.L2(0.01))
    # More regions than there are proposals: of those that all but tie, rounding decides which
    # is first.
    detector = Detector(backbone, CLASSES, masks=True, regions_per_image=400, channels=4)
    for layer in detector.pyramid.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = norm
    detector.compile(keras.optimizers.SGD(rate), steps, clip_norm)
    return detector


class AccumulationTest(tf.test.TestCase):
    def test_parts_give_the_step_of_the_whole_batch(self):
        batch = small_scenes.halved(small_scenes.batch(3))
        whole, parts = (_detector(steps, norm=False) for steps in (1, 2))
        before = [each.numpy() for each in whole.trainable_variables]
        expected, found = (each.train_step(batch) for each in (whole, parts))
        for name, value in expected.items():
            self.assertAllClose(found[name], value, rtol=1e-5, msg=name)
        for one, other, old in zip(
            parts.trainable_variables, whole.trainable_variables, before, strict=True
        ):
            self.assertAllClose(one, other, atol=1e-6, msg=one.path)
            self.assertNotAllEqual(one, old)

    def test_moving_statistics_move_once_a_part(self):
        batch = small_scenes.halved(small_scenes.batch(2))
        parts, single = _detector(2, rate=0.0), _detector(1, rate=0.0)
        parts.train_step(batch)
        for image in range(2):
            single.train_step(small_scenes.one(batch, image))
        moving = [each for each in parts.variables if "moving" in each.path]
        self.assertNotEmpty(moving)
        others = [each for each in single.variables if "moving" in each.path]
        for one, other in zip(moving, others, strict=True):
            self.assertAllClose(one, other, atol=1e-6, msg=one.path)

    def test_parts_of_a_batch(self):
        batch = {"images": tf.range(7), "boxes": tf.range(14)[::2]}
        self.assertAllEqual(learning.part(batch, 0, 1)["images"], range(7))
        parts = [learning.part(batch, index, 3) for index in range(3)]
        self.assertEqual([len(each["images"]) for each in parts], [2, 2, 3])
        self.assertAllEqual(tf.concat([each["boxes"] for each in parts], 0), batch["boxes"])

    def test_sums(self):
        self.assertEqual(learning.add(None, [1.0, None]), [1.0, None])
        total = learning.add(
            [tf.constant(1.0), None, None], [tf.constant(2.0), tf.constant(5.0), None]
        )
        self.assertAllEqual(total[:2], [3.0, 5.0])
        self.assertIsNone(total[2])

    def test_refused(self):
        detector = _detector(1)
        with self.assertRaisesRegex(ValueError, "accumulation_steps: expected 1 or more; got 0"):
            detector.compile(keras.optimizers.SGD(), accumulation_steps=0)
        for norm in (-1.0, float("nan")):
            with self.assertRaisesRegex(ValueError, "clip_norm: expected 0 or more; got"):
                detector.compile(keras.optimizers.SGD(), clip_norm=norm)


class ClippedTest(tf.test.TestCase):
    def test_known_numbers(self):
        gradients = [tf.constant([3.0]), None, tf.constant([[0.0, 4.0]])]
        found = learning.clipped(gradients, 1.0)
        self.assertAllClose(found[0], [0.6])
        self.assertIsNone(found[1])
        self.assertAllClose(found[2], [[0.0, 0.8]])
        self.assertAllClose(learning.clipped(gradients, 6.0)[0], [3.0])

    def test_a_step_is_as_long_as_the_norm_and_in_the_same_direction(self):
        batch = small_scenes.halved(small_scenes.batch(1))
        free, bound = _detector(1, rate=1.0), _detector(1, rate=1.0, clip_norm=0.5)
        moved = []
        for detector in (free, bound):
            before = [each.numpy() for each in detector.trainable_variables]
            detector.train_step(batch)
            changes = [
                (old - each.numpy()).ravel()
                for old, each in zip(before, detector.trainable_variables)
            ]
            moved.append(np.concatenate(changes))
        lengths = [np.linalg.norm(each) for each in moved]
        self.assertGreater(lengths[0], 0.6)
        self.assertAllClose(lengths[1], 0.5, rtol=1e-3)
        self.assertAllClose(moved[1] / lengths[1], moved[0] / lengths[0], atol=1e-4)


if __name__ == "__main__":
    tf.test.main()
