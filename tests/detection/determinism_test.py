"""Tests of kdcl_tf.detection.determinism: real runs of `kdcl-detect`, killed and not, bit by bit.

Processes are forked from one that has imported everything, and none of them trains in the tests'
own process, where the setting would stay on.
"""

import json
import pathlib
import sys
import time
import types
from unittest import mock

import pytest
import tensorflow as tf

from kdcl_tf.detection import determinism
from kdcl_tf.detection.settings import DetectionSettings
from tests import coco_files, forked, tiny_detector


def _gradient(value):
    """The graph of the gradient of x^2 + x^3 - x, which is a sum of four at 2: 15 in all."""

    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x * x + x * x * x - x
        return tape.gradient(y, x)

    return gradient.get_concrete_function(value)


def _enabled():
    """Ends with status 3 if gradients are added in pairs and an unseeded number is refused."""
    determinism.enable()
    names = [each.type for each in _gradient(tf.constant(2.0)).graph.get_operations()]
    if "AddN" in names or _gradient(tf.constant(2.0))(tf.constant(2.0)).numpy() != 15.0:
        sys.exit(4)
    try:
        tf.random.uniform([])
    except RuntimeError:
        sys.exit(3)


def _enabled_beside_a_gpu():
    """Ends with status 3 if gradients are added in pairs, and TensorFlow's own setting is off.

    It has no deterministic products of sparse matrices on GPUs.
    """
    devices = [types.SimpleNamespace(device_type=kind) for kind in ("CPU", "GPU")]
    with mock.patch.object(tf.config, "get_visible_devices", return_value=devices):
        determinism.enable()
    tf.random.uniform([])
    names = [each.type for each in _gradient(tf.constant(2.0)).graph.get_operations()]
    sys.exit(4 if "AddN" in names else 3)


def _as_it_is():
    """Ends with status 3 if TensorFlow adds gradients, and unseeded numbers can be drawn."""
    tf.random.uniform([])
    names = [each.type for each in _gradient(tf.constant(2.0)).graph.get_operations()]
    sys.exit(3 if "AddN" in names else 4)


class DeterminismTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_it_is_off_unless_it_is_turned_on(self):
        self.assertEqual(forked.start(_enabled).wait(), 3)
        self.assertEqual(forked.start(_enabled_beside_a_gpu).wait(), 3)
        # Not here, where a program that was run in this process may have turned it on.
        self.assertEqual(forked.start(_as_it_is).wait(), 3)

    @pytest.mark.slow
    def test_runs_are_one_run_bit_by_bit_killed_or_not(self):
        coco_files.write(self.folder / "coco")
        self.small = tiny_detector.backbone_flags(self.folder)
        whole = [self.train(name) for name in ("one", "two")]
        killed = self.train("killed")
        checkpoints = self.folder / "killed" / "checkpoints"
        # Within the second of three epochs of two steps.
        while not (checkpoints / "step-000000003").exists():
            self.assertIsNone(killed.status, "it ended before it was killed")
            time.sleep(0.01)
        killed.kill()
        for each in (*whole, self.train("killed")):
            self.assertEqual(each.wait(), 0)
        expected = self.outcome("one")
        self.assertGreater(len(expected[0]), 10**6)
        for name in ("two", "killed"):
            for found, one in zip(self.outcome(name), expected, strict=True):
                self.assertTrue(found == one, name)

    def train(self, name):
        small = DetectionSettings(**self.small).as_flags()
        small |= {"detector": "mask", "epochs": "3", "milestones": "2", "evaluate_every": "3"}
        small |= {"dataset": f"coco:{self.folder / 'coco'}", "checkpoint_seconds": "0"}
        small |= {"workdir": str(self.folder / name)}
        return forked.start(
            forked.door, "detect", *(f"--{key}={text}" for key, text in small.items())
        )

    def outcome(self, name):
        """The weights, what was found, and the log but for times."""
        path = self.folder / name
        log = [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]
        for record in log:
            del record["seconds"], record["images_per_second"]
        weights = path / "detector" / "variables" / "variables.data-00000-of-00001"
        return weights.read_bytes(), (path / "detections.json").read_bytes(), log


if __name__ == "__main__":
    tf.test.main()
