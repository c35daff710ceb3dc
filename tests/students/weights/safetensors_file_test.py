"""Tests of kdcl_tf.students.weights.safetensors_file."""

import pathlib

import ml_dtypes
import numpy as np
from absl.testing import absltest
from safetensors.numpy import save_file

from kdcl_tf.students.weights import safetensors_file


class SafetensorsFileTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "a.safetensors"

    def test_floats_of_any_type_are_float32_and_the_rest_is_as_it_was(self):
        values = np.array([[1.5, -2.0], [0.25, 8.0]])
        kinds = (np.float64, np.float32, np.float16, ml_dtypes.bfloat16)
        arrays = {np.dtype(kind).name: values.astype(kind) for kind in kinds}
        save_file({**arrays, "count": np.array(7)}, self.path)
        found = safetensors_file.arrays(self.path)
        for name in arrays:
            self.assertEqual(found[name].dtype, np.float32)
            np.testing.assert_array_equal(found[name], values)
        self.assertEqual(found["count"], 7)
        self.assertEqual(
            safetensors_file.shapes(self.path), {**dict.fromkeys(arrays, (2, 2)), "count": ()}
        )

    def test_an_empty_file_is_refused(self):
        save_file({}, self.path)
        with self.assertRaisesRegex(
            ValueError, "expected weights in a .safetensors file; got none"
        ):
            safetensors_file.shapes(self.path)


if __name__ == "__main__":
    absltest.main()
