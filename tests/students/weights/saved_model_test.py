"""Tests of kdcl_tf.students.weights.saved_model; tests of whole exports are in reading_test.py."""

import pathlib

import tensorflow as tf

from kdcl_tf.students.weights import saved_model


class SavedModelTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_another_saved_model_is_refused(self):
        tf.saved_model.save(tf.Module(), str(self.folder))
        with self.assertRaisesRegex(ValueError, "a signature serving_default .* got none"):
            saved_model.read(self.folder)

    def test_a_damaged_one_is_refused_in_one_line(self):
        (self.folder / "saved_model.pb").write_bytes(b"text")
        with self.assertRaisesRegex(
            ValueError, "cannot be loaded, as if it were cut short"
        ) as caught:
            saved_model.read(self.folder)
        self.assertNotIn("\n", str(caught.exception))


if __name__ == "__main__":
    tf.test.main()
