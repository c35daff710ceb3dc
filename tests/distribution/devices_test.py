"""Tests of kdcl_tf.distribution.devices."""

import pathlib
import subprocess
import sys
from unittest import mock

import keras
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data, students
from kdcl_tf.classification import factory
from kdcl_tf.classification.settings import Settings
from kdcl_tf.distribution import devices, traffic
from tests import in_process

_TRAIN = [sys.executable, "-m", "kdcl_tf.train"]


def _settings(**settings):
    common = {"students": ("resnet8", "wrn_10_1", "resnet8"), "holdout_per_class": 1}
    return Settings(**{**common, **settings})


class OfStudentsTest(tf.test.TestCase, parameterized.TestCase):
    def test_students_are_dealt_out_in_turn(self):
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        names = [each.name for each in tf.config.list_logical_devices(kind)][:2]
        found = devices.of_students(_settings(), "student")
        self.assertEqual(list(found), ["resnet8", "wrn_10_1", "resnet8_2"])
        self.assertEqual(list(found.values())[:2], names)

    def test_data_places_nothing(self):
        self.assertEqual(devices.of_students(_settings(strategy="mirrored"), "data"), {})

    @parameterized.parameters(
        ({"strategy": "mirrored"}, "got strategy=mirrored, which copies all students"),
        ({"jit_compile": True}, "XLA compiles for one device; got jit_compile: leave it out"),
        ({"precision": "float16"}, "got float16: pass precision=bfloat16, or placement=data"),
        ({"method": "one", "students": ("resnet8",)}, "got method=one, whose students do: pass"),
        ({"method": "clnn", "students": ("resnet8",)}, "got method=clnn, whose students do"),
    )
    def test_what_cannot_live_apart_is_refused(self, settings, message):
        with self.assertRaisesRegex(ValueError, message):
            devices.of_students(_settings(**settings), "student")


class SplitTest(tf.test.TestCase):
    def test_too_late_is_said(self):
        tf.constant(1.0)
        with self.assertRaisesRegex(ValueError, "^logical_devices=3 came too late"):
            devices.split_cpu(3)


class LeaveGpusTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(None, RuntimeError("TensorFlow has started"))
    def test_gpus_are_hidden_unless_tensorflow_has_started(self, error):
        with mock.patch.object(tf.config, "set_visible_devices", side_effect=error) as hidden:
            devices.leave_gpus()
        hidden.assert_called_once_with([], "GPU")


class WorkloadTest(tf.test.TestCase, parameterized.TestCase):
    def test_it_is_that_of_the_run(self):
        settings = _settings(accumulation_steps=2)
        dataset = data.load("digits", image_size=8)
        found = devices.workload(settings, factory.create_compiled(settings, dataset, 3), dataset)
        self.assertEqual(found.parameters[0], 78_042)
        self.assertEqual((found.num_classes, found.batch_size), (10, 16))
        self.assertEqual(found.view_bytes, 8 * 8 * 3 * 4)
        self.assertEqual((found.is_shared, found.accumulation_steps), (False, 2))
        self.assertEqual(found.synchronized_channels, ())

    def test_synchronised_layers_are_found(self):
        settings = _settings(students=("resnet8",), invariant=False)
        dataset = data.load("digits", image_size=8)
        cohort = factory.create_compiled(settings, dataset, 3)
        cohort.students["resnet8"] = students.build("resnet8", 10, (8, 8, 3), synchronized=True)
        found = devices.workload(settings, cohort, dataset)
        self.assertEqual(found.synchronized_channels[:3], (16, 16, 16))
        self.assertLen(found.synchronized_channels, 9)
        self.assertTrue(found.is_shared)

    @parameterized.parameters("one", "clnn")
    def test_what_branches_share_counts_once(self, method):
        settings = _settings(
            method=method, students=("resnet8",), synchronized_batch_norm=True, holdout_per_class=0
        )
        dataset = data.load("digits", image_size=8)
        cohort = factory.create_compiled(settings, dataset, 3)
        found = devices.workload(settings, cohort, dataset)
        # With the gate of ONE, which belongs to no branch.
        parameters = sum(each.numpy().size for each in cohort.trainable_variables)
        self.assertEqual(found.parameters, (parameters,))
        channels = {
            id(layer): layer.gamma.shape[0]
            for layer in cohort.network.layers
            if isinstance(layer, keras.layers.BatchNormalization)
        }
        self.assertEqual(sorted(found.synchronized_channels), sorted(channels.values()))
        self.assertNotIn("placement", traffic.describe(found, 2))

    def test_frozen_batch_norm_does_not_count_and_clipping_does(self):
        dataset = data.load("digits", image_size=8)
        settings = _settings(
            students=("resnet8", "wrn_10_1"),
            initial_weights=("resnet8=resnet8.keras",),
            freeze_batch_norm=True,
            synchronized_batch_norm=True,
            optimizer_arguments="clipnorm=1.0",
        )
        cohort = factory.create_compiled(settings, dataset, 3)
        found = devices.workload(settings, cohort, dataset)
        # Of ResNet-8's nine layers of batch norm, each of three stages has three.
        statistics = 2 * (3 * 16 + 3 * 32 + 3 * 64)
        self.assertEqual(found.parameters, (78_042 - statistics, 77_850))
        others = [
            layer.gamma.shape[0]
            for layer in cohort.students["wrn_10_1"].layers
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        self.assertCountEqual(found.synchronized_channels, others)
        self.assertTrue(found.is_clipped)


@pytest.mark.slow
class ProgramTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        workdir = pathlib.Path(self.create_tempdir().full_path) / "run"
        self.flags = ["--placement=student", "--epochs=1", "--image_size=8", f"--workdir={workdir}"]

    def test_one_device_is_too_few(self):
        with mock.patch.object(devices, "_names", return_value=["/device:CPU:0"]):
            done = in_process.run("train", *self.flags)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(
            done.stderr,
            r"^\S+: placement=student expected 2 devices or more; got 1: pass --placement=data, or "
            r"pass --logical_devices=2 .*\n$",
        )

    def test_two_logical_devices(self):
        """As a process: devices are made when TensorFlow starts."""
        command = [*_TRAIN, *self.flags, "--logical_devices=2", "--students=resnet8,wrn_10_1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        first = done.stdout.splitlines()[0]
        # 2 x 4 x (78,042 + 77,850) bytes of gradients; 2 x 4 x 16 x 10 of logits.
        self.assertRegex(first, r"^2 devices exchange a step: --placement=data 1\.2\d\d MB of grad")
        self.assertIn("--placement=student 0.001 MB of logits", first)


if __name__ == "__main__":
    tf.test.main()
