"""Tests of kdcl_tf.serving.keras_files."""

import os
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import serving, students
from kdcl_tf.serving.cards import Card
from kdcl_tf.students import precision
from tests.serving import exported_students


class KerasFilesTest(exported_students.Case, parameterized.TestCase):
    @pytest.mark.slow
    def test_keras_files_give_the_same_models_where_this_package_is_not_installed(self):
        made = {
            "float32": exported_students.student(),
            "half": exported_students.student("mixed_bfloat16", "wrn_10_1"),
            "keras": exported_students.student(name="keras:MobileNetV3Small", size=32),
            "branch": exported_students.branch(),
        }
        folder = self.folder / "models"
        folder.mkdir()
        for name, student in made.items():
            serving.save_keras(student, folder / f"{name}.keras")
            images = np.random.default_rng(3).normal(size=[4, *student.input_shape[1:]])
            np.save(folder / f"{name}.npy", images.astype(np.float32))
        self.assertLen(list(folder.iterdir()), 2 * len(made))
        program = (
            "import sys, numpy as np\n"
            "sys.modules['kdcl_tf'] = None\n"
            "import keras\n"
            "for name in sys.argv[1:]:\n"
            "    student = keras.saving.load_model(f'{name}.keras')\n"
            "    assert student.variable_dtype == student.compute_dtype == 'float32'\n"
            "    np.save(f'{name}.logits.npy', student(np.load(f'{name}.npy')))\n"
        )
        command = [sys.executable, "-I", "-c", program, *made]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name, student in made.items():
            expected = precision.in_float32(student)(np.load(folder / f"{name}.npy"))
            scale = float(tf.reduce_max(tf.abs(expected)))
            self.assertGreater(scale, 0.0)
            logits = np.load(folder / f"{name}.logits.npy")
            self.assertAllClose(logits / scale, expected / scale, rtol=0.0, atol=2e-6)

    def test_the_home_of_the_user_is_found_in_every_path(self):
        student = exported_students.student()
        card = Card.of(student, self.dataset)
        with mock.patch.dict(os.environ, HOME=str(self.folder)):
            written = [
                serving.export_student(student, "~/resnet8", card=card),
                serving.save_keras(student, "~/resnet8.keras"),
                serving.save_weights(student, "~/resnet8.weights.h5"),
            ]
            self.assertEqual(serving.load_student("~/resnet8")[1]["student"], "resnet8")
        names = ["resnet8", "resnet8.keras", "resnet8.weights.h5"]
        self.assertEqual(written, [self.folder / name for name in names])
        self.assertCountEqual([path.name for path in self.folder.iterdir()], names)

    def test_a_weights_file_fits_a_student_of_the_same_name(self):
        student = exported_students.student()
        path = serving.save_weights(student, self.folder / "resnet8.weights.h5")
        again = students.build("resnet8", 10, (8, 8, 3))
        again.load_weights(path)
        for one, two in zip(again.variables, student.variables, strict=True):
            self.assertAllEqual(one, two)
        self.assertEqual([each.name for each in self.folder.iterdir()], ["resnet8.weights.h5"])


if __name__ == "__main__":
    tf.test.main()
