"""Tests of kdcl_tf.serving.exported."""

import contextlib
import io
import json
import pathlib
import shutil

import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.files import identity
from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving import exported, teachers, weight_sources


class _Doubler(tf.Module):
    def __init__(self):
        super().__init__()
        self.factor = tf.Variable(tf.fill([64], 2.0))

    @tf.function(input_signature=[tf.TensorSpec([64], tf.float32)])
    def double(self, numbers):
        return self.factor * numbers


class ExportedTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _student(self, *parts):
        path = self.folder.joinpath(*parts)
        path.mkdir(parents=True)
        (path / "saved_model.pb").touch()
        return path

    def test_students_of_a_run_are_found_by_name(self):
        second, first = (self._student("run", "students", name) for name in ("b", "a"))
        self._student("run", "students", ".partial-0123abcd-c")
        (self.folder / "run" / "students" / "notes").mkdir()
        self.assertEqual(exported.students_of(self.folder / "run"), [first, second])
        self.assertEqual(exported.find_students(self.folder / "run"), [first, second])
        self.assertEqual(exported.find_students(str(first)), [first])
        self.assertEqual(exported.students_of(first), [])
        self.assertEqual(exported.find_students(self.folder / "absent"), [])

    def test_an_ensemble_is_no_student_whose_weights_could_be_taken(self):
        student = self._student("run", "students", "resnet8")
        ensemble = self._student("run", "students", "ensemble")
        (ensemble / "student.json").write_text('{"student": "ensemble", "members": {"a": {}}}')
        run = self.folder / "run"
        self.assertEqual(exported.students_of(run), [ensemble, student])
        self.assertEqual(exported.students_of(run, ensembles=False), [student])
        self.assertEqual(exported.find_students(run, ensembles=False), [student])
        self.assertEqual(exported.find_students(ensemble, ensembles=False), [ensemble])
        for find in (teachers.find, weight_sources.student_of):
            self.assertEqual(find(run), student)

    def test_one_that_a_killed_process_put_aside_is_found(self):
        path = self._student("students", "a")
        aside = path.with_name(".aside-0123abcd-a")
        path.rename(aside)
        self.assertTrue(exported.holds_model(path))
        path.rename(aside)
        self.assertEqual(exported.students_of(self.folder), [path])

    def test_one_whose_model_is_missing_is_found_and_refused(self):
        path = self._student("run", "students", "a")
        (path / "saved_model.pb").rename(path / "student.json")
        self.assertEqual(exported.students_of(self.folder / "run"), [path])
        self.assertEqual(exported.find_students(path), [path])
        with self.assertRaisesRegex(DamageError, f"^{path}/saved_model.pb is missing; export it"):
            exported.load(path)

    def test_files_are_compared_with_the_checksums(self):
        path = self._student("a")
        facts = {"checksums": identity.checksums(path)}
        exported.check(path, facts)
        (path / "saved_model.pb").write_text("x")
        message = f"^{path} is damaged: saved_model.pb is not what was written; export it again$"
        with self.assertRaisesRegex(DamageError, message):
            exported.check(path, facts)
        (path / "saved_model.pb").unlink()
        with self.assertRaisesRegex(DamageError, "damaged: saved_model.pb cannot be read"):
            exported.check(path, facts)

    def test_a_readme_is_for_people_who_may_add_to_it(self):
        path = self._student("a")
        (path / "README.md").write_text("# a")
        (path / "class_names.txt").write_text("cat")
        facts = {"checksums": identity.checksums(path)}
        (path / "README.md").write_text("# a\r\nof mine")
        exported.check(path, facts)
        (path / "README.md").unlink()
        exported.check(path, facts)
        (path / "class_names.txt").write_text("dog")
        with self.assertRaisesRegex(DamageError, "class_names.txt is not what was written"):
            exported.check(path, facts)

    def test_what_people_add_to_a_readme_does_not_change_the_digest(self):
        path = self._student("a")
        (path / "README.md").write_text("# a")
        before = exported.digest(path)
        facts = {"student": "a", "num_classes": 2, "checksums": identity.checksums(path)}
        (path / "student.json").write_text(json.dumps(identity.sealed(facts)))
        whole = exported.digest(path)
        self.assertNotEqual(whole, before)
        self.assertEqual(whole, identity.digest_of(identity.checksums(path)))
        (path / "README.md").write_text("# a, of mine")
        self.assertEqual(exported.digest(path), whole)
        (path / "README.md").unlink()
        self.assertEqual(exported.digest(path), whole)

    def test_files_beside_a_model_do_not_count_but_in_a_digest_of_before(self):
        path = self._student("a")
        facts = {"student": "a", "num_classes": 2, "checksums": identity.checksums(path)}
        (path / "student.json").write_text(json.dumps(identity.sealed(facts)))
        alone = exported.digest(path)
        (path / "photograph.jpg").write_bytes(b"mine")
        self.assertEqual(exported.digest(path), alone)
        # Earlier versions counted it, and a run that they began goes on.
        of_all = identity.digest_of(identity.checksums(path))
        self.assertEqual(exported.digest(path, of_all), of_all)
        self.assertEqual(exported.digest(path, alone), alone)
        self.assertEqual(exported.digest(path, "of another"), alone)

    def test_a_file_that_its_card_is_not_of_is_refused(self):
        for name in ("a.keras", "a.weights.h5"):
            (self.folder / name).write_text(name)
        both = {"checksums": identity.checksums(self.folder)}
        one = {"checksums": identity.checksums_of([self.folder / "a.weights.h5"])}
        for name in ("a.keras", "a.weights.h5"):
            exported.check(self.folder / name, both)
        exported.check(self.folder / "a.weights.h5", one)
        (self.folder / "a.keras").rename(self.folder / "b.keras")
        # Renamed, perhaps together with its card.
        exported.check(self.folder / "b.keras", both)
        (self.folder / "c.keras").write_text("another")
        for name, facts in (("a.keras", one), ("b.keras", one), ("c.keras", both)):
            with self.assertRaisesRegex(
                DamageError,
                f"^{self.folder}/{name} is no file of the card beside it, which is of a",
            ):
                exported.check(self.folder / name, facts)

    def test_runs_in_a_folder_are_named(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        self.assertEqual(exported.runs_in(folder), "")
        for name in ("seed1", "seed0"):
            (folder / "cohort" / name).mkdir(parents=True)
        for place in (folder, folder / "cohort"):
            told = (
                f"; it is a folder of runs: pass one of them, such as {folder / 'cohort' / 'seed0'}"
            )
            self.assertEqual(exported.runs_in(place), told)

    def test_the_run_of_its_folder_of_students_is_named(self):
        run = pathlib.Path(self.create_tempdir().full_path) / "run"
        (run / "students" / "a").mkdir(parents=True)
        self.assertEqual(exported.runs_in(run / "students"), "")
        (run / "students" / "a" / "saved_model.pb").touch()
        told = f"; it has the students of a run: pass the run, {run}"
        self.assertEqual(exported.runs_in(run / "students"), told)
        # Where an export may be passed, too, one is named.
        self.assertIn("pass one of them, such as", exported.named_in(run / "students"))

    def test_exports_in_a_folder_are_named(self):
        self.assertEqual(exported.named_in(self.folder / "absent", (".onnx",)), "")
        for name in ("a.onnx", "b.tflite", ".partial-0123abcd-a.keras", "photograph.jpg"):
            (self.folder / name).touch()
        (self._student("detector") / "detector.json").touch()
        self.assertEqual(exported.named_in(self.folder), "")
        self.assertEqual(exported.named_in(self.folder, (".keras",)), "")

        def told(name):
            return f"; it is a folder of exports: pass one of them, such as {self.folder / name}"

        self.assertEqual(exported.named_in(self.folder, (".tflite", ".onnx")), told("a.onnx"))
        ensemble = self._student("ensemble")
        (ensemble / "student.json").write_text('{"student": "ensemble", "members": {"a": {}}}')
        self.assertEqual(exported.named_in(self.folder, ensembles=False), "")
        self.assertEqual(exported.named_in(self.folder), told("ensemble"))
        self._student("resnet8")
        # A folder before a file, as it is what a run has.
        for endings in ((), (".onnx",)):
            self.assertEqual(
                exported.named_in(self.folder, endings, ensembles=False), told("resnet8")
            )
        (self.folder / "seed0").mkdir()
        self.assertEqual(exported.named_in(self.folder), exported.runs_in(self.folder))

    def test_what_has_no_checksums_is_told_of(self):
        path = self._student("a")
        with contextlib.redirect_stderr(io.StringIO()) as told:
            exported.check(path, {"student": "a"})
        self.assertRegex(told.getvalue(), f"^{path} cannot be checked for damage: an older .*\n$")

    def test_what_is_no_model(self):
        (self.folder / "file").touch()
        for name in ("file", "absent", "."):
            self.assertFalse(exported.holds_model(self.folder / name))

    def test_a_model_is_loaded(self):
        tf.saved_model.save(_Doubler(), str(self.folder))
        shutil.copytree(self.folder, self.folder / "a[1]")
        for path in (self.folder, self.folder / "a[1]"):
            doubler = exported.load(path)
            self.assertAllEqual(doubler.double(tf.ones([64])), tf.fill([64], 2.0))

    @parameterized.parameters("saved_model.pb", "variables/variables.data-00000-of-00001")
    def test_a_damaged_model(self, name):
        tf.saved_model.save(_Doubler(), str(self.folder))
        path = self.folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with self.assertRaisesRegex(ValueError, f"^{self.folder} is a SavedModel that cannot be l"):
            exported.load(self.folder)


if __name__ == "__main__":
    tf.test.main()
