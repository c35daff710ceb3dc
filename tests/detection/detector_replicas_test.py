"""Tests that a detector on two devices trains and detects as on one, whatever their shares."""

import functools

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.detector import Detector
from tests.detection import small_scenes
from tests.detection.small_scenes import CLASSES

# More than there are proposals: of those that all but tie, rounding decides which is first.
_REGIONS = 400


@functools.cache
def _strategy():
    # One for the whole run: a second one in a process can abort.
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def _detector(strategy):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        backbone = small_scenes.backbone(
            synchronized=True, regularizer=keras.regularizers.L2(0.01)
        )
        detector = Detector(
            backbone, CLASSES, masks=True, regions_per_image=_REGIONS, channels=4
        )
        detector.compile(keras.optimizers.SGD(0.02, momentum=0.9))
    return detector


def _shares(strategy, images):
    """The batch, its images shared out in order, the first replica with the larger part."""
    batch = small_scenes.halved(small_scenes.batch(images))
    replicas = strategy.num_replicas_in_sync
    bounds = np.ceil(np.linspace(0, images, replicas + 1)).astype(int)

    def of_replica(context):
        number = context.replica_id_in_sync_group
        return {
            name: each[bounds[number] : bounds[number + 1]] for name, each in batch.items()
        }

    return strategy.experimental_distribute_values_from_function(of_replica)


class DetectorReplicasTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(3, 4)
    def test_two_steps_are_those_of_one_device(self, images):
        pair = [_detector(strategy) for strategy in (tf.distribute.get_strategy(), _strategy())]
        for detector in pair:
            strategy = detector.distribute_strategy
            step = tf.function(
                lambda batch, detector=detector: detector.distribute_strategy.run(
                    detector.train_step, args=(batch,)
                )
            )
            batch = _shares(strategy, images)
            for _ in range(2):
                step(batch)
        single, double = pair
        for found, wanted in zip(double.metrics, single.metrics, strict=True):
            self.assertAllClose(found.result(), wanted.result(), rtol=1e-5, msg=found.name)
            self.assertGreater(float(found.result()), 0.0)
        for found, wanted in zip(double.variables, single.variables, strict=True):
            self.assertAllClose(found.numpy(), wanted.numpy(), atol=1e-5, msg=found.path)

    def test_a_replica_without_objects_learns_what_the_other_sees(self):
        # The third image, alone on the second replica, has none.
        detector = _detector(_strategy())
        batch = _shares(_strategy(), 3)
        _strategy().run(detector.train_step, args=(batch,))
        for variable in detector.trainable_variables:
            copies = _strategy().experimental_local_results(variable.value)
            self.assertAllEqual(copies[0].numpy(), copies[1].numpy(), variable.path)
            self.assertTrue(np.isfinite(copies[0].numpy()).all(), variable.path)


if __name__ == "__main__":
    tf.test.main()
