"""Tests of kdcl_tf.distribution.workers in one process; `multi_worker_test` has two."""

import concurrent.futures
import json
import threading

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data
from kdcl_tf.distribution import workers
from kdcl_tf.distribution.cluster import Cluster

_CLUSTER = Cluster(("a:1", "b:2", "c:3"), 0)


class AloneTest(tf.test.TestCase):
    def test_it_is_the_chief_and_has_the_last_word(self):
        alone = workers.Workers(tf.distribute.get_strategy())
        self.assertEqual((alone.index, alone.count, alone.is_chief), (0, 1, True))
        self.assertAllEqual(alone.total([3, 0]), [3, 0])
        self.assertEqual(alone.from_chief(b"abc"), b"abc")
        self.assertEqual(alone.from_all(b"abc"), [b"abc"])
        self.assertEqual(alone.share, data.Share())
        alone.check_same("data", {"images": (1, 2)})
        self.assertEqual(alone.answer_of_chief(lambda: {"epoch": 2}), {"epoch": 2})
        with self.assertRaisesRegex(ValueError, "^damaged$"):
            alone.answer_of_chief(_refuse)
        variable = keras.Variable(np.float32([1, 2]))
        alone.copy_from_chief([variable])
        self.assertAllEqual(variable, [1, 2])

    def test_several_devices_of_a_process_count_once(self):
        mirrored = tf.distribute.MirroredStrategy(
            ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
        )
        process = workers.Workers(mirrored)
        self.assertEqual(process.count, 1)
        self.assertEqual(process.share, data.Share(2, 0, 2))
        self.assertAllEqual(process._sum(np.int64([2, 2**60 + 1])), [2, 2**60 + 1])


def _refuse():
    raise ValueError("damaged")


class _Second(workers.Workers):
    """The second of two, as far as the first one's facts go."""

    def __init__(self, chiefs):
        self._chiefs = json.dumps(chiefs).encode()
        self.index, self.count = 1, 2

    def from_chief(self, data=b""):
        return self._chiefs

    def total(self, numbers):
        return np.asarray(numbers, np.int64)


class AnswerTest(tf.test.TestCase):
    def test_the_second_asks_nothing_and_has_the_chiefs_answer_and_error(self):
        second = _Second({"value": [1, 2], "error": ""})
        self.assertEqual(second.answer_of_chief(_refuse), [1, 2])
        with self.assertRaisesRegex(ValueError, "^no checkpoint$"):
            _Second({"value": None, "error": "no checkpoint"}).answer_of_chief(_refuse)


class _InAThread(workers.Workers):
    """One of three, whose sums are made as soon as all have called."""

    def __init__(self, index, given, barrier):
        self.index, self.count = index, len(given)
        self._given, self._barrier = given, barrier

    def total(self, numbers):
        own = np.asarray(numbers, np.int64)
        if not own.size:
            return own
        self._given[self.index] = own
        self._barrier.wait(60)
        total = sum(self._given)
        self._barrier.wait(60)
        return total


class FromAllTest(parameterized.TestCase):
    @parameterized.parameters(
        ([b"", b"", b""],),
        ([b"abc", b"", b"12345678"],),
        ([b"", b"a" * 17, b""],),
        ([b"\xff" * 16, b"\0", b"\x80" * 9],),
    )
    def test_all_have_the_bytes_of_all_in_their_order(self, data):
        given, barrier = [None] * 3, threading.Barrier(3)
        three = [_InAThread(index, given, barrier) for index in range(3)]
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            found = list(pool.map(lambda each: each.from_all(data[each.index]), three))
        self.assertEqual(found, [data] * 3)


class SameTest(parameterized.TestCase):
    @parameterized.parameters(
        ({"n": 1}, {"n": 2}, "n=2 (worker 0: 1)"),
        ({"n": 1}, {"n": 1, "more": 2}, "more=2 (worker 0: (absent))"),
        ({"n": 1, "more": 2}, {"n": 1}, "more=(absent) (worker 0: 2)"),
    )
    def test_facts_that_differ_or_that_only_one_has(self, chiefs, own, told):
        with self.assertRaises(ValueError) as caught:
            _Second(chiefs).check_same("data", own)
        self.assertEqual(
            str(caught.exception),
            "expected the same data in all workers; got other data in worker 1 than in worker 0; "
            + told,
        )
        _Second(chiefs).check_same("data", dict(chiefs))


class LostWorkersTest(parameterized.TestCase):
    def _lost(self, error, cluster=_CLUSTER):
        with workers.lost_workers(cluster):
            raise error

    @parameterized.parameters(
        ("/job:worker/replica:0/task:2 stopped sending heartbeats", "worker 2 at c:3"),
        ("/job:worker/task:1: /job:worker/replica:0/task:2 are", "worker 1 at b:2 or worker 2 at"),
        ("remote target /job:worker/replica:0/task:0", "another worker"),
        ("Socket closed", "another worker"),
    )
    def test_who_is_gone_as_far_as_is_known(self, text, who):
        with self.assertRaisesRegex(
            workers.WorkerLost, f"^worker 0 stops, as {who}.* cannot be reached; the same command"
        ):
            self._lost(tf.errors.UnavailableError(None, None, text))

    def test_without_others_an_error_stays_what_it_is(self):
        for cluster in (None, Cluster(("a:1",), 0)):
            with self.assertRaises(tf.errors.UnavailableError):
                self._lost(tf.errors.UnavailableError(None, None, "x"), cluster)

    def test_defects_stay_what_they_are(self):
        for error in (ValueError("x"), tf.errors.InvalidArgumentError(None, None, "x")):
            with self.assertRaises(type(error)):
                self._lost(error)


if __name__ == "__main__":
    tf.test.main()
