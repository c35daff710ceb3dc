"""Tests of a detector that two worker processes train: what they find is put together."""

import json
import pathlib

import pytest
import tensorflow as tf

from kdcl_tf.detection.settings import DetectionSettings
from kdcl_tf.detection.task import Detection
from kdcl_tf.training.session import Session
from kdcl_tf.training.workdir import Workdir
from tests import coco_files, tiny_detector
from tests.worker_pair import WorkerPair


class DetectionWorkersTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_they_train_and_are_scored_as_one_device(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        # Four images, so that every step has one for each worker.
        sizes = ((40, 60), (48, 32), (30, 50), (44, 44))
        coco_files.write(
            folder / "coco", coco_files.instances(1, sizes=sizes), coco_files.instances(101)
        )
        settings = DetectionSettings(
            detector="mask",
            dataset=f"coco:{folder / 'coco'}",
            epochs=1,
            milestones=(),
            **tiny_detector.backbone_flags(folder),
        )
        with WorkerPair(settings, folder / "parts", "kdcl_tf.detect") as pair:
            (chief, out, error), (other, told, wrong) = pair.wait()
        self.assertEqual((chief, other), (0, 0), error + wrong)
        self.assertIn("box: AP", out)
        self.assertIn("worker 1: nothing is left to train", told)
        Session(Detection(settings), Workdir(folder / "whole")).train()
        self._assert_same(folder / "parts", folder / "whole")

    def _assert_same(self, parts, whole):
        (found,), (expected,) = Workdir(parts).log, Workdir(whole).log
        for name in expected:
            if name.endswith("loss"):
                self.assertAllClose(found[name], expected[name], rtol=1e-4, msg=name)
        found, expected = (
            json.loads((each / "detections.json").read_text()) for each in (parts, whole)
        )
        # Every image by its number, although each worker saw only its own.
        self.assertEqual({each["image_id"] for each in expected}, {101, 102, 103})
        self.assertEqual({each["image_id"] for each in found}, {101, 102, 103})
        for image_id in (101, 102, 103):
            best, other = (
                max(each["score"] for each in each_run if each["image_id"] == image_id)
                for each_run in (found, expected)
            )
            # Of boxes that all but tie, rounding decides which are trained on.
            self.assertAllClose(best, other, atol=0.05)


if __name__ == "__main__":
    tf.test.main()
