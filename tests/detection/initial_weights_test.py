"""Tests of kdcl_tf.detection.initial_weights."""

import dataclasses
import pathlib
import shutil
from unittest import mock

import numpy as np
import tensorflow as tf

from kdcl_tf.data.normalization import Normalization
from kdcl_tf.detection import exported_detector, initial_weights, served
from kdcl_tf.detection.model import backbone_source
from kdcl_tf.detection.settings import DetectionSettings
from kdcl_tf.detection.task import Detection, create_detector
from kdcl_tf.distribution import strategies
from tests import coco_files, tiny_detector


class InitialWeightsTest(tf.test.TestCase):
    def _source(self, masks=True):
        path = tiny_detector.exported(masks)
        return initial_weights.find(path, "mask" if masks else "faster", "")

    def _assigned(self, class_names):
        given, fresh = tiny_detector.detector(), tiny_detector.detector(seed=1)
        self.fresh = fresh
        before = [each.numpy() for each in fresh.variables]
        line = initial_weights.assign(fresh, self._source(), class_names)
        # Of the exported one alone.
        given.box_head.get_layer("classes").bias.assign([0.0, 0.0, 4.0, 0.0])
        return line, list(zip(fresh.variables, given.variables, before, strict=True))

    def test_a_detector_of_the_same_classes_is_the_same(self):
        line, found = self._assigned(tiny_detector.CLASS_NAMES)
        for own, wanted, _ in found:
            self.assertAllEqual(own.numpy(), wanted.numpy(), own.path)
        self.assertRegex(
            line, rf"starts from .*detector: {len(found)} variables taken, none made anew"
        )

    def test_heads_are_made_anew_for_other_classes(self):
        line, found = self._assigned(["person", "car", "kite"])
        layers = [self.fresh.box_head.get_layer(name) for name in ("classes", "codes")]
        layers.append(self.fresh.mask_head.get_layer("masks"))
        heads = [id(each) for layer in layers for each in layer.variables]
        new = []
        for own, wanted, before in found:
            if id(own) in heads:
                self.assertAllEqual(own.numpy(), before, own.path)
                new.append(own.path)
            else:
                self.assertAllEqual(own.numpy(), wanted.numpy(), own.path)
        self.assertIn(f"{len(found) - len(new)} variables taken, {len(new)} (", line)

    def test_another_detector_is_refused(self):
        path = tiny_detector.exported()
        for arguments, message in (
            ((path, "faster", ""), "expected the detector faster, as detector says; got mask"),
            (
                (path, "mask", "resnet18"),
                "expected the architecture resnet18, as backbone says; got that of a .keras file: "
                "pass backbone=FILE, the .keras file that it was trained with",
            ),
            ((path.parent / "nothing", "mask", ""), "complete run of kdcl-detect; got none"),
        ):
            with self.assertRaisesRegex(ValueError, f"initial_weights=.*{message}") as caught:
                initial_weights.find(*arguments)
            self.assertNotIn("\n", str(caught.exception))
        with self.assertRaisesRegex(ValueError, r"does not fit: expected .* at .*; got "):
            initial_weights.assign(
                tiny_detector.detector(masks=False), self._source(), tiny_detector.CLASS_NAMES
            )

    def test_one_backbone_may_have_several_names(self):
        source = exported_detector.find(tiny_detector.exported(), "initial_weights", ())
        card = {**source.card, "architecture": "mobilenet_v2"}
        source = dataclasses.replace(source, card=card)
        with mock.patch.object(exported_detector, "find", return_value=source):
            self.assertIs(initial_weights.find("a", "mask", "mobilenet_v2_1.0"), source)
            with self.assertRaisesRegex(ValueError, "architecture mobilenet_v2_0.5, as backbone"):
                initial_weights.find("a", "mask", "mobilenet_v2_0.5")

    def test_a_run_starts_from_it_under_its_normalisation(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        coco_files.write(folder / "coco")
        common = {
            "dataset": f"coco:{folder / 'coco'}",
            "seed": 3,
            **tiny_detector.backbone_flags(folder),
        }
        settings = DetectionSettings(**common)
        source = backbone_source.find(settings.backbone)
        given = create_detector(settings, source, 3)
        card = {**tiny_detector.card(masks=False), "class_names": ["person", "car", "kite"]}
        served.export(given, folder / "run" / "detector", card)
        settings = DetectionSettings(**{**common, "seed": 4}, initial_weights=str(folder / "run"))
        task = Detection(settings)
        task.load()
        self.assertEqual(task.source.normalization, Normalization((0.5,) * 3, (0.25,) * 3))
        self.assertIn("initial_weights", task.digest())
        task.build(strategies.create("one", None, "local"))
        same = [
            np.array_equal(own.numpy(), wanted.numpy())
            for own, wanted in zip(task.model.variables, given.variables, strict=True)
        ]
        # All but the kernels of the two heads that predict classes; biases are zeros.
        self.assertEqual(same.count(False), 2)
        self.assertRegex(
            task._lines[0], r"4 \(.*\) made anew, of 3 classes in the place of other 3; im"
        )
        # A run that goes on has its weights in a checkpoint.
        shutil.rmtree(folder / "run" / "detector")
        again = Detection(settings)
        again.begun = {"card": task.card(), "identity": {"data": task.digest()}}
        again.load()
        self.assertEqual(again.digest(), task.digest())
        self.assertEqual(again.source.normalization, task.source.normalization)
        # One of an earlier version does not tell how its images were normalised.
        again.begun["card"] = {}
        with self.assertRaisesRegex(ValueError, "initial_weights=.*: expected an exported det"):
            again.load()


if __name__ == "__main__":
    tf.test.main()
