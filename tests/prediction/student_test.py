"""Tests of kdcl_tf.prediction.student."""

import json
import os
import pathlib

from absl.testing import absltest

from kdcl_tf.files import identity
from kdcl_tf.prediction import student


class FindTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _made(self, *names):
        for name in names:
            (self.folder / "students" / name).mkdir(parents=True)
            (self.folder / "students" / name / "saved_model.pb").touch()

    def test_a_student_and_a_run_of_one(self):
        self._made("small")
        expected = self.folder / "students" / "small"
        for model in (self.folder, expected):
            self.assertEqual(student.find(str(model)), expected)
        self.assertEqual(student.find(str(self.folder), "small"), expected)

    def test_the_current_folder_has_a_name(self):
        self._made("small")
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder / "students" / "small")
        self.assertEqual(student.find(".").name, "small")

    def test_of_a_run_of_several_one_is_chosen_by_name(self):
        self._made("small", "large")
        self.assertEqual(student.find(str(self.folder), "small").name, "small")
        with self.assertRaisesRegex(ValueError, "a run of 2: pass --student=large, or another of"):
            student.find(str(self.folder))
        with self.assertRaisesRegex(ValueError, "--student to be large or small of .*; got tiny"):
            student.find(str(self.folder), "tiny")

    def test_what_lies_in_a_run_and_is_anothers_is_refused(self):
        self._made("small", "large")
        for name, other in (("small", "large"), ("large", "small")):
            facts = {"student": other, "num_classes": 2, "checksums": {}}
            path = self.folder / "students" / name / "student.json"
            path.write_text(json.dumps(identity.sealed(facts)))
        with self.assertRaisesRegex(ValueError, "students/small holds student large: put each"):
            student.find(str(self.folder), "small")
        # A folder of its own may have any name.
        path = self.folder / "students" / "small"
        self.assertEqual(student.find(str(path)), path)

    def test_a_file_of_a_runtime(self):
        path = self.folder / "small.tflite"
        path.touch()
        self.assertEqual(student.find(str(path)), path)
        with self.assertRaisesRegex(ValueError, "--student=small is for a run"):
            student.find(str(path), "small")

    def test_of_a_folder_of_exports_one_is_named(self):
        self._made("small", "large")
        files = self.folder / "files"
        files.mkdir()
        for name in ("a.keras", "a.tflite"):
            (files / name).touch()
        for folder, name in ((self.folder / "students", "large"), (files, "a.tflite")):
            message = f"; got {folder}; it is a folder of exports: pass .* as {folder / name}$"
            with self.assertRaisesRegex(ValueError, message):
                student.find(str(folder))
        (files / "a.tflite").unlink()
        with self.assertRaisesRegex(ValueError, f"; got {files}, which has none .kdcl-export"):
            student.find(str(files))

    def test_what_is_no_student_is_refused(self):
        (self.folder / "small.keras").touch()
        (self.folder / "small.txt").touch()
        for name, message in (
            ("small.keras", "a file for further training: export the student as a SavedModel"),
            ("small.txt", "a folder, or a .tflite or .onnx file; got .*small.txt"),
            ("", "a run with students, .*, which has none .kdcl-export exports"),
            ("nothing", "which is not there"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                student.find(str(self.folder / name))
        with self.assertRaisesRegex(ValueError, "expected --model, .*; got none"):
            student.find(None)


if __name__ == "__main__":
    absltest.main()
