"""Tests of kdcl_tf.serving.weight_sources."""

import contextlib
import io
import json
import pathlib
import zipfile

import numpy as np
from absl.testing import absltest, parameterized
from safetensors.numpy import save_file

from kdcl_tf import serving
from kdcl_tf.data.normalization import IMAGENET, MODES, Normalization
from kdcl_tf.files import identity
from kdcl_tf.serving import weight_sources
from kdcl_tf.serving.weight_sources import kept_head, weight_source

_OWN = Normalization((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "BGR")


def _facts(architecture):
    return {
        "student": architecture,
        "architecture": architecture,
        "image_shape": [8, 8, 3],
        "class_names": ["ant", "bee"],
        **_OWN.as_card(),
    }


class WeightSourceTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _exported(self, name, architecture="resnet8", **more):
        """A folder that looks like an exported student; nothing here loads it."""
        path = self.folder / name
        path.mkdir(parents=True)
        (path / "saved_model.pb").write_bytes(b"a model")
        facts = {**_facts(architecture), "format": 3, "checksums": identity.checksums(path), **more}
        (path / "student.json").write_text(json.dumps(identity.sealed(facts)))
        return path

    def _safetensors(self):
        save_file({"conv1.weight": np.zeros(3)}, self.folder / "a.safetensors")
        return self.folder / "a.safetensors"

    def test_a_card_tells_everything(self):
        path = self._exported("mine")
        for architecture in ("resnet8", ""):
            source = weight_source(path, architecture)
            self.assertEqual(source.kind, "saved_model")
            self.assertEqual(source.architecture, "resnet8")
            self.assertEqual(source.normalization, _OWN)
            self.assertEqual(source.class_names, ("ant", "bee"))
            self.assertEqual(source.size, (8, 8))

    def test_files_of_torchvision_have_imagenets_constants_unless_told_otherwise(self):
        path = self._safetensors()
        self.assertEqual(weight_source(path, "resnet18").normalization, IMAGENET)
        self.assertEqual(weight_source(path, "resnet18", "tf").normalization, MODES["tf"])
        self.assertIsNone(weight_source(path, "resnet18", "data").normalization)
        self.assertIsNone(weight_source(path, "resnet18").class_names)

    @parameterized.parameters(
        ("MobileNetV2", "tf"), ("ResNet50", "caffe"), ("DenseNet121", "torch")
    )
    def test_keras_weights_have_keras_modes(self, classifier, mode):
        source = weight_source("imagenet", f"keras:{classifier}")
        self.assertEqual(source.normalization, MODES[mode])
        self.assertIsNone(source.path)

    def test_json_that_is_no_card_tells_nothing(self):
        path = self.folder / "m.keras"
        with zipfile.ZipFile(path, "w"):
            pass
        for other in ({"mean": [0.5, 0.5, 0.5]}, {"accuracy": 0.9}):
            (self.folder / "m.json").write_text(json.dumps(other))
            with contextlib.redirect_stderr(io.StringIO()) as told:
                source = weight_source(path, "resnet8")
            self.assertIsNone(source.normalization)
            self.assertNotIn("older version", told.getvalue())

    def test_a_run_gives_its_only_student_or_that_of_the_architecture(self):
        first = self._exported("run/students/first")
        self.assertEqual(weight_source(self.folder / "run", "resnet8").path, first)
        second = self._exported("run/students/second", "wrn_10_1")
        self.assertEqual(weight_source(self.folder / "run", "wrn_10_1").path, second)
        with self.assertRaisesRegex(
            ValueError, f"with 2 students: choose one of {first}, {second}"
        ):
            weight_source(self.folder / "run")
        with self.assertRaisesRegex(ValueError, f"a run with no resnet14: choose one of {first}"):
            weight_source(self.folder / "run", "resnet14")

    def test_one_network_may_have_several_names(self):
        path = self._exported("run/students/first", "mobilenet_v2")
        self._exported("run/students/second", "mobilenet_v2_0.5")
        self.assertEqual(weight_source(path, "mobilenet_v2_1.0").architecture, "mobilenet_v2_1.0")
        self.assertEqual(weight_source(self.folder / "run", "mobilenet_v2_1.0").path, path)
        with self.assertRaisesRegex(ValueError, "no mobilenet_v2_0.5: .* it is a mobilenet_v2$"):
            weight_source(path, "mobilenet_v2_0.5")

    def test_a_run_that_has_exported_nothing(self):
        (self.folder / "run" / "checkpoints").mkdir(parents=True)
        with self.assertRaisesRegex(ValueError, "has exported none yet: kdcl-export does"):
            weight_source(self.folder / "run", "resnet8")

    def test_of_a_folder_of_exports_one_is_named(self):
        with self.assertRaisesRegex(ValueError, f"got {self.folder}, a folder that is no run$"):
            weight_source(self.folder, "resnet8")
        for path in (self._safetensors(), self._exported("exports/a")):
            message = f"; got {path.parent}; it is a folder of exports: pass .* such as {path}$"
            with self.assertRaisesRegex(ValueError, message):
                weight_source(path.parent, "resnet8")

    def test_what_is_damaged_or_does_not_fit_is_refused(self):
        path = self._exported("mine")
        with self.assertRaisesRegex(
            ValueError, "is no resnet14: its card says that it is a resnet8"
        ):
            weight_source(path, "resnet14")
        with self.assertRaisesRegex(ValueError, "normalisation tf: .*, which does: leave it out"):
            weight_source(path, "resnet8", "tf")
        (path / "saved_model.pb").write_bytes(b"another")
        with self.assertRaisesRegex(
            ValueError, "is damaged: saved_model.pb is not what was written"
        ):
            weight_source(path, "resnet8")

    def test_an_ensemble_is_refused(self):
        path = self._exported("ensemble", members={"resnet8": {}, "resnet8_2": {}})
        with self.assertRaisesRegex(
            ValueError, "got an ensemble of resnet8, resnet8_2: name the folder of one of them$"
        ):
            weight_source(path, "resnet8")

    @parameterized.parameters(
        (None, True, "they are taken to be the data's 2"),
        (("ant", "bee"), True, "of the same classes"),
        (("bee", "ant"), False, "its classes have another order"),
        (("ant", "cat"), False, "its classes are others, such as 'cat'"),
        (("ant", "bee", "cat"), False, "the source has 3 classes, the data 2"),
    )
    def test_a_head_is_kept_for_the_same_classes(self, names, keeps, reason):
        source = weight_sources.WeightSource("keras", None, "resnet8", class_names=names)
        found = kept_head(source, ("ant", "bee"))
        self.assertEqual(found[0], keeps)
        self.assertIn(reason, found[1])

    def test_it_is_a_public_name(self):
        self.assertIs(serving.weight_source, weight_source)


if __name__ == "__main__":
    absltest.main()
