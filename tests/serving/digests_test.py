"""Tests of kdcl_tf.serving.digests."""

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys

import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data, serving, students
from kdcl_tf.files import identity
from kdcl_tf.serving import digests
from kdcl_tf.serving.cards import Card


class DigestsTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _export(self, name, student, **changes):
        card = Card.of(student, data.load("digits", image_size=8), "resnet8")
        card = dataclasses.replace(card, **changes).with_more(milliseconds=len(name))
        return serving.export_student(student, self.folder / name, card=card)

    def test_an_export_made_again_is_the_same_and_of_another_model_is_not(self):
        student = students.build("resnet8", 10, (8, 8, 3))
        first, again = self._export("first", student), self._export("once_more", student)
        self.assertNotEqual(identity.checksums(first), identity.checksums(again))
        known = digests.of_model(first)
        self.assertEqual(digests.of_model(again), known)
        shutil.move(again, self.folder / "moved")
        self.assertEqual(digests.of_model(self.folder / "moved"), known)
        normalization = data.Normalization((0.5,) * 3, (0.25,) * 3)
        other = self._export("other", student, normalization=normalization)
        self.assertNotEqual(digests.of_model(other), known)
        renamed = tuple("abcdefghij")
        self.assertNotEqual(
            digests.of_model(self._export("renamed", student, class_names=renamed)), known
        )
        student.weights[0].assign_add(tf.fill(student.weights[0].shape, 1e-3))
        self.assertNotEqual(digests.of_model(self._export("first", student)), known)

    @parameterized.parameters("a.keras", "a.weights.h5")
    def test_a_file_is_known_under_any_name_and_when_it_is_written_again(self, name):
        student = students.build("resnet8", 10, (8, 8, 3))
        write = serving.save_keras if name == "a.keras" else serving.save_weights
        path = write(student, self.folder / name)
        known = digests.of_model(path)
        again = write(student, self.folder / f"other_{name}")
        self.assertEqual(digests.of_model(again), known)
        # As earlier versions took it, by its name, too.
        before = identity.digest_of(identity.checksums_of([path]))
        self.assertEqual(digests.of_model(path, before), before)
        student.weights[0].assign_add(tf.fill(student.weights[0].shape, 1e-3))
        self.assertNotEqual(digests.of_model(write(student, path)), known)

    def test_one_that_was_cut_short_has_a_digest_of_its_own(self):
        path = serving.save_keras(students.build("resnet8", 10, (8, 8, 3)), self.folder / "a.keras")
        known = digests.of_model(path)
        path.write_bytes(path.read_bytes()[:-40])
        self.assertNotEqual(digests.of_model(path), known)
        path = self._export("cut", students.build("resnet8", 10, (8, 8, 3)))
        known = digests.of_model(path)
        shards = list((path / "variables").glob("variables.data*"))
        shards[0].write_bytes(b"")
        self.assertNotEqual(digests.of_model(path), known)


class FoldersTest(tf.test.TestCase):
    """Of folders without variables, of whose files only names and contents are known."""

    def _student(self, name):
        path = pathlib.Path(self.create_tempdir().full_path) / name
        path.mkdir()
        (path / "saved_model.pb").touch()
        return path

    def test_one_that_is_recorded_is_told_without_tensorflow(self):
        path = self._student("a")
        before = list(digests.versions(path))[-1]
        program = (
            "import sys; from kdcl_tf.serving import digests; "
            f"print(digests.of_model({str(path)!r}, {before!r}), 'tensorflow' in sys.modules)"
        )
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual(told.stdout.split(), [before, "False"])

    def test_what_people_add_to_a_readme_does_not_change_the_digest(self):
        path = self._student("a")
        (path / "README.md").write_text("# a")
        before = digests.of_model(path)
        facts = {"student": "a", "num_classes": 2, "checksums": identity.checksums(path)}
        (path / "student.json").write_text(json.dumps(identity.sealed(facts)))
        whole = digests.of_model(path)
        self.assertNotEqual(whole, before)
        self.assertEqual(whole, identity.digest_of(identity.checksums(path)))
        (path / "README.md").write_text("# a, of mine")
        self.assertEqual(digests.of_model(path), whole)
        (path / "README.md").unlink()
        self.assertEqual(digests.of_model(path), whole)

    def test_files_beside_a_model_do_not_count_but_in_a_digest_of_before(self):
        path = self._student("a")
        facts = {"student": "a", "num_classes": 2, "checksums": identity.checksums(path)}
        (path / "student.json").write_text(json.dumps(identity.sealed(facts)))
        alone = digests.of_model(path)
        (path / "photograph.jpg").write_bytes(b"mine")
        self.assertEqual(digests.of_model(path), alone)
        # Earlier versions counted it, and a run that they began goes on.
        of_all = identity.digest_of(identity.checksums(path))
        self.assertEqual(digests.of_model(path, of_all), of_all)
        self.assertEqual(digests.of_model(path, alone), alone)
        self.assertEqual(digests.of_model(path, "of another"), alone)


if __name__ == "__main__":
    tf.test.main()
