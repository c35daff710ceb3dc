"""Tests of kdcl_tf.students.weights.saved_model; tests of whole exports are in reading_test.py."""

import pathlib

import tensorflow as tf

from kdcl_tf.students.weights import saved_model


class _Scorer(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable([1.0, 2.0, 3.0], name="logits/kernel")

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 3], tf.float32, name="images")])
    def score(self, images):
        return {"logits": tf.reduce_mean(images, [1, 2]) * self.kernel}


class SavedModelTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_variables_have_their_paths_whatever_the_folder_is_called(self):
        for name in ("a", "a[1]"):
            path, scorer = self.folder / name, _Scorer()
            tf.saved_model.save(scorer, str(path), {"serving_default": scorer.score})
            found = saved_model.read(path)
            self.assertEqual(found.image_shape, (4, 4, 3))
            self.assertAllEqual(found.arrays["logits/kernel"], [1.0, 2.0, 3.0])

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
