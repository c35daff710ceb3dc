"""Tests that a detector on two devices trains as on one, whatever their shares."""

import functools

import keras
import pytest
import tensorflow as tf

from kdcl_tf.detection.model import learning
from kdcl_tf.detection.model.detector import Detector
from tests import tiny_detector
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
        backbone = small_scenes.backbone(synchronized=True, regularizer=keras.regularizers.L2(0.01))
        detector = Detector(backbone, CLASSES, masks=True, regions_per_image=_REGIONS, channels=4)
        detector.compile(keras.optimizers.SGD(0.02, momentum=0.9))
        # Else the graph of a step would be made twice.
        detector.optimizer.build(detector.trainable_variables)
    return detector


def _shares(strategy):
    """Three images: two devices get the first two, and the third, which has no object."""
    batch = small_scenes.halved(small_scenes.batch(3))
    bounds = {1: (0, 3), 2: (0, 2, 3)}[strategy.num_replicas_in_sync]

    def of_replica(context):
        number = context.replica_id_in_sync_group
        return {name: each[bounds[number] : bounds[number + 1]] for name, each in batch.items()}

    return strategy.experimental_distribute_values_from_function(of_replica)


class DetectorReplicasTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_two_steps_are_those_of_one_device(self):
        single, double = (
            self.trained(strategy) for strategy in (tf.distribute.get_strategy(), _strategy())
        )
        for found, expected in zip(double.metrics, single.metrics, strict=True):
            self.assertAllClose(found.result(), expected.result(), rtol=1e-5, msg=found.name)
            self.assertGreater(float(found.result()), 0.0)
        for found, expected in zip(double.variables, single.variables, strict=True):
            self.assertAllClose(found.numpy(), expected.numpy(), atol=1e-5, msg=found.path)
        for variable in double.trainable_variables:
            copies = _strategy().experimental_local_results(variable.value)
            self.assertAllEqual(copies[0].numpy(), copies[1].numpy(), variable.path)

    def test_a_gradient_is_clipped_by_the_norm_of_all_replicas_sum(self):
        """Parts (3, 0) and (0, 4): each has a norm below 4.5, their sum has 5."""
        strategy = _strategy()
        parts = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant([[3.0, 0.0], [0.0, 4.0]][context.replica_id_in_sync_group])
        )

        def summed(part):
            first, nothing = learning.clipped([part, None], 4.5)
            self.assertIsNone(nothing)
            # As an optimizer does.
            return tf.distribute.get_replica_context().all_reduce("sum", first)

        found = strategy.run(tf.function(summed), args=(parts,))
        for each in strategy.experimental_local_results(found):
            self.assertAllClose(each, [2.7, 3.6])

    def test_an_optimizer_clips_the_sum_too(self):
        strategy = _strategy()
        with strategy.scope():
            detector = tiny_detector.detector(masks=False)
            optimizer = keras.optimizers.SGD(1.0, clipnorm=4.5)
            # Twice, which changes it once.
            detector.compile(optimizer)
            detector.compile(optimizer)
            weight = keras.Variable([0.0, 0.0])
            optimizer.build([weight])
        parts = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant([[3.0, 0.0], [0.0, 4.0]][context.replica_id_in_sync_group])
        )
        strategy.run(tf.function(lambda part: optimizer.apply([part], [weight])), args=(parts,))
        self.assertAllClose(weight.numpy(), [-2.7, -3.6])

    def trained(self, strategy):
        detector, batch = _detector(strategy), _shares(strategy)
        step = tf.function(lambda batch: strategy.run(detector.train_step, args=(batch,)))
        for _ in range(2):
            step(batch)
        return detector


if __name__ == "__main__":
    tf.test.main()
