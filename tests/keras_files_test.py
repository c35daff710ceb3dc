"""Tests of `.keras` files in fresh processes: registration, whatever is imported first."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

import kdcl_tf
from kdcl_tf import data, methods, serving, students
from kdcl_tf.training.optimizers import CoupledSGD
from kdcl_tf.training.schedules import LinearWarmup
from tests import class_folder

_PACKAGE = pathlib.Path(kdcl_tf.__file__).parent
_SHAPE = (8, 8, 3)

# Loads each file; what it predicts goes beside it.
_LOADING = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
{imports}
assert {{"keras", "kdcl_tf"}} <= set(sys.modules)
import keras, numpy
for path in sorted(folder.glob("*.keras")):
    model = keras.saving.load_model(path)
    model.run_eagerly = True  # one batch, for which no graph is worth its tracing
    predicted = model.predict(numpy.load(folder / "images.npy"), verbose=0)
    predicted = predicted if isinstance(predicted, dict) else {{"student": predicted}}
    numpy.savez(path.with_suffix(".npz"), **predicted)
assert [each for each in sys.meta_path if "Keras" in type(each).__name__] == []
"""


def _made(name):
    return students.build(name, 10, _SHAPE)


def _students():
    return {"first": _made("resnet8"), "second": _made("wrn_10_1")}


def _cohorts(teacher):
    branches = {"copies": (2,), "num_classes": 10, "input_shape": _SHAPE}
    return {
        "kdcl": methods.KDCL(_students(), ensemble="general"),
        "independent": methods.Independent(_students()),
        "mutual_learning": methods.MutualLearning(_students()),
        "offline_distillation": methods.OfflineDistillation({"only": _made("resnet8")}, teacher),
        "one": methods.ONE(students.build_branches("resnet8", **branches)),
        "clnn": methods.CLNN(students.build_branches("resnet8", **branches)),
    }


@pytest.mark.slow
class KerasFilesTest(tf.test.TestCase, parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = class_folder.make(cls)
        keras.utils.set_random_seed(0)
        images = np.random.default_rng(0).normal(size=(4, *_SHAPE)).astype(np.float32)
        np.save(cls.folder / "images.npy", images)
        dataset = data.load("digits", image_size=8)
        model = _made("resnet8")
        card = serving.Card.of(model, dataset)
        teacher = serving.export_student(model, cls.folder / "teacher", card=card)
        cls.wanted = {}
        for name, cohort in _cohorts(teacher).items():
            schedule = LinearWarmup(keras.optimizers.schedules.CosineDecay(0.1, 10), 2)
            cohort.compile(CoupledSGD(schedule, momentum=0.9))
            cohort.save(cls.folder / f"{name}.keras")
            cls.wanted[name] = cohort.predict(images, verbose=0)
        student = _made("resnet8")
        student.save(cls.folder / "student.keras")
        cls.wanted["student"] = {"student": student.predict(images, verbose=0)}

    @parameterized.parameters(
        "import kdcl_tf, keras",
        "import keras, kdcl_tf",
        "import kdcl_tf; from keras import saving",
        "import tensorflow, kdcl_tf; tensorflow.keras.Model",
        "import kdcl_tf; from tensorflow import keras; keras.Model",
    )
    def test_a_file_loads_whatever_is_imported_first(self, imports):
        program = _LOADING.format(imports=imports)
        command = [sys.executable, "-c", program, str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name, wanted in self.wanted.items():
            found = np.load(self.folder / f"{name}.npz")
            self.assertCountEqual(found, wanted)
            for student in wanted:
                self.assertAllClose(found[student], wanted[student], atol=1e-5)

    def test_threads_that_import_at_once_and_a_look_without_an_import(self):
        program = (
            "import importlib.util, sys, threading, kdcl_tf\n"
            "assert importlib.util.find_spec('keras').origin.endswith('__init__.py')\n"
            "assert 'keras' not in sys.modules\n"
            "importlib.reload(kdcl_tf)\n"
            "def load(): import keras; kdcl_tf.KDCL\n"
            "threads = [threading.Thread(target=load) for _ in range(4)]\n"
            "[each.start() for each in threads]; [each.join() for each in threads]\n"
            "import keras\n"
            "print(keras.saving.get_registered_object('kdcl_tf>KDCL') is kdcl_tf.KDCL)\n"
            "print([each for each in sys.meta_path if 'Keras' in type(each).__name__])\n"
        )
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout, "True\n[]\n", done.stderr)


class RegisteredTest(tf.test.TestCase):
    def test_every_module_that_registers_a_class_is_named(self):
        named = {*kdcl_tf._CLASSES.values(), *kdcl_tf._REGISTERED}
        found = {
            ".".join(path.relative_to(_PACKAGE).with_suffix("").parts)
            for path in _PACKAGE.rglob("*.py")
            if "\n@keras.saving.register_keras_serializable" in path.read_text()
        }
        self.assertNotEmpty(found)
        self.assertEmpty(found - named)
        self.assertEmpty(set(kdcl_tf._REGISTERED) - found)


if __name__ == "__main__":
    tf.test.main()
