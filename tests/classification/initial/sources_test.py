"""Tests of kdcl_tf.classification.initial.sources: what is said of unusable weights."""

import json
import os
import pathlib

import numpy as np
from absl.testing import absltest
from safetensors.numpy import save_file

from kdcl_tf.classification.initial import sources
from kdcl_tf.classification.settings import Settings
from kdcl_tf.files import identity
from kdcl_tf.serving.weight_sources import WeightSource
from kdcl_tf.training.workdir import Workdir
from tests import in_process

_WRONG = (
    ("resnet18", "text.safetensors", "expected a whole .safetensors file; got "),
    ("resnet18", "cut.safetensors", "expected a whole .safetensors file; got "),
    (
        "resnet18",
        "a.pth",
        "a file of PyTorch: make a .safetensors file of it with tools/convert_weights.py",
    ),
    ("resnet18", "none.keras", "which is not there"),
    ("resnet18", "text.weights.h5", "got no HDF5 file"),
    ("resnet18", "imagenet", "expected imagenet for a student of keras.applications"),
    ("resnet8", "cut.safetensors", "for the student of that network; got "),
)

_WRONG_TEACHERS = (
    ("typo", "/typo: expected an exported student as the teacher"),
    ("a.pth", "/a.pth: expected an exported student (WORKDIR/students/NAME), "),
    ("two", "/two: expected one student as the teacher; got "),
    ("damaged", "/damaged/student.json is not the card of an exported model: "),
)


class SourcesTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        for name in ("text.safetensors", "a.pth", "text.weights.h5"):
            (self.folder / name).write_text("These are no weights.")
        save_file({"conv1.weight": np.ones([8, 8])}, self.folder / "whole.safetensors")
        whole = (self.folder / "whole.safetensors").read_bytes()
        (self.folder / "cut.safetensors").write_bytes(whole[:-8])
        for path in ("two/students/a", "two/students/b", "damaged"):
            student = self.folder / path
            student.mkdir(parents=True)
            (student / "saved_model.pb").touch()
            (student / "student.json").write_text("{")

    def _path(self, name):
        return name if name == "imagenet" else str(self.folder / name)

    def test_each_is_told_in_one_line_before_tensorflow_is_imported(self):
        cases = [
            ["train", [f"--students={student}", f"--initial_weights={student}={self._path(name)}"]]
            for student, name, _ in _WRONG
        ]
        cases += [
            ["train", ["--initial_weights=resnet20=a.keras"]],
            ["train", ["--learning_rate=resnet8=0.1"]],
            ["train", ["--learning_rate=fast"]],
        ]
        taught = ["--students=resnet8", "--method=offline_distillation"]
        cases += [
            ["train", [*taught, f"--teacher={self._path(name)}"]] for name, _ in _WRONG_TEACHERS
        ]
        wanted = [message for _, _, message in _WRONG]
        wanted += [
            "expected --initial_weights for students of the run, resnet8, wrn_10_2; got 'resnet20'",
            "expected --learning_rate for every student, or one number for all; got none for wrn_10_2",
            "learning_rate",
        ]
        wanted += [message for _, message in _WRONG_TEACHERS]
        found, imported = in_process.run_all(cases)
        self.assertNotIn("tensorflow", imported)
        for done, message in zip(found, wanted, strict=True):
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(message, done.stderr)
            self.assertLen(done.stderr.strip().splitlines(), 1, done.stderr)

    def test_another_runs_student_in_a_runs_folder_is_refused(self):
        path = self.folder / "run" / "students" / "resnet8"
        path.mkdir(parents=True)
        facts = {"student": "wrn_10_2", "num_classes": 2, "checksums": {}}
        (path / "student.json").write_text(json.dumps(identity.sealed(facts)))
        source = WeightSource("saved_model", path, "resnet8")
        # Of a folder that is no run, any student may be taken.
        sources.check_place(str(self.folder / "run"), source)
        Workdir(self.folder / "run").write_result({"epochs": 1})
        for text in (str(self.folder / "run"), f"resnet8={self.folder / 'run'}"):
            with self.assertRaisesRegex(ValueError, "resnet8 holds student wrn_10_2: put each"):
                sources.check_place(text, source)
        # A folder that is named itself is the user's own choice.
        sources.check_place(str(path), source)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder / "run")
        relative = WeightSource("saved_model", pathlib.Path("students/resnet8"), "resnet8")
        for text in ("students/resnet8", "resnet8=students/resnet8"):
            sources.check_place(text, relative)

    def test_a_source_is_there_while_its_weights_are(self):
        run = self.folder / "run"
        path = run / "students" / "small"
        facts = {"student": "small", "architecture": "mobilenet_v2", "checksums": {}}

        def write(path, **more):
            path.mkdir(parents=True)
            (path / "student.json").write_text(json.dumps(identity.sealed({**facts, **more})))

        write(path)
        write(run / "students" / "other", architecture="resnet8")
        write(run / "students" / "ensemble", members={"small": {}})
        for source in (run, path):
            self.assertTrue(sources.is_there(str(source), "mobilenet_v2_1.0"))
        # Damage is told where it is read.
        (path / "student.json").write_text("{")
        self.assertTrue(sources.is_there(str(run), "mobilenet_v2"))
        (path / "student.json").unlink()
        for source in (run, path):
            self.assertFalse(sources.is_there(str(source), "mobilenet_v2"))
        self.assertTrue(sources.is_there(str(run), "resnet8"))
        for name in ("other", "ensemble"):
            (run / "students" / name / "student.json").unlink()
        self.assertFalse(sources.is_there(str(run), "resnet8"))
        self.assertFalse(sources.is_there(str(self.folder / "none"), "resnet8"))
        self.assertFalse(sources.is_there("imagenet", "keras:MobileNet"))
        self.assertTrue(sources.is_there(str(self.folder / "text.weights.h5"), "resnet8"))

    def test_a_run_that_has_begun_needs_no_source(self):
        settings = Settings(initial_weights=("resnet8=none.keras",))
        with self.assertRaisesRegex(
            ValueError, "--initial_weights=resnet8=none.keras: .* not there"
        ):
            sources.check(settings, self.folder)
        (self.folder / "checkpoints" / "step-3").mkdir(parents=True)
        sources.check(settings, self.folder)
        # Nor does a comparison that has begun one.
        (self.folder / "compared/cohort/seed0/checkpoints/step-3").mkdir(parents=True)
        sources.check(settings, self.folder / "compared")
        # Nor one that is complete.
        (self.folder / "complete").mkdir()
        (self.folder / "complete/result.json").touch()
        sources.check(settings, self.folder / "complete")


if __name__ == "__main__":
    absltest.main()
