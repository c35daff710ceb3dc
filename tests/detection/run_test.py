"""Tests of a detector's run as a whole, on small real folders."""

import os
import pathlib
import signal
from unittest import mock

import numpy as np
import tensorflow as tf

from kdcl_tf.data import bad_images
from kdcl_tf.detection.served import ServedDetector
from kdcl_tf.detection.settings import DetectionSettings
from kdcl_tf.detection.task import Detection, load_dataset
from kdcl_tf.distribution import strategies
from kdcl_tf.training.checkpoint import all_variables
from kdcl_tf.training.interruption import Interrupted
from kdcl_tf.training.session import Session
from kdcl_tf.training.workdir import Workdir
from tests import coco_files, tiny_detector

_SMALL = {"detector": "mask", "epochs": 2, "evaluate_every": 2, "milestones": (1,)}


def _stop_in_the_first_step(run):
    """As if the process were told to end; the step is taken and saved."""
    epoch = run.task.epoch

    def stopped(*args):
        os.kill(os.getpid(), signal.SIGTERM)
        return epoch(*args)

    run.task.epoch = stopped


def _compare_at_the_first_epoch(run, expected):
    """Fails where the run begins with other values than `expected`."""
    epoch = run.task.epoch

    def compared(*args):
        run.task.epoch = epoch
        for each, value in zip(all_variables(run.task.model), expected, strict=True):
            np.testing.assert_array_equal(each.numpy(), value, err_msg=each.path)
        return epoch(*args)

    run.task.epoch = compared


class DetectionRunTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        coco_files.write(self.folder / "coco")
        self.small = tiny_detector.backbone_flags(self.folder)

    def settings(self, **fields):
        dataset = f"coco:{self.folder / 'coco'}"
        return DetectionSettings(dataset=dataset, **{**_SMALL, **self.small, **fields})

    def run_of(self, name="run", **fields):
        return Session(Detection(self.settings(**fields)), Workdir(self.folder / name))

    def test_a_run_that_is_stopped_goes_on_from_there_and_completes(self):
        first = self.run_of()
        _stop_in_the_first_step(first)
        with self.assertRaisesRegex(Interrupted, "at epoch 1, step 1 of 2; all is saved"):
            first.train()
        resumed = self.run_of()
        # That both end alike bit by bit, determinism_test.py holds: here sums have no set order.
        _compare_at_the_first_epoch(
            resumed, [each.numpy() for each in all_variables(first.task.model)]
        )
        self._assert_complete(resumed, resumed.train())

    def _assert_complete(self, run, result):
        path = run.workdir.path
        log = run.workdir.log
        self.assertEqual([record["epoch"] for record in log], [1, 2])
        self.assertNotIn("test_box_ap", log[0])
        self.assertEqual(result["test_box_ap50"], log[1]["test_box_ap50"])
        self.assertLess(log[1]["learning_rate"], log[0]["learning_rate"])
        for name in ("flags.txt", "curves.png", "detections.json", "detector/saved_model.pb"):
            self.assertTrue((path / name).exists(), name)
        self.assertGreater(result["peak_memory_gib"], 0.1)
        self.assertEqual(result["data"]["num_train"], 3)
        served = ServedDetector(path)
        self.assertEqual(served.card["class_names"], ["person", "car", "brush"])
        served(np.zeros([40, 60, 3], np.uint8))

    def test_a_complete_run_is_not_run_again(self):
        run = self.run_of()
        run.workdir.write_result({"kept": True})
        self.assertEqual(run.train(), {"kept": True})

    def test_a_damaged_image_ends_it_in_one_line(self):
        path = self.folder / "coco" / "train2017" / "000000000002.jpg"
        path.write_bytes(path.read_bytes()[:99])
        run = self.run_of(detector="faster")
        with self.assertRaisesRegex(bad_images.BadImageError, "000000000002.jpg' of id 2 cannot"):
            run.train()

    def test_sizes_that_its_stream_refuses_are_refused_before_on_devices_that_would_not_care(self):
        with mock.patch.object(strategies, "takes_empty_batches", return_value=True):
            for fields, message in (
                ({"strategy": "mirrored"}, "^batch_size=2 leaves 1 of 3 images .* of 2 devices:"),
                ({"accumulation_steps": 2}, "leaves 1 of 3 .* parts of accumulation_steps=2:"),
            ):
                with self.assertRaisesRegex(ValueError, message) as raised:
                    self.run_of(detector="faster", **fields)
                self.assertNotIn("\n", str(raised.exception))
            dataset = coco_files.instances(101, sizes=[(40, 60)] * 3)
            kept = {part: dataset[part][:1] for part in ("images", "annotations")}
            kept["annotations"] = [
                each for each in dataset["annotations"] if each["image_id"] == 101
            ]
            coco_files.write(self.folder / "coco", val=dataset | kept)
            with self.assertRaisesRegex(ValueError, "at least 2 evaluated images, .*; got 1: take"):
                self.run_of(detector="faster", strategy="mirrored", batch_size=3)

    def test_the_first_images_only(self):
        dataset = load_dataset(self.settings(first_images=2), None)
        self.assertAllEqual(dataset.train.ids, [1, 2])
        self.assertLen(dataset.test, 3)

    def test_other_flags_are_refused(self):
        workdir = Workdir(self.folder / "run")
        workdir.record(self.settings(seed=1))
        with self.assertRaisesRegex(ValueError, "was made with other flags: --seed=1"):
            workdir.check(self.settings())


if __name__ == "__main__":
    tf.test.main()
