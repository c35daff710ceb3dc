"""Tests of kdcl_tf.serving.teacher_sources."""

import json
import pathlib

from absl.testing import absltest

from kdcl_tf import teachers
from kdcl_tf.files import identity
from kdcl_tf.serving import teacher_sources


class TeacherSourcesTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _export(self, name):
        """A folder that looks like an exported student; nothing here loads it."""
        path = self.folder / "students" / name
        path.mkdir(parents=True)
        (path / "saved_model.pb").write_bytes(b"a model")
        facts = {
            "student": name,
            "image_shape": [8, 8, 3],
            "class_names": ["ant", "bee"],
            "format": 3,
            "checksums": identity.checksums(path),
        }
        (path / "student.json").write_text(json.dumps(identity.sealed(facts)))
        return path

    def test_find_takes_the_student_or_a_run_of_one(self):
        path = self._export("resnet8")
        self.assertEqual(teacher_sources.find(path), path)
        (self.folder / "students" / ".partial-0123abcd-other").mkdir()
        (self.folder / "students" / ".partial-0123abcd-other" / "saved_model.pb").touch()
        self.assertEqual(teacher_sources.find(str(self.folder)), path)
        self.assertEqual(teacher_sources.source_of(self.folder).path, path)
        # As it is documented.
        self.assertIs(teachers.find, teacher_sources.find)

    def test_find_refuses_none_and_several(self):
        with self.assertRaisesRegex(ValueError, "exported student .*nothing, which has none"):
            teacher_sources.find(self.folder / "nothing")
        first, second = self._export("a"), self._export("b")
        with self.assertRaisesRegex(ValueError, f"choose one of {first}, {second}"):
            teacher_sources.find(self.folder)

    def test_of_a_folder_of_exports_one_is_named(self):
        path = self._export("a")
        message = f"; got {path.parent}; it is a folder of exports: pass .* such as {path}$"
        for find in (teacher_sources.find, teacher_sources.source_of):
            with self.assertRaisesRegex(ValueError, message):
                find(path.parent)
        files = self.folder / "files"
        files.mkdir()
        (files / "a.keras").touch()
        with self.assertRaisesRegex(ValueError, f"; got {files}, which has none$"):
            teacher_sources.find(files)
        with self.assertRaisesRegex(ValueError, f"of exports: .* such as {files / 'a.keras'}$"):
            teacher_sources.source_of(files)

    def test_weights_that_do_not_say_whose_they_are_are_refused(self):
        path = self.folder / "a.weights.h5"
        path.write_bytes(b"\x89HDF\r\n\x1a\n")
        with self.assertRaisesRegex(ValueError, "got none: give ARCHITECTURE=FILE"):
            teacher_sources.source_of(path)
        source = teacher_sources.source_of(f"resnet8={path}")
        self.assertEqual((source.path, source.architecture), (path, "resnet8"))


if __name__ == "__main__":
    absltest.main()
