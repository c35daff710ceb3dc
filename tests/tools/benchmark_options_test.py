"""Tests of tools/benchmarking: every program is measured as the options say, or not at all."""

import dataclasses
import pathlib
import sys
from unittest import mock

import tensorflow as tf
from benchmarking import devices, pipeline, start_up, torch_race
from benchmarking.options import Options

_OPTIONS = Options(
    students=["resnet8", "wrn_10_1"],
    precision="bfloat16",
    batch_size=4,
    num_classes=5,
    image_size=16,
    pairs=1,
    steps=1,
    data_dir="",
    images="",
)


class OptionsTest(tf.test.TestCase):
    def test_students_on_devices_have_the_size_and_the_precision(self):
        for student in devices._students(_OPTIONS):
            self.assertEqual(student.input_shape, (None, 16, 16, 3))
            self.assertEqual(student.layers[1].compute_dtype, "bfloat16")
        self.assertEqual(devices._workload(_OPTIONS).view_bytes, 16 * 16 * 3 * 4)

    def test_views_have_the_size_and_there_are_enough_for_all_batches(self):
        dataset = pipeline._random_dataset(_OPTIONS)
        self.assertEqual(dataset.image_shape, (16, 16, 3))
        large = pipeline._random_dataset(dataclasses.replace(_OPTIONS, batch_size=1024))
        self.assertLen(dataset.train, 200_000)
        self.assertLen(large.train, 200_000)
        few = dataclasses.replace(_OPTIONS, batch_size=1024, image_size=32)
        self.assertLen(pipeline._random_dataset(few).train, pipeline._BATCHES * 1024)

    def test_pytorch_gets_the_same_options(self):
        command = torch_race._Peer("python", _OPTIONS, "eager")._command
        self.assertContainsSubset(
            ["resnet8,wrn_10_1", "--batch_size=4", "--num_classes=5", "--image_size=16",
             "--precision=bfloat16"],
            command,
        )  # fmt: skip

    def test_a_run_that_ends_before_its_first_step_has_no_time(self):
        fails = mock.patch.object(start_up, "_train", lambda *_: [sys.executable, "-c", "exit(3)"])
        with (
            fails,
            self.assertRaisesRegex(RuntimeError, "takes a step; got status 3 of .*--data_d"),
        ):
            start_up._first_step(_OPTIONS)

    def test_a_run_that_takes_a_step_is_timed(self):
        step = pathlib.Path("run", "checkpoints", "step-1")
        program = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).mkdir(parents=True)"

        def train(*arguments):
            folder = next(each for each in arguments if each.startswith("--workdir="))
            place = pathlib.Path(folder.partition("=")[2]).parent / step
            return [sys.executable, "-c", f"{program}; time.sleep(60)", str(place)]

        with mock.patch.object(start_up, "_train", train):
            self.assertGreater(start_up._first_step(_OPTIONS), 0.0)


if __name__ == "__main__":
    tf.test.main()
