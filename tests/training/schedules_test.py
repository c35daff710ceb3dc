"""Tests of kdcl_tf.training.schedules."""

import keras
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.classification.settings import Settings
from kdcl_tf.training import schedules

_STEPS = 391  # CIFAR's 50,000 images in batches of 128.


def _schedule(steps_per_epoch=_STEPS, **settings):
    return schedules.create(Settings(**settings), steps_per_epoch)


def _first(epoch, steps_per_epoch=_STEPS):
    """The number of the first step of an epoch, which counts from 1."""
    return (epoch - 1) * steps_per_epoch


class ScheduleTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        (0, 0.1),
        (_first(101) - 1, 0.1),
        (_first(101), 0.01),
        (_first(151) - 1, 0.01),
        (_first(151), 0.001),
        (_first(201) - 1, 0.001),
    )
    def test_step_divides_by_ten_from_the_first_step_after_a_milestone(self, step, rate):
        schedule = _schedule(epochs=200, learning_rate=0.1, milestones=(100, 150))
        self.assertAllClose(schedule(tf.constant(step, tf.int64)), rate, rtol=1e-6)

    def test_step_with_one_step_an_epoch(self):
        schedule = _schedule(1, epochs=4, learning_rate=1.0, milestones=(1, 3))
        self.assertAllClose([schedule(step) for step in range(4)], [1, 0.1, 0.1, 0.01])

    def test_each_student_may_have_a_schedule_of_its_own(self):
        settings = Settings(epochs=4, milestones=(2,), learning_rate="resnet8=1,wrn_10_2=0.5")
        found = schedules.by_record(settings, 1)
        self.assertEqual(list(found), ["resnet8_learning_rate", "wrn_10_2_learning_rate"])
        rates = [[float(each(step)) for step in (0, 2)] for each in found.values()]
        self.assertAllClose(rates, [[1.0, 0.1], [0.5, 0.05]])
        one = schedules.by_record(Settings(epochs=4, milestones=(2,), learning_rate=0.5), 1)
        self.assertEqual(list(one), ["learning_rate"])
        self.assertAllClose(one["learning_rate"](2), 0.05)

    @parameterized.parameters({"milestones": ()}, {"schedule": "constant"})
    def test_constant(self, **settings):
        schedule = _schedule(10, epochs=40, learning_rate=0.3, **settings)
        self.assertAllClose([schedule(step) for step in (0, 199, 200, 399, 400)], [0.3] * 5)

    def test_cosine_falls_from_the_peak_through_half_to_nothing(self):
        schedule = _schedule(10, epochs=40, learning_rate=0.8, schedule="cosine")
        rates = [float(schedule(step)) for step in (0, 200, 400)]
        self.assertAllClose(rates, [0.8, 0.4, 0.0], atol=1e-6)
        self.assertLess(float(schedule(399)), 2e-5)
        self.assertGreater(float(schedule(399)), 0)

    def test_warm_up_rises_linearly_to_the_peak_over_five_epochs(self):
        schedule = _schedule(
            10,
            epochs=100,
            learning_rate=0.8,
            milestones=(30, 60, 90),
            warmup_epochs=5,
            warmup_learning_rate=0.1,
        )
        rates = [float(schedule(step)) for step in (0, 10, 25, 49, 50, 299, 300, 600, 900)]
        wanted = [0.1, 0.24, 0.45, 0.786, 0.8, 0.8, 0.08, 0.008, 0.0008]
        self.assertAllClose(rates, wanted, rtol=1e-5)

    def test_warm_up_before_cosine_joins_it(self):
        settings = {"epochs": 10, "learning_rate": 1.0, "schedule": "cosine"}
        warm = _schedule(10, warmup_epochs=2, **settings)
        cold = _schedule(10, **settings)
        self.assertAllClose(warm(0), 0.0)
        self.assertAllClose(warm(10), 0.5)
        self.assertAllClose([warm(step) for step in (20, 70)], [cold(step) for step in (20, 70)])

    @parameterized.parameters(
        {"schedule": "step", "milestones": (2, 3)},
        {"schedule": "cosine", "warmup_epochs": 1},
        {"schedule": "constant", "warmup_epochs": 2, "warmup_learning_rate": 0.05},
    )
    def test_serialization(self, **settings):
        schedule = _schedule(5, epochs=4, **settings)
        config = keras.saving.serialize_keras_object(schedule)
        again = keras.saving.deserialize_keras_object(config)
        steps = range(21)
        self.assertAllEqual([schedule(s) for s in steps], [again(s) for s in steps])

    def test_in_a_graph_it_follows_the_optimizer(self):
        schedule = _schedule(2, epochs=3, learning_rate=1.0, milestones=(1,), warmup_epochs=1)
        graph = tf.function(schedule)
        rates = [graph(tf.constant(step, tf.int64)) for step in range(4)]
        self.assertAllClose(rates, [0.0, 0.5, 0.1, 0.1])


if __name__ == "__main__":
    tf.test.main()
