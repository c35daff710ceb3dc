"""Tests of `kdcl-train` and `kdcl-evaluate` on a folder of photographs, one folder for each class.

Real photographs of ImageNet, grouped into three classes by the first digits of their number.
"""

import contextlib
import csv
import json
import pathlib
import shutil
import tempfile

import numpy as np
import tensorflow as tf
from absl import flags
from absl.testing import parameterized

from kdcl_tf import data, serving
from kdcl_tf.classification import flags as classification_flags
from kdcl_tf.files import escaping
from kdcl_tf.serving import runtimes
from tests import image_files, in_process

_FLAGFILE = pathlib.Path(__file__).parents[1] / "flags" / "photographs" / "finetune.flags"
# A small and short run of the flagfile.
_SMALL = (
    f"--flagfile={_FLAGFILE}",
    "--students=resnet8,wrn_10_1",
    "--image_size=16",
    "--batch_size=16",
    "--epochs=3",
    "--test_share=0.2",
    "--validation_share=0.15",
    "--class_weights=balanced",
    "--keep=best",
    "--keep_by=wrn_10_1",
)
_COPIES = ("animals/0.JPEG", "animals/copy.JPEG", "things/copy of an animal.jpg")
_FOLDER, _RUN = {}, {}


def _class_of(file):
    number = int(file.parent.name[1:3])
    return "animals" if number <= 2 else "things" if number <= 4 else "rest"


def setUpModule():
    files, stack = image_files.imagenet_samples()[::2], contextlib.ExitStack()
    folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
    _FOLDER["stack"], _FOLDER["root"] = stack, folder
    photos = folder / "photos"
    for number, file in enumerate(files):
        path = photos / _class_of(file) / f"{number}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, path)
    for name in _COPIES[1:]:
        shutil.copy(photos / _COPIES[0], photos / name)
    run = in_process.run(
        "train", *_SMALL, f"--dataset=folder:{photos}", f"--workdir={folder / 'run'}"
    )
    _RUN.update(done=run, photos=photos, workdir=folder / "run")


def tearDownModule():
    _FOLDER["stack"].close()


def _evaluate(*arguments):
    return in_process.run("evaluate", *arguments)


class PhotographsTest(tf.test.TestCase, parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.workdir, cls.photos, cls.done = _RUN["workdir"], _RUN["photos"], _RUN["done"]
        if cls.done.returncode:
            raise AssertionError(cls.done.stderr)
        cls.result = json.loads((cls.workdir / "result.json").read_text())
        cls.log = [
            json.loads(line) for line in (cls.workdir / "log.jsonl").read_text().splitlines()
        ]

    def _listed(self, name):
        return [escaping.fields(line) for line in (self.workdir / name).read_text().splitlines()]

    def test_the_lists_are_parts_of_each_class_without_copies_elsewhere(self):
        test, validation = self._listed("test_images.txt"), self._listed("validation_images.txt")
        everything = {
            path.relative_to(self.photos).as_posix(): path.read_bytes()
            for path in self.photos.rglob("*.*")
        }
        sides = {name: "test" for name, _ in test} | {name: "validation" for name, _ in validation}
        self.assertLen(sides, len(test) + len(validation))
        by_content = {}
        for name, content in everything.items():
            by_content.setdefault(content, set()).add(sides.get(name, "train"))
        self.assertTrue(all(len(each) == 1 for each in by_content.values()))
        self.assertLess(len(by_content), len(everything))
        for name, class_name in test + validation:
            self.assertEqual(name.partition("/")[0], class_name)
        self.assertEqual({each for _, each in test}, {"animals", "rest", "things"})
        self.assertBetween(len(test) / len(everything), 0.18, 0.22)
        self.assertEqual(
            (self.result["data"]["num_train"], self.result["data"]["num_validation"]),
            (len(everything) - len(sides), len(validation)),
        )

    def test_it_says_what_it_read_what_it_plans_and_when_it_ends(self):
        numbers = self.result["data"]
        self.assertRegex(
            self.done.stdout,
            rf"read {numbers['num_train']} training images, {numbers['num_validation']} validation "
            rf"images and {numbers['num_test']} test images of 3 classes, .*; test_share=0.2 of the "
            r"images of each class, \d+ of 73, are the test set; 1 image is in more than one class, "
            r"such as 'animals/\d+.JPEG' and 'things/copy of an animal.jpg'",
        )
        self.assertRegex(
            self.done.stdout,
            rf"(?m)^plan: {numbers['num_train']} training, {numbers['num_test']} test, "
            rf"{numbers['num_validation']} validation images; 4 steps of 16 images an epoch, 3 epochs\n"
            r"student resnet8: 77,587 parameters, 3\.1 million multiply-adds per image\n"
            r"student wrn_10_1: 77,395 parameters, 3\.1 million multiply-adds per image$",
        )
        self.assertRegex(
            self.done.stdout,
            r"(?m)^an epoch takes .*: this run will end at about .*\d\d:\d\d, in .* (s|min)$",
        )
        self.assertEqual(self.done.stdout.count("this run will end"), 1)

    def test_the_exported_epoch_is_the_best_on_the_validation_set(self):
        accuracies = [record["validation_wrn_10_1_accuracy"] for record in self.log]
        best = int(np.argmax(accuracies)) + 1
        self.assertEqual((self.result["exported_epoch"], self.result["epochs"]), (best, 3))
        count = self.result["data"]["num_validation"]
        told = f"the epoch with the best accuracy of wrn_10_1 on {count} validation images"
        self.assertIn(f"exported: epoch {best} of 3, {told}\n", self.done.stdout)
        for name, student in self.result["students"].items():
            record = self.log[best - 1]
            self.assertEqual(student["accuracy"], record[f"test_{name}_accuracy"])
            self.assertEqual(student["balanced_accuracy"], record[f"test_{name}_balanced_accuracy"])
            self.assertNotIn("top_5_accuracy", student)
            _, card = serving.load_student(self.workdir / student["saved_model"])
            self.assertEqual((card["epoch"], card["kept"]), (best, told))
            self.assertEqual(card["test_accuracy"], student["accuracy"])
        self.assertNotIn("top-5", self.done.stdout)
        self.assertIn(", balanced ", self.done.stdout)

    def test_the_exported_students_have_the_accuracies_that_are_reported(self):
        dataset = data.load(
            f"folder:{self.photos}",
            test_share=0.2,
            validation_share=0.15,
            image_size=16,
            distortion="resized_crop",
        )
        best = self.log[self.result["exported_epoch"] - 1]
        for name, student in self.result["students"].items():
            predict, _ = serving.load_student(self.workdir / student["saved_model"])
            for split in ("test", "validation"):
                ((images, labels),) = getattr(dataset, split).pixels(1000)
                right = predict(images)["logits"].numpy().argmax(1) == labels
                self.assertAllClose(right.mean(), best[f"{split}_{name}_accuracy"])
                recalls = [right[labels == label].mean() for label in np.unique(labels)]
                self.assertAllClose(np.mean(recalls), best[f"{split}_{name}_balanced_accuracy"])

    def test_kdcl_export_exports_the_same_epoch(self):
        output = pathlib.Path(self.create_tempdir().full_path)
        done = in_process.run("export", f"--workdir={self.workdir}", f"--output={output}")
        self.assertEqual(done.returncode, 0, done.stderr)
        images = np.random.default_rng(0).integers(0, 256, [5, 16, 16, 3]).astype(np.uint8)
        for name, student in self.result["students"].items():
            predict, card = serving.load_student(output / name)
            wanted, _ = serving.load_student(self.workdir / student["saved_model"])
            self.assertAllEqual(predict(images)["logits"], wanted(images)["logits"])
            self.assertEqual(card["epoch"], self.result["exported_epoch"])
        self.assertIn(f"epoch {self.result['exported_epoch']}, the best of wrn_10_1", done.stderr)

    def test_kdcl_export_finds_the_data_where_it_was_moved_to(self):
        moved = self.photos.with_name("moved")
        self.photos.rename(moved)
        self.addCleanup(moved.rename, self.photos)
        output = pathlib.Path(self.create_tempdir().full_path)
        command = (f"--workdir={self.workdir}", f"--output={output}", "--format=litert")
        lost = in_process.run("export", *command)
        self.assertEqual(lost.returncode, 1)
        self.assertRegex(lost.stderr, "the data of the run, is not found: .*; .* pass --dataset or")
        done = in_process.run("export", *command, f"--dataset=folder:{moved}")
        self.assertEqual(done.returncode, 0, done.stderr)
        (file,) = output.glob("wrn_10_1*.tflite")
        _, card = runtimes.load_file(file)
        measured = card["measured"]["litert"]
        self.assertEqual(measured["images"], self.result["data"]["num_test"])
        accuracy = self.result["students"]["wrn_10_1"]["accuracy"]
        self.assertAllClose(measured["top_1"], accuracy, atol=1e-6)
        (moved / "animals" / "0.JPEG").rename(moved / "away")
        self.addCleanup((moved / "away").rename, moved / "animals" / "0.JPEG")
        other = in_process.run("export", *command, f"--dataset=folder:{moved}")
        self.assertRegex(other.stderr, "is not what the run was trained with: ")

    def _scores(self, *arguments):
        output = pathlib.Path(self.create_tempdir().full_path) / "scores.json"
        done = _evaluate(*arguments, f"--output={output}")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(output.read_text()), done

    def test_the_run_is_evaluated_on_the_same_test_images_wherever_they_lie(self):
        count = self.result["data"]["num_test"]
        scores, done = self._scores(f"--workdir={self.workdir}")
        self.assertIn("test_share=0.2 of the images of each class", done.stderr)
        self.assertRegex(done.stdout, r"^student +top-1  balanced     NLL")
        moved = self._moved()
        again, _ = self._scores(f"--workdir={self.workdir}", f"--dataset=folder:{moved}")
        self.assertEqual(again, scores)
        for name, student in self.result["students"].items():
            self.assertEqual(scores[name]["examples"], count)
            self.assertAllClose(scores[name]["top_1"], student["accuracy"])
            self.assertAllClose(scores[name]["balanced_accuracy"], student["balanced_accuracy"])
        count = self.result["data"]["num_validation"]
        scores, _ = self._scores(f"--workdir={self.workdir}", "--split=validation")
        self.assertEqual(scores["resnet8"]["examples"], count)

    def _moved(self):
        moved = pathlib.Path(self.create_tempdir().full_path) / "moved"
        shutil.copytree(self.photos, moved)
        return moved

    def test_other_images_are_evaluated_as_a_whole(self):
        moved = self._moved()
        test = moved / "test"
        test.mkdir()
        for name in ("animals", "rest"):
            (moved / name).rename(test / name)
        shutil.rmtree(moved / "things")
        student = f"--model={self.workdir / 'students' / 'resnet8'}"
        alone, _ = self._scores(student, f"--dataset=folder:{moved}")
        whole, done = self._scores(student, f"--dataset=folder:{test}")
        self.assertEqual(alone, whole)
        self.assertEqual(alone["resnet8"]["examples"], len(list(test.rglob("*.JPEG"))))
        warning = "resnet8 was trained on such a folder, split by test_share=0.2: if some of these"
        self.assertIn(f"the test images are those of '{test}'; {warning}", done.stderr)

    def test_confusions(self):
        output = pathlib.Path(self.create_tempdir().full_path) / "found.json"
        student = f"--model={self.workdir / 'students' / 'resnet8'}"
        done = _evaluate("--analysis=confusion", student, "--mistakes=4", f"--output={output}")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(output.read_text())["numbers"]["resnet8"]
        self.assertEqual(found["classes"], ["animals", "rest", "things"])
        matrix, count = np.array(found["matrix"]), self.result["data"]["num_test"]
        self.assertEqual(matrix.sum(), count)
        accuracy = self.result["students"]["resnet8"]["accuracy"]
        self.assertAllClose(np.trace(matrix) / count, accuracy)
        with open(output.with_suffix(".csv"), newline="", encoding="utf-8") as file:
            _, *rows = csv.reader(file)
        self.assertAllEqual([[int(each) for each in row[1:]] for row in rows], matrix)
        listed = dict(self._listed("test_images.txt"))
        self.assertLen(found["mistakes"], 4)
        for mistake in found["mistakes"]:
            self.assertEqual(listed[mistake["image"]], mistake["class"])
            self.assertGreater(mistake["probability"], mistake["probability_of_class"])
            self.assertIn(mistake["image"], output.with_suffix(".html").read_text())
        self.assertEqual(output.with_suffix(".html").read_text().count("<img"), 4)
        self.assertGreater(output.with_suffix(".png").stat().st_size, 5_000)

    def test_the_flagfile_is_one_of_photographs(self):
        values = flags.FlagValues()
        classification_flags.define_flags(values)
        values(["kdcl-train", f"--flagfile={_FLAGFILE}", "--dataset=folder:photos"])
        settings = classification_flags.settings_from_flags(values)
        self.assertEqual(settings.students, ("mobilenet_v2", "resnet18"))
        self.assertEqual((settings.image_size, settings.epochs, settings.batch_size), (224, 30, 32))


class RefusedTest(tf.test.TestCase):
    """What is refused in one line, before anything is written."""

    def _refused(self, *arguments, door="train"):
        workdir = pathlib.Path(self.create_tempdir().full_path) / "run"
        where = [f"--workdir={workdir}"] if door == "train" else []
        done = in_process.run(
            door, *where, "--image_size=8" if door == "train" else "--images=1", *arguments
        )
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertFalse(workdir.exists())
        return done.stderr

    def test_wrong_shares_and_folders(self):
        photos = f"--dataset=folder:{_RUN['photos']}"
        self.assertIn("pass --test_share=0.2", self._refused(photos))
        recipe = "--flagfile=kdcl:photographs/finetune"
        self.assertIn("expected a folder of images; got 'photos'", self._refused(recipe))
        self.assertIn(
            "above 0 and below 1, such as 0.2; got 1.0", self._refused(photos, "--test_share=1")
        )
        self.assertIn("got -0.1", self._refused(photos, "--validation_share=-0.1"))
        self.assertIn("expected a data set folder:PATH", self._refused("--test_share=0.2"))
        self.assertIn(
            "--keep=best chooses an epoch on a validation set; got none",
            self._refused(photos, "--test_share=0.2", "--keep=best", "--keep_by=resnet8"),
        )
        inside = _RUN["photos"] / "run"
        self.assertIn(
            "outside the data set's folder",
            self._refused(photos, "--test_share=0.2", f"--workdir={inside}"),
        )
        self.assertFalse(inside.exists())
        self.assertIn(f"pass folder:{_RUN['photos']}", self._refused(f"--dataset={_RUN['photos']}"))

    def test_a_run_without_a_validation_set_has_none_to_evaluate(self):
        student = f"--model={_RUN['workdir'] / 'students' / 'resnet8'}"
        other = _RUN["photos"].parent / "other" / "test"
        (other / "animals").mkdir(parents=True)
        shutil.copy(_RUN["photos"] / _COPIES[0], other / "animals")
        dataset = f"--dataset=folder:{other.parent}"
        self.assertIn(
            "a validation set; got",
            self._refused(student, dataset, "--split=validation", door="evaluate"),
        )
        self.assertIn(
            "expected train/ in it",
            self._refused(student, dataset, "--split=train", door="evaluate"),
        )


if __name__ == "__main__":
    tf.test.main()
