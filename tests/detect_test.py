"""Tests of kdcl_tf.detect: what it refuses and tells, and its three modes: a process trains."""

import json
import pathlib
import shutil
import subprocess
import sys
from unittest import mock

import pytest
from absl.testing import absltest, parameterized

from kdcl_tf.detection import determinism, served
from kdcl_tf.detection.settings import DetectionSettings
from kdcl_tf.files import run_flags
from kdcl_tf.files.identity import Identity
from kdcl_tf.training.workdir import Workdir
from tests import coco_files, image_files, in_process, tiny_detector

_DETECT = [sys.executable, "-m", "kdcl_tf.detect"]
# A file that is there.
_FILE = pathlib.Path(__file__)


def _run(*arguments):
    command = [*_DETECT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


class CompleteTest(absltest.TestCase):
    def test_a_complete_run_is_asked_for_without_what_it_started_from(self):
        run = pathlib.Path(self.create_tempdir().full_path)
        gone = {"backbone": f"{run}/gone.keras", "initial_weights": f"{run}/gone"}
        settings = DetectionSettings(dataset=f"coco:{run}/gone", **gone)
        flags = [f"--{name}={text}" for name, text in settings.as_flags().items()]
        refused = in_process.run("detect", *flags, f"--workdir={run / 'new'}")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("gone.keras is neither a path nor a student", refused.stderr)
        result = {"test_box_ap": 0.5, "test_box_ap50": 0.75, "test_box_ap75": 0.25}
        result |= {"test_box_ar100": 0.6, "parameters": 1234, "detector": "detector"}
        facts = Identity(settings.as_flags(), {}, versions={}).facts
        Workdir(run).write_result({**result, "identity": facts, "places": settings.places()})
        done = in_process.run("detect", *flags, f"--workdir={run}")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertStartsWith(done.stdout, f"{run} holds this run, complete; nothing is trained\n")


class RefusedTest(parameterized.TestCase):
    @parameterized.parameters(
        (["--dataset=cifar100"], "data set: expected coco:PATH"),
        (["--backbone=resnet19"], "backbone=resnet19 is neither a path nor a student"),
        (["--detector=yolo"], "flag --detector=yolo: value should be one of"),
        (
            ["--mode=predict", "--image=/nowhere.jpg"],
            "expected --image to name files and folders that are there; got /nowhere.jpg",
        ),
        (["--mode=predict"], "expected --image, files and folders separated by commas; got none"),
        (["--mode=evaluate"], "--mode=evaluate: expected --model"),
        (
            ["--mode=evaluate", "--model=/", "--output=/nowhere/x.json"],
            "got /nowhere/x.json: make /nowhere",
        ),
        (["--mode=evaluate", "--model=/", "--dataset=cifar10"], "; got 'cifar10'"),
        (
            ["--mode=evaluate", "--image=a.jpg"],
            "--image: expected --mode=predict; got --mode=evaluate",
        ),
        (["--output=seen"], "--output: expected --mode=evaluate or predict; got --mode=train"),
        (
            ["--mode=evaluate", "--model=/", "--dataset=coco:x", "--train_images=x"],
            "train_images=x: expected train_annotations",
        ),
        (["--mode=predict", "--least_score=2"], "--least_score=2"),
        (["--mode=predict", f"--image={_FILE}"], "expected --output, a folder"),
        (
            ["--mode=predict", f"--image={_FILE}", f"--output={_FILE}"],
            ": expected a folder; got a file",
        ),
    )
    def test_one_line(self, arguments, message):
        process = in_process.run("detect", *arguments)
        self.assertEqual((process.returncode, process.stdout), (1, ""))
        self.assertIn(message, process.stderr)
        self.assertEqual(process.stderr.count("\n"), 1)

    def test_images_and_folders_are_looked_at_first(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        names = ("a/street.jpg", "b/street.png", "a/street.json")
        image_files.write(folder, dict.fromkeys(names, b"kept"))
        (folder / "empty").mkdir()
        for arguments, message in (
            (
                (f"--image={folder}/empty", "--output=x"),
                "expected images in --image=.*, files with suffix .jpg, .*; got none",
            ),
            ((f"--image={folder}/a,{folder}/b", "--output=x"), "got two called street"),
            ((f"--image={folder}/a", f"--output={folder}/a"), "another folder than that of the im"),
        ):
            process = in_process.run("detect", "--mode=predict", "--model=/", *arguments)
            self.assertEqual((process.returncode, process.stdout), (1, ""))
            self.assertRegex(process.stderr, message)
            self.assertEqual(process.stderr.count("\n"), 1)
        for name in names:
            self.assertEqual((folder / name).read_bytes(), b"kept")

    def test_the_files_of_a_run_are_not_written_over(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        run = folder / "run"
        names = ("run/result.json", "photos/result.jpg")
        image_files.write(folder, dict.fromkeys(names, b"kept"))
        (run / "flags.txt").write_text(run_flags.text_of({"epochs": "1"}))
        for arguments in (
            ("--mode=evaluate", f"--output={run}/result.json"),
            ("--mode=predict", f"--image={folder}/photos", f"--output={run}"),
        ):
            process = in_process.run("detect", *arguments, f"--model={run}")
            self.assertEqual((process.returncode, process.stdout), (1, ""))
            self.assertRegex(process.stderr, f"^[^\n]*belongs to the run in {run}: pass another\n$")
        self.assertEqual((run / "result.json").read_bytes(), b"kept")

    def test_a_folder_that_is_no_coco(self):
        process = in_process.run("detect", f"--dataset=coco:{self.create_tempdir().full_path}")
        self.assertEqual(process.returncode, 1)
        message = (
            r"^\S+: [^\n]*instances_train2017.json and "
            r"[^\n]*: pass --train_annotations=FILE[^\n]*\n$"
        )
        self.assertRegex(process.stderr, message)

    @parameterized.parameters((0, 4, "1..3"), (2, 3, "1..2"))
    def test_a_batch_of_more_images_than_there_are_begins_no_run(self, first, size, expected):
        folder = pathlib.Path(self.create_tempdir().full_path)
        coco_files.write(folder / "coco")
        process = self._train(folder, first_images=first, batch_size=size)
        self.assertEqual(process.returncode, 1)
        message = rf"^\S+: batch_size: expected {expected}, the number of .*; got {size}\n$"
        self.assertRegex(process.stderr, message)
        self.assertFalse((folder / "run").exists())

    def test_without_outlines_another_detector_is_named_as_a_flag(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        content = coco_files.changed(coco_files.instances(), "annotations", 1, segmentation=[])
        coco_files.write(folder / "coco", content)
        process = self._train(folder, detector="mask")
        self.assertEqual(process.returncode, 1)
        self.assertRegex(
            process.stderr,
            r"annotation 11: .*; got no polygons: mend or remove it, or pass --detector=faster, [^\n]*\n$",
        )

    def _train(self, folder, **fields):
        fields = tiny_detector.backbone_flags(folder) | {"epochs": 1, "milestones": ()} | fields
        settings = DetectionSettings(dataset=f"coco:{folder / 'coco'}", **fields)
        arguments = [f"--{name}={value}" for name, value in settings.as_flags().items()]
        # It would hold for all tests of this process.
        with mock.patch.object(determinism, "enable"):
            return in_process.run("detect", *arguments, f"--workdir={folder / 'run'}")

    def test_scenes_that_changed_since_the_run_are_not_evaluated_unless_they_are_named(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        coco_files.write(folder / "coco")
        name = f"coco:{folder / 'coco'}"
        data = {"test": {"images": 3, "annotations": "0" * 16}}
        card = {"dataset": name, "identity": {"data": data, "settings": {}}}
        model = served.export(
            tiny_detector.detector(False), folder / "detector", tiny_detector.card(False) | card
        )
        arguments = ("detect", "--mode=evaluate", f"--model={model}")
        told = f"{name} is not what the detector was trained with: test annotations differ"
        refused = in_process.run(*arguments)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertIn(f"{told}; restore it, or pass --dataset={name} to evaluate", refused.stderr)
        self.assertEqual(refused.stderr.count("\n"), 1)
        scored = in_process.run(*arguments, f"--dataset={name}")
        self.assertEqual(scored.returncode, 0, scored.stderr)
        self.assertStartsWith(scored.stdout, f"{told}\ntest of {name}, 3 images\nbox: AP ")

    def test_without_a_data_set_the_images_of_the_run_are_scored(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        coco_files.write(folder / "coco")
        listed = folder / "coco" / "annotations"
        mini = coco_files.instances(101)
        mini |= {"images": mini["images"][2:], "annotations": mini["annotations"][:1]}
        (listed / "mini.json").write_text(json.dumps(mini))
        name, file = f"coco:{folder / 'coco'}", "annotations/mini.json"
        settings = {"validation_annotations": file, "validation_images": "val2017"}
        card = {"dataset": name, "identity": {"settings": settings | {"first_images": "2"}}}
        model = served.export(
            tiny_detector.detector(False), folder / "detector", tiny_detector.card(False) | card
        )
        train = listed / "instances_train2017.json"
        shutil.copytree(folder / "coco" / "val2017", folder / "moved")
        all_of_it = f"--validation_annotations={listed / 'instances_val2017.json'}"
        crowds = (
            f"train of {name}: 1 of 3 annotations are crowds (iscrowd 1), which are neither learned "
            "nor scored; CVAT writes brush masks so: set iscrowd to 0 where each is one object\n"
        )
        for arguments, told, images in (
            ([], f"test of {name} ({file}), 1 images", {103}),
            (
                [f"--validation_images={folder / 'moved'}"],
                f"test of {name} ({file}), 1 images",
                {103},
            ),
            ([all_of_it], f"test of {name} ({all_of_it[25:]}), 3 images", {101, 102, 103}),
            (["--evaluate_on=train"], f"{crowds}train of {name}, 2 images", {1, 2}),
            (["--evaluate_on=train", all_of_it], f"{crowds}train of {name}, 2 images", {1, 2}),
            (
                ["--evaluate_on=train", f"--train_annotations={train}", "--train_images=train2017"],
                f"train of {name} ({train}), 3 images",
                {1, 2, 3},
            ),
            ([f"--dataset={name}"], f"test of {name}, 3 images", {101, 102, 103}),
        ):
            with self.subTest(arguments):
                output = folder / "figures.json"
                flags = (f"--model={model}", f"--output={output}", *arguments)
                scored = in_process.run("detect", "--mode=evaluate", *flags)
                self.assertEqual(scored.returncode, 0, scored.stderr)
                self.assertStartsWith(scored.stdout, f"{told}\nbox: AP ")
                self._assert_of(output.with_suffix(".detections.json"), images)
        # The run named no annotations of its training images.
        flags = (f"--model={model}", "--train_images=train2017")
        refused = in_process.run("detect", "--mode=evaluate", *flags)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertIn("train_images=train2017: expected train_annotations, the f", refused.stderr)

    def _assert_of(self, path, images):
        found = json.loads(path.read_text())
        self.assertContainsSubset({each["image_id"] for each in found}, images)
        self.assertNotEmpty(found)


@pytest.mark.slow
class ModesTest(absltest.TestCase):
    def test_train_then_evaluate_then_predict(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        coco_files.write(folder / "coco")
        data, run = f"--dataset=coco:{folder / 'coco'}", folder / "run"
        small = DetectionSettings(**tiny_detector.backbone_flags(folder)).as_flags()
        small |= {"detector": "mask", "epochs": "1", "milestones": "", "dataset": data[10:]}
        small = [f"--{name}={value}" for name, value in small.items()]
        trained = _run(*small, f"--workdir={run}")
        self.assertEqual(trained.returncode, 0, trained.stderr)
        self.assertRegex(
            trained.stdout, r"box: AP [\d.]+%, .*\nbox AP by class: person .*\nmask: AP [\d.]+%"
        )
        again = in_process.run("detect", *small, f"--workdir={run}")
        self.assertEqual(again.stdout.splitlines()[-6:], trained.stdout.splitlines()[-6:])
        self._evaluate(run, data, folder / "figures.json")
        self._predict(run, folder)
        self._predict_damaged(run, folder)

    def _evaluate(self, run, data, output):
        scored = in_process.run(
            "detect", "--mode=evaluate", f"--model={run}", data, f"--output={output}", "--epochs=3"
        )
        self.assertEqual(scored.returncode, 0, scored.stderr)
        self.assertStartsWith(scored.stdout, "--mode=evaluate does not read --epochs: the detector")
        result = json.loads((run / "result.json").read_text())
        found = json.loads(output.read_text())
        self.assertContainsSubset({"box_ap", "mask_ap"}, found)
        for name, value in found.items():
            expected = result[f"test_{name}"]
            if expected is None:
                self.assertIsNone(value)
            else:
                self.assertAlmostEqual(value, expected, places=2, msg=name)

    def _predict(self, run, folder):
        photo = folder / "photo.jpg"
        photo.write_bytes(image_files.encode(image_files.photo(1, 40, 60)))
        output = folder / "seen"
        seen = in_process.run(
            "detect",
            "--mode=predict",
            f"--model={run / 'detector'}",
            f"--image={photo}",
            f"--output={output}",
            "--least_score=0.1",
        )
        self.assertEqual(seen.returncode, 0, seen.stderr)
        self.assertEqual({path.name for path in output.iterdir()}, {"photo.png", "photo.json"})
        self._predict_folder(run, folder)

    def _predict_folder(self, run, folder):
        photos, output = folder / "photos", folder / "seen_too"
        for name in ("b.jpg", "a.JPG", ".hidden.jpg", "deeper/c.jpg"):
            (photos / name).parent.mkdir(parents=True, exist_ok=True)
            (photos / name).write_bytes((folder / "photo.jpg").read_bytes())
        (photos / "notes.txt").touch()
        seen = in_process.run(
            "detect",
            "--mode=predict",
            f"--model={run}",
            f"--image={photos},{folder / 'photo.jpg'}",
            f"--output={output}",
        )
        self.assertEqual(seen.returncode, 0, seen.stderr)
        starts = [line.partition(":")[0] for line in seen.stdout.splitlines()]
        self.assertEqual(starts, ["a.JPG", "b.jpg", "photo.jpg"])

    def _predict_damaged(self, run, folder):
        """Nothing is drawn when one of several images cannot be."""
        cut = folder / "cut.jpg"
        cut.write_bytes((folder / "photo.jpg").read_bytes()[:200])
        images, output = f"--image={folder / 'photo.jpg'},{cut}", folder / "none"
        arguments = ("--mode=predict", f"--model={run}", images, f"--output={output}")
        seen = in_process.run("detect", *arguments)
        self.assertEqual((seen.returncode, seen.stdout), (1, ""))
        self.assertRegex(seen.stderr, r"^\S+: image=\S+cut.jpg cannot be decoded: [^\n]*\n$")
        self.assertFalse(output.exists())


if __name__ == "__main__":
    absltest.main()
