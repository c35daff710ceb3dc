"""Tests of kdcl_tf.detection.model.backbone_source."""

import json
import os
import pathlib
import subprocess
import sys
from unittest import mock

from absl.testing import absltest, parameterized

from kdcl_tf.data.normalization import MODES, Normalization
from kdcl_tf.detection.model import backbone_source
from kdcl_tf.detection.model.backbone_source import BackboneSource
from kdcl_tf.files import identity
from kdcl_tf.serving import cards

_FILES = ("student", "student.keras", "student.weights.h5")
_BASE = {
    "student": "student",
    "image_shape": [8, 8, 3],
    "mean": [0.1, 0.2, 0.3],
    "deviation": [1.0, 2.0, 3.0],
}
_KINDS = {"student": "saved_model", "student.keras": "keras", "student.weights.h5": "weights"}


class BackboneSourceTestCase(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def write(self, name, card=None):
        """A file or folder that looks like a student, with a card."""
        path = self.folder / name
        if path.suffix:
            path.touch()
        else:
            path.mkdir()
            (path / "saved_model.pb").touch()
        card_path = cards.path_of(path)
        if card is not None:
            if not isinstance(card, str):
                sums = identity.checksums_of([path]) if path.suffix else {}
                written = {"format": identity.FORMAT, "checksums": sums}
                card = json.dumps(identity.sealed({**written, **card}))
            card_path.write_text(card)
        return path

    def refused(self, message, *args):
        with self.assertRaisesRegex(ValueError, message) as caught:
            backbone_source.find(*args)
        self.assertNotIn("\n", str(caught.exception))


class RunTest(BackboneSourceTestCase):
    def test_another_student_in_a_runs_folder_is_refused(self):
        run = self.folder
        (run / "students").mkdir()
        card = {"student": "resnet34", "architecture": "resnet34", "num_classes": 2}
        path = self.write("students/resnet18", card)
        self.assertEqual(backbone_source.find(str(run)).architecture, "resnet34")
        (run / "result.json").write_text('{"epochs": 1}')
        self.refused("^backbone=.*resnet18 holds student resnet34: put each", str(run))
        # A folder that is named itself is the user's own choice.
        self.assertEqual(backbone_source.find(str(path)).architecture, "resnet34")

    def test_of_a_folder_of_exports_one_is_named(self):
        (self.folder / "exports").mkdir()
        path = self.write("exports/resnet18", {"architecture": "resnet18"})
        self.refused(
            f"; got none of these; it is a folder of exports: .* such as {path}$", str(path.parent)
        )


class FreshTest(BackboneSourceTestCase):
    @parameterized.parameters("resnet18", "mobilenet_v2_0.5", "resnet20", "keras:ResNet50V2")
    def test_a_name_is_a_student_with_fresh_weights(self, name):
        found = backbone_source.find(name)
        self.assertEqual(found, BackboneSource("fresh", None, name))
        self.assertEqual(found.normalization.mean, (0.485, 0.456, 0.406))

    def test_a_name_is_no_path_whatever_is_called_so_in_the_current_folder(self):
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.folder)
        fresh = BackboneSource("fresh", None, "resnet18")
        pathlib.Path("resnet18").mkdir()
        self.assertEqual(backbone_source.find("resnet18"), fresh)
        self.assertEqual(str(fresh), "resnet18 with random weights")
        pathlib.Path("resnet18").rmdir()
        path = self.write("resnet18", {"student": "resnet18", "num_classes": 10})
        self.assertEqual(backbone_source.find("resnet18"), fresh)
        self.assertEqual(
            str(fresh),
            "resnet18 with random weights; for the student in this folder, pass --backbone=./resnet18",
        )
        self.refused("the name of a student: pass ./resnet18 for the path", "resnet18", "resnet18")
        for text in ("./resnet18", str(path)):
            found = backbone_source.find(text)
            self.assertEqual((found.kind, found.path), ("saved_model", pathlib.Path(text)))
            self.assertStartsWith(str(found), f"resnet18 with the weights of {pathlib.Path(text)};")
        # What is called like no student needs no separator.
        path.rename("mine")
        self.assertEqual(backbone_source.find("mine").kind, "saved_model")
        self.write("resnet18.keras", {"student": "resnet18", "num_classes": 10})
        self.assertEqual(backbone_source.find("resnet18.keras").kind, "keras")

    def test_an_unknown_name_and_an_architecture_without_a_file_are_refused(self):
        self.refused("backbone=resnet17 is neither a path nor a student", "resnet17")
        missing = str(self.folder / "student.keras")
        self.refused(f"backbone={missing} is neither a path nor", missing)
        self.refused(
            "architecture=resnet18: expected a backbone that is a file", missing, "resnet18"
        )


class FileTest(BackboneSourceTestCase):
    @parameterized.parameters(*_FILES)
    def test_a_card_tells(self, name):
        card = {"architecture": "resnet18", "mean": [0.1, 0.2, 0.3], "deviation": [1.0, 2.0, 3.0]}
        path = self.write(name, card)
        ours = Normalization((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
        expected = BackboneSource(_KINDS[name], path, "resnet18", ours)
        for architecture in ("", "resnet18"):
            self.assertEqual(backbone_source.find(str(path), architecture), expected)
        self.refused("architecture=resnet34: expected resnet18, as ", str(path), "resnet34")

    @parameterized.parameters(*_FILES)
    def test_without_a_card_the_flag_tells(self, name):
        path = self.write(name)
        expected = BackboneSource(_KINDS[name], path, "resnet18", is_told=False)
        self.assertEqual(backbone_source.find(str(path), "resnet18"), expected)
        self.assertIn("torchvision's for ImageNet, since no card", str(expected))
        if name == "student.keras":
            self.assertEqual(backbone_source.find(str(path)).architecture, "")
        else:
            self.refused("; got none: pass architecture=NAME", str(path))
        self.refused("unknown student 'resnet17'", str(path), "resnet17")

    @parameterized.parameters(*_FILES)
    def test_without_a_card_a_flag_tells_how_images_are_normalised(self, name):
        path = self.write(name)
        found = backbone_source.find(str(path), "resnet18", "caffe")
        self.assertEqual(found.normalization, MODES["caffe"])
        self.assertNotIn("since no card", str(found))
        self.refused("caffe: .* got resnet18, of which that is known", "resnet18", "", "caffe")

    @parameterized.parameters("student.keras", "student.weights.h5")
    def test_json_that_is_no_card_tells_nothing(self, name):
        path = self.write(name, json.dumps({"mean": [0.5, 0.5, 0.5], "architecture": "resnet34"}))
        found = backbone_source.find(str(path), "resnet18")
        self.assertEqual(found, BackboneSource(_KINDS[name], path, "resnet18", is_told=False))

    @parameterized.parameters(
        ("resnet18", "resnet18"),
        ("resnet18_2", "resnet18"),
        ("wrn_16_2", "wrn_16_2"),
        ("wrn_16_2_3", "wrn_16_2"),
        ("mobilenet_v2_0.5", "mobilenet_v2_0.5"),
        ("keras_ResNet50V2", "keras:ResNet50V2"),
    )
    def test_else_the_name_of_the_student_tells(self, student, architecture):
        path = self.write("student", {"student": student, "num_classes": 10})
        self.assertEqual(backbone_source.find(str(path)).architecture, architecture)

    def test_a_name_that_misleads_is_overruled(self):
        path = self.write("student", {"student": "mobilenet_v2_2"})
        self.assertEqual(backbone_source.find(str(path)).architecture, "mobilenet_v2_2")
        found = backbone_source.find(str(path), "mobilenet_v2")
        self.assertEqual(found.architecture, "mobilenet_v2")

    def test_one_network_may_have_several_names(self):
        path = self.write("student", {"student": "a", "architecture": "mobilenet_v2"})
        found = backbone_source.find(str(path), "mobilenet_v2_1.0")
        self.assertEqual(found.architecture, "mobilenet_v2_1.0")
        self.refused("expected mobilenet_v2, as ", str(path), "mobilenet_v2_0.5")

    @parameterized.parameters("", "{", "[1, 2]", '"resnet18"')
    def test_a_card_that_is_none_is_refused(self, text):
        path = self.write("student", text)
        self.refused("student.json is not the card of an exported model", str(path), "resnet18")

    def test_a_card_of_other_types_is_refused(self):
        expected = (
            ({"student": "resnet18", "mean": None}, "expected mean to be a list of numbers; got N"),
            (
                {"student": "resnet18", "deviation": ["a"]},
                "deviation to be a list of numbers; got .'a'.",
            ),
            ({"student": 18}, "expected student to be the name of a student; got 18"),
        )
        for number, (facts, message) in enumerate(expected):
            self.refused(message, str(self.write(f"student_{number}", facts)))

    @parameterized.parameters("student", "student.weights.h5")
    def test_weights_for_another_padding_are_refused(self, name):
        path = self.write(name)
        for architecture in ("resnet20", "wrn_16_2", "resnet18"):
            facts = {**_BASE, "architecture": architecture}
            cards.path_of(path).write_text(json.dumps(facts))
            if architecture == "resnet18":
                self.assertEqual(backbone_source.find(str(path)).architecture, "resnet18")
            else:
                message = (
                    f"backbone={path}: expected .*; got a {architecture} that an older version"
                )
                self.refused(message, str(path))

    def test_a_keras_file_has_its_own_padding(self):
        path = self.write("student.keras")
        cards.path_of(path).write_text(json.dumps({**_BASE, "architecture": "resnet20"}))
        self.assertEqual(backbone_source.find(str(path)).architecture, "resnet20")

    def test_damage_is_refused(self):
        path = self.write("student", {"student": "resnet18", "checksums": {"weights": "0" * 64}})
        self.refused(f"{path} is damaged: weights cannot be read", str(path))

    def test_the_home_folder_may_be_abbreviated(self):
        self.write("student", {"student": "resnet20"})
        with mock.patch.dict(os.environ, HOME=str(self.folder)):
            found = backbone_source.find("~/student")
        self.assertEqual(found.path, self.folder / "student")

    def test_a_run_is_refused_with_its_students(self):
        for name in ("resnet18", "wrn_16_2", ".partial-0123abcd-wrn_16_2"):
            (self.folder / "students" / name).mkdir(parents=True)
            (self.folder / "students" / name / "saved_model.pb").touch()
        first, second = (self.folder / "students" / name for name in ("resnet18", "wrn_16_2"))
        self.refused(
            f"expected a student; got a run, whose students are {first}, {second}$",
            str(self.folder),
        )

    def test_a_run_gives_its_only_student_or_that_of_an_architecture(self):
        (self.folder / "students").mkdir()
        first = self.write("students/resnet18", {"student": "resnet18"})
        self.assertEqual(backbone_source.find(str(self.folder)).path, first)
        second = self.write("students/other", {"student": "other", "architecture": "wrn_16_2"})
        self.assertEqual(backbone_source.find(str(self.folder), "wrn_16_2").path, second)
        self.refused("a run with no resnet34: choose one of", str(self.folder), "resnet34")

    def test_keras_own_weights_need_the_name_of_the_classifier(self):
        found = backbone_source.find("imagenet", "keras:ResNet50")
        self.assertEqual((found.kind, found.path), ("imagenet", None))
        self.assertEqual(str(found), "keras:ResNet50 with the weights of Keras for ImageNet")
        self.assertEqual(found.normalization.channels, "BGR")
        self.refused("backbone=imagenet: .*; architecture=NAME says", "imagenet", "resnet18")

    def test_other_files_and_folders_are_refused(self):
        other = self.folder / "student.h5"
        other.touch()
        for path in (other, self.folder):
            self.refused(f"backbone={path}: expected a name such as", str(path))


class ImportTest(absltest.TestCase):
    def test_a_source_is_found_without_tensorflow(self):
        program = (
            "import sys; from kdcl_tf.detection.model import backbone_source; "
            "backbone_source.find('resnet18'); "
            "print({'tensorflow', 'keras', 'keras_cv'} & set(sys.modules))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        self.assertEqual(done.stdout.strip(), "set()", done.stderr)


if __name__ == "__main__":
    absltest.main()
