"""Tests of kdcl_tf.export, on a run that was stopped in its first epoch."""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import sys
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data, serving, students
from kdcl_tf.classification import inputs
from kdcl_tf.classification.settings import Settings
from kdcl_tf.classification.task import Classification
from kdcl_tf.files import identity
from kdcl_tf.serving import cards, runtimes
from kdcl_tf.serving.formats import checking, litert
from kdcl_tf.students import precision
from kdcl_tf.training import manifests
from kdcl_tf.training.interruption import Interrupted
from kdcl_tf.training.session import Session
from kdcl_tf.training.workdir import Workdir
from tests import class_folder, image_files, in_process

_SETTINGS = Settings(
    students=("resnet8", "wrn_10_1"),
    ensemble="min_logit",
    image_size=8,
    train_per_class=4,
    holdout_per_class=1,
    batch_size=16,
    epochs=2,
    precision="bfloat16",
)


class _StoppingViews(data.Views):
    def epoch(self, epoch, *args):
        os.kill(os.getpid(), signal.SIGTERM)
        return super().epoch(epoch, *args)


def _main(*arguments):
    """What the program prints to `(stdout, stderr)`, and its exit status."""
    done = in_process.run("export", *arguments)
    return done.stdout, done.stderr, done.returncode


class ExportTest(tf.test.TestCase, parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # TensorFlow takes such names for patterns.
        cls.run_folder = class_folder.make(cls) / "run[1]"
        session = Session(Classification(_SETTINGS), Workdir(cls.run_folder))
        session.task.views.__class__ = _StoppingViews
        with contextlib.suppress(Interrupted):
            session.train()
        cls.students, cls.dataset = session.task.model.students, session.task.dataset
        cls.images = cls.dataset.test.images[:6]

    def _export(self, *arguments):
        output = pathlib.Path(self.create_tempdir().full_path) / "new[1]" / "models"
        flag = f"--workdir={self.run_folder}"
        stdout, stderr, status = _main(flag, f"--output={output}", *arguments)
        self.assertEqual((stderr, status), ("", 0))
        listed, table = stdout.split("\n\n")
        paths = [pathlib.Path(line) for line in listed.splitlines()]
        found = {cards.path_of(path) for path in paths if path.is_file()}
        found |= {
            output / f"{path.name.split('.')[0]}.class_names.txt"
            for path in paths
            if path.is_file()
        }
        found |= {output / "README.md"} if found else set()
        self.assertEqual(set(output.iterdir()), {*paths, *found})
        *lines, counted = table.splitlines()[1:]
        self.assertRegex(counted, r"^run on \d+ images$")
        rows = [line.split() for line in lines]
        self.assertEqual([row[0] for row in rows], [path.name for path in paths])
        for row in rows:
            # Size, unit, top-1, agreement, difference and latency.
            self.assertLen(row, 7)
            self.assertEqual(row[4], "100.0%")
        self.rows = rows
        return paths

    def _assert_same(self, logits, student, tolerance=1e-5):
        # Trained in bfloat16, exported in float32.
        student = precision.in_float32(student)
        expected = student(self.dataset.normalization.apply(self.images), training=False)
        self.assertAllClose(logits, expected, rtol=tolerance, atol=tolerance)

    def test_saved_models_equal_the_checkpointed_students(self):
        for path in self._export():
            # It needs no data, so that nobody knows labels.
            self.assertEqual([row[3] for row in self.rows], ["-", "-"])
            predict, card = serving.load_student(path)
            self._assert_same(predict(self.images)["logits"], self.students[path.name])
            self.assertEqual(card["dataset"], "digits")
            self.assertEqual(card["architecture"], path.name)

    def test_keras_files_equal_the_checkpointed_students(self):
        (path,) = self._export("--format=keras", "--student=wrn_10_1")
        self.assertEqual(path.name, "wrn_10_1.keras")
        card = json.loads(path.with_suffix(".json").read_text())
        self.assertEqual((card["architecture"], card["num_classes"]), ("wrn_10_1", 10))
        student = keras.saving.load_model(path)
        logits = student(self.dataset.normalization.apply(self.images))
        self._assert_same(logits, self.students["wrn_10_1"])

    def test_weights_fit_students_that_are_built_again(self):
        (path,) = self._export("--format=weights", "--student=resnet8")
        self.assertEqual(path.name, "resnet8.weights.h5")
        student = students.build("resnet8", 10, (8, 8, 3))
        student.load_weights(path)
        logits = student(self.dataset.normalization.apply(self.images))
        self._assert_same(logits, self.students["resnet8"])

    def test_by_default_it_writes_where_kdcl_evaluate_looks(self):
        stdout, _, _ = _main(f"--workdir={self.run_folder}", "--student=resnet8")
        self.assertStartsWith(stdout, f"{self.run_folder / 'students' / 'resnet8'}\n\nfile ")
        self.assertTrue((self.run_folder / "students" / "resnet8" / "saved_model.pb").exists())

    def test_an_ensemble_for_other_runtimes_is_checked_on_test_images(self):
        litert, onnx = self._export(
            "--format=litert,onnx", "--student=ensemble", "--test_images=40"
        )
        self.assertEqual([litert.name, onnx.name], ["ensemble.float32.tflite", "ensemble.onnx"])
        images, labels = (each[np.linspace(0, 359, 40).astype(int)] for each in
                          (self.dataset.test.images, self.dataset.test.labels))  # fmt: skip
        pixels = self.dataset.normalization.apply(images)
        each = [precision.in_float32(one)(pixels, training=False) for one in self.students.values()]
        expected = np.mean([tf.nn.softmax(one) for one in each], axis=0)
        right = np.mean(expected.argmax(axis=1) == labels)
        for path, row in zip((litert, onnx), self.rows):
            self.assertEqual(row[3], f"{right:.1%}")
            predict, card = runtimes.load_file(path)
            self.assertAllClose(predict(images)["probabilities"], expected, atol=1e-5)
            self.assertEqual(card["identity"]["settings"], _SETTINGS.as_flags())

    def test_one_that_misses_its_bound_is_told_and_the_status_is_1(self):
        output = self.create_tempdir().full_path
        photos = pathlib.Path(self.create_tempdir().full_path)
        for index in range(3):
            image_files.write(
                photos, {f"{index}.png": image_files.encode(image_files.photo(index), "PNG")}
            )
        with mock.patch.object(checking, "LARGEST_DIFFERENCE", -1.0):
            stdout, stderr, status = _main(
                f"--workdir={self.run_folder}", "--student=resnet8", f"--output={output}",
                "--format=litert_float16,onnx", f"--images={photos}", f"--calibration={photos}"
            )  # fmt: skip
            self.assertEqual((stdout, status), ("", 1))
            self.assertIn("expected litert_int8 among --format with --calibration, ", stderr)
            stdout, stderr, status = _main(
                f"--workdir={self.run_folder}", "--student=resnet8", f"--output={output}",
                "--format=litert_float16,onnx", f"--images={photos}"
            )  # fmt: skip
        self.assertEqual(status, 1)
        self.assertRegex(stderr, "^kdcl-export: resnet8.onnx is not written: expected logits .*\n$")
        self.assertStartsWith(stdout, f"{output}/resnet8.float16.tflite\n\nfile ")
        left = {each.name for each in pathlib.Path(output).iterdir()}
        self.assertEqual(
            left,
            {
                "resnet8.float16.tflite",
                "resnet8.float16.tflite.json",
                "resnet8.class_names.txt",
                "README.md",
            },
        )

    def test_one_that_a_converter_refuses_is_told_and_the_others_are_written(self):
        output = pathlib.Path(self.create_tempdir().full_path)
        refusal = ValueError("the LiteRT converter refuses the student in float32: no such thing")
        with mock.patch.object(litert, "convert", side_effect=refusal):
            stdout, stderr, status = _main(
                f"--workdir={self.run_folder}", "--student=resnet8", f"--output={output}",
                "--format=weights,litert,onnx", "--test_images=8",
            )  # fmt: skip
        self.assertEqual(status, 1)
        self.assertEqual(stderr, f"kdcl-export: resnet8.float32.tflite is not written: {refusal}\n")
        self.assertEqual(
            stdout.splitlines()[:3],
            [f"{output}/resnet8.weights.h5", f"{output}/resnet8.onnx", ""],
        )
        readme = (output / "README.md").read_text(encoding="utf-8")
        self.assertIn("`resnet8.onnx`", readme)
        self.assertNotIn("tflite`,", readme)

    def test_without_the_data_it_says_what_to_give(self):
        with mock.patch.object(inputs, "load_dataset", side_effect=FileNotFoundError("gone")):
            _, stderr, status = _main(f"--workdir={self.run_folder}", "--format=litert_int8")
        self.assertEqual(status, 1)
        self.assertRegex(
            stderr,
            "^kdcl-export: digits, the data of the run, is not found: gone; restore it, pass "
            "--dataset or --data_dir, or give other images by --images=FOLDER and --calibration=FOLDER\n$",
        )

    def test_without_the_packages_it_says_how_to_install_them(self):
        with mock.patch.dict(sys.modules, {"tf2onnx": None}):
            _, stderr, status = _main(f"--workdir={self.run_folder}", "--format=all")
        self.assertEqual(status, 1)
        self.assertRegex(stderr, r"expected tf2onnx, .*: run pip install 'kdcl_tf\[export\]'\n$")

    @parameterized.parameters(
        (
            ["--student=resnet20"],
            "expected --student to be one of resnet8, wrn_10_1, ensemble; got resnet20",
        ),
        (["--output=/dev/null/models"], "expected a folder; got /dev/null/models, where a file is"),
        (
            ["--test_images=9"],
            "expected --test_images with --images or a format of LiteRT or ONNX, ",
        ),
        (["--calibration_images=9"], "litert_int8 among --format with --calibration_images, since"),
        (
            ["--dataset=folder:/x"],
            "expected --dataset where the run's own images are read, .*: leave",
        ),
        (
            ["--data_dir=/x"],
            "expected --data_dir where .*; got --format=saved_model: leave out --da",
        ),
        (
            ["--data_dir=/x", "--format=onnx", "--images=."],
            "; got --format=onnx --images: leave out --data_dir",
        ),
        (["--output=/dev/null"], "expected a folder; got /dev/null, where a file is in the way"),
    )
    def test_errors_are_one_line(self, arguments, message):
        _, stderr, status = _main(f"--workdir={self.run_folder}", *arguments)
        self.assertEqual(status, 1)
        self.assertRegex(stderr, message)
        self.assertEqual(stderr.count("\n"), 1)

    def test_a_run_without_a_checkpoint_is_refused(self):
        workdir = Workdir(self.create_tempdir().full_path)
        workdir.record(_SETTINGS)
        _, stderr, status = _main(f"--workdir={workdir.path}")
        self.assertEqual(status, 1)
        self.assertIn("which has no checkpoint", stderr)

    def test_a_run_of_another_version_is_refused(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        for path in (self.run_folder / "checkpoints").iterdir():
            facts = manifests.sealed_facts(path)
            facts["identity"]["settings"]["gone"] = "1"
            copy = folder / "checkpoints" / path.name
            copy.mkdir(parents=True)
            (copy / manifests.NAME).write_text(json.dumps(identity.sealed(facts)))
        _, stderr, status = _main(f"--workdir={folder}")
        self.assertEqual(status, 1)
        self.assertRegex(
            stderr, "to have flags of this version of kdcl-train; got others: Unknown .*'gone'"
        )

    def test_a_run_of_a_detector_is_refused(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "checkpoints" / "step-000000001").mkdir(parents=True)
        found = {"settings": {"detector": "mask", "seed": "0"}, "data": {}}
        facts = {"identity": found, "progress": {}, "card": {}, "variables": []}
        manifests.write(folder / "checkpoints" / "step-000000001", facts)
        _, stderr, status = _main(f"--workdir={folder}")
        self.assertEqual((status, stderr.count("\n")), (1, 1))
        self.assertIn(f"got {folder}, which is a run of kdcl-detect", stderr)

    def test_its_flags_need_not_be_there_and_its_identity_is_in_the_card(self):
        (self.run_folder / "flags.txt").unlink(missing_ok=True)
        output = self.create_tempdir().full_path
        arguments = ("--format=saved_model,keras", f"--output={output}", "--student=resnet8")
        _main(f"--workdir={self.run_folder}", *arguments)
        for name in ("resnet8", "resnet8.keras"):
            card = cards.read(cards.path_of(pathlib.Path(output) / name))
            self.assertEqual(card["identity"]["settings"], _SETTINGS.as_flags())
            self.assertEqual(
                card["identity"]["data"]["classes"], [str(digit) for digit in range(10)]
            )


class CompleteRunTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.run_folder = class_folder.make(cls) / "run"
        settings = {"students": ("resnet8",), "method": "independent", "precision": "float32"}
        Session(
            Classification(dataclasses.replace(_SETTINGS, **settings)),
            Workdir(cls.run_folder),
        ).train()

    def _export(self, *arguments):
        return _main(f"--workdir={self.run_folder}", *arguments)

    @pytest.mark.slow
    def test_an_earlier_epoch_does_not_replace_what_it_exported(self):
        before = json.loads((self.run_folder / "result.json").read_text())
        first, newest = manifests.saved(self.run_folder / "checkpoints")
        values = next(newest.glob("variables.data*"))
        content = bytearray(values.read_bytes())
        content[len(content) // 2] ^= 1
        values.write_bytes(content)
        stdout, stderr, status = self._export()
        self.assertEqual((stdout, status), ("", 1))
        told, refused = stderr.splitlines()
        self.assertIn("it is passed over", told)
        self.assertRegex(refused, "expected a checkpoint of epoch 2, .*; got epoch 1: restore that")
        _, card = serving.load_student(self.run_folder / "students" / "resnet8")
        self.assertEqual(card["epoch"], 2)
        self.assertEqual(card["test_accuracy"], before["students"]["resnet8"]["accuracy"])

        elsewhere = pathlib.Path(self.create_tempdir().full_path)
        logged = Workdir(self.run_folder).log[0]["test_resnet8_accuracy"]
        # The same weights, and what they would be a step later, which nobody has tested.
        for step, accuracy in ((0, logged), (1, None)):
            facts = manifests.sealed_facts(first)
            facts["progress"]["step"] = step
            (first / manifests.NAME).write_text(json.dumps(identity.sealed(facts)))
            _, _, status = self._export(f"--output={elsewhere}")
            self.assertEqual(status, 0)
            card = cards.read(cards.path_of(elsewhere / "resnet8"))
            self.assertEqual((card["epoch"], card.get("test_accuracy")), (1, accuracy))


if __name__ == "__main__":
    tf.test.main()
