"""Tests of kdcl_tf.detection.served."""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from kdcl_tf.data import decoding
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.detection import found as found_lib, served
from kdcl_tf.detection.coco import loading as coco_loading
from kdcl_tf.detection.scenes.views import SceneViews
from tests import coco_files, tiny_detector

# What a server runs: neither Keras nor this package can be imported there.
_ELSEWHERE = """
import json, sys
sys.modules.update(keras=None, kdcl_tf=None, keras_cv=None)
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
image = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)
found = model.signatures["serving_default"](image=tf.constant(image))
print(json.dumps({name: value.numpy().tolist() for name, value in found.items()}))
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    loaded = tf.compat.v1.saved_model.load(session, ["serve"], sys.argv[1])
    signature = loaded.signature_def["serving_default"]
    outputs = {name: each.name for name, each in signature.outputs.items()}
    found = session.run(outputs, {signature.inputs["image"].name: image})
print(json.dumps({name: value.tolist() for name, value in found.items()}))
"""


class ServedDetectorTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.path = tiny_detector.exported()
        cls.served = served.ServedDetector(cls.path)
        cls.image = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)

    def test_it_finds_as_elsewhere_and_in_a_session(self):
        command = [sys.executable, "-c", _ELSEWHERE, str(self.path)]
        process = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        here = self.served(self.image)
        self.assertNotEmpty(here.scores)
        for line in process.stdout.splitlines()[-2:]:
            there = json.loads(line)
            for name in ("boxes", "scores", "classes", "masks"):
                self.assertAllClose(there[name], getattr(here, name), atol=1e-5)

    @pytest.mark.slow
    def test_saved_model_cli_runs_it(self):
        folder = self.create_tempdir().full_path
        np.save(f"{folder}/image.npy", self.image)
        command = [
            *(str(pathlib.Path(sys.executable).with_name("saved_model_cli")), "run"),
            *("--dir", str(self.path), "--tag_set", "serve", "--signature_def", "serving_default"),
            *("--inputs", f"image={folder}/image.npy", "--outdir", folder),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        here = self.served(self.image)
        for name in ("boxes", "scores", "classes", "masks"):
            self.assertAllClose(np.load(f"{folder}/{name}.npy"), getattr(here, name), atol=1e-4)

    def test_it_computes_in_float32(self):
        """One that was trained in bfloat16 finds, to the bit, what a float32 one finds."""
        mixed = served.ServedDetector(tiny_detector.exported(dtype="mixed_bfloat16"))(self.image)
        here = self.served(self.image)
        for name in ("boxes", "scores", "classes", "masks"):
            self.assertAllEqual(getattr(mixed, name), getattr(here, name))

    def test_it_finds_what_a_batch_of_views_finds(self):
        """In images scaled, normalised and padded by the stream of the training program."""
        root = self.create_tempdir().full_path
        coco_files.write(root)
        dataset = coco_loading.load(f"coco:{root}")
        detector, card = tiny_detector.detector(), tiny_detector.card()
        detector.box_head.get_layer("classes").bias.assign([0.0, 0.0, 4.0, 0.0])
        views = SceneViews(
            dataset, 0, 32, 48, normalization=Normalization.from_card(card), multiple=8
        )
        (batch,) = views.evaluation(dataset.test.take([0]), 1)
        detections = detector.detect(batch["images"], batch["sizes"])
        ((_, expected),) = found_lib.split({**batch, **detections})
        pixels = decoding.rgb(tf.constant(dataset.test.images.read(0))).numpy()
        found = self.served(pixels)
        self.assertAllClose(found.boxes, expected.boxes, atol=1e-3)
        self.assertAllClose(found.scores, expected.scores, atol=1e-5)
        self.assertAllClose(found.masks, expected.masks, atol=1e-4)

    def test_boxes_are_inside_and_sorted_by_score(self):
        found = self.served(self.image)
        self.assertTrue((found.boxes >= 0).all())
        self.assertTrue((found.boxes <= [60, 40, 60, 40]).all())
        self.assertAllEqual(np.sort(found.scores)[::-1], found.scores)
        self.assertEqual(set(found.classes), {2})

    def test_an_image_of_one_pixel(self):
        found = self.served(np.zeros([1, 1, 3], np.uint8))
        self.assertTrue((found.boxes <= 1).all())

    def test_faster_has_no_masks(self):
        model = served.ServedDetector(tiny_detector.exported(masks=False))
        self.assertFalse(model.has_masks)
        self.assertIsNone(model(self.image).masks)

    def test_a_run_leads_to_its_detector(self):
        run = pathlib.Path(self.path).parent
        self.assertEqual(served.ServedDetector(run).card, self.served.card)

    def test_a_damaged_export_is_named(self):
        for name in ("detector.json", "saved_model.pb", "variables/variables.index"):
            copy = pathlib.Path(self.create_tempdir().full_path) / "detector"
            shutil.copytree(self.path, copy)
            content = bytearray((copy / name).read_bytes())
            content[len(content) // 2] ^= 1
            (copy / name).write_bytes(content)
            with self.assertRaisesRegex(ValueError, f"{pathlib.Path(name).name}.*export it again"):
                served.ServedDetector(copy)

    def test_only_an_exported_detector_is_replaced(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "saved_model.pb").write_text("theirs")
        model, card = tiny_detector.detector(), tiny_detector.card()
        with self.assertRaisesRegex(FileExistsError, "or an exported detector to replace, at"):
            served.export(model, folder, card)
        (folder / "student.json").write_text('{"checksums": {}}')
        with self.assertRaisesRegex(FileExistsError, "got something else, which is kept"):
            served.export(model, folder, card)
        self.assertEqual((folder / "saved_model.pb").read_text(), "theirs")
        # A run's own export is mended, whatever is left of it.
        served.export(model, folder, card, is_own=True)
        for path in (*folder.glob("*.*"), *(folder / "variables").iterdir()):
            path.unlink()
        served.export(model, folder, card, is_own=True)
        self.assertEqual(served.ServedDetector(folder).card["class_names"], card["class_names"])
        # What its user has put beside it stays.
        (folder / "README.md").write_text("mine")
        served.export(model, folder, card)
        self.assertEqual((folder / "README.md").read_text(), "mine")
        served.ServedDetector(folder)
        with self.assertRaisesRegex(ValueError, "each of the detector's 3 classes; got 2: "):
            served.export(model, folder, {**card, "class_names": ["a", "b"]})

    def test_refused(self):
        with self.assertRaisesRegex(ValueError, "expected an exported detector, a folder"):
            served.ServedDetector(self.create_tempdir().full_path)


if __name__ == "__main__":
    tf.test.main()
