"""Tests of kdcl_tf.detection.coco.layouts."""

import os
import pathlib

from absl.testing import absltest, parameterized

from kdcl_tf.detection.coco import layouts
from kdcl_tf.detection.coco.layouts import NamedFiles

# By split: the file of annotations that is taken, and one folder where images may be.
_COCO = {"train": ("annotations/instances_train2017.json", "train2017"),
         "test": ("annotations/instances_val2017.json", "val2017")}  # fmt: skip


class LayoutsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempdir().full_path)

    def write(self, *names):
        for name in names:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).touch()

    @parameterized.parameters(
        (_COCO,),
        ({"train": ("annotations/instances_train2014.json", "train2014"),
          "test": ("annotations/instances_val2014.json", "val2014")},),
        ({"train": ("annotations/instances_train.json", "images/train"),
          "test": ("annotations/instances_val.json", "images/val")},),
        ({"train": ("train/_annotations.coco.json", "train"),
          "test": ("valid/_annotations.coco.json", "valid")},),
        ({"train": ("annotations/instances_Train.json", "images/Train"),
          "test": ("annotations/instances_Validation.json", "images")},),
    )  # fmt: skip
    def test_known_layouts(self, expected):
        self.write(*(annotations for annotations, _ in expected.values()))
        for split, (annotations, folder) in expected.items():
            found = layouts.find(self.root, split)
            self.assertEqual(found.annotations, self.root / annotations)
            self.assertIn(self.root / folder, found.folders)
            self.assertEqual(found.folders[-1], self.root)

    def test_cvat_without_subsets_has_no_validation(self):
        self.write("annotations/instances_default.json")
        found = layouts.find(self.root, "train")
        self.assertEqual(found.annotations.name, "instances_default.json")
        self.assertEqual(found.folders[0], self.root / "images")
        self.assertIsNone(layouts.find_or_none(self.root, "test", NamedFiles()))
        message = (
            r"is laid out as CVAT: expected 'annotations/instances_Validation.json' .*pass "
            "validation_annotations=FILE, or pass evaluate_on=train"
        )
        with self.assertRaisesRegex(FileNotFoundError, message):
            layouts.find(self.root, "test")

    def test_roboflow_is_validated_on_valid_and_else_on_test(self):
        self.write("train/_annotations.coco.json", "test/_annotations.coco.json")
        self.assertEqual(layouts.find(self.root, "test").annotations.parent.name, "test")
        self.write("valid/_annotations.coco.json")
        self.assertEqual(layouts.find(self.root, "test").annotations.parent.name, "valid")

    def test_both_splits_are_of_one_layout(self):
        self.write("annotations/instances_train2017.json", "valid/_annotations.coco.json")
        with self.assertRaisesRegex(FileNotFoundError, "is laid out as COCO 2017"):
            layouts.find(self.root, "test")

    def test_no_layout_names_all(self):
        with self.assertRaisesRegex(FileNotFoundError, "COCO.*Roboflow.*CVAT.*; got none of these"):
            layouts.find(self.root, "train")

    def test_without_a_layout_too_validation_images_need_not_be_there(self):
        named = NamedFiles(train_annotations="a.json")
        with self.assertRaisesRegex(FileNotFoundError, "=FOLDER, or pass evaluate_on=train$"):
            layouts.find(self.root, "test", named)
        with self.assertRaisesRegex(FileNotFoundError, "pass train_images=FOLDER$"):
            layouts.find(self.root, "train")


class NamedFilesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempdir().full_path)

    def test_they_go_before_the_layout_split_by_split(self):
        for annotations, _ in _COCO.values():
            (self.root / annotations).parent.mkdir(exist_ok=True)
            (self.root / annotations).touch()
        (self.root / "mine.json").touch()
        named = NamedFiles(validation_annotations="mine.json", validation_images="photos")
        found = layouts.find(self.root, "test", named)
        self.assertEqual(found.annotations, self.root / "mine.json")
        self.assertEqual(found.folders, (self.root / "photos",))
        train = layouts.find(self.root, "train", named)
        self.assertEqual(train, layouts.find(self.root, "train"))

    def test_images_are_beside_their_annotations_unless_named(self):
        found = layouts.find(self.root, "train", NamedFiles(train_annotations="sub/a.json"))
        self.assertEqual(found.folders, (self.root / "sub",))

    def test_a_path_may_be_from_the_current_folder_or_absolute(self):
        elsewhere = pathlib.Path(self.create_tempdir().full_path)
        (elsewhere / "a.json").touch()
        before = os.getcwd()
        os.chdir(elsewhere)
        self.addCleanup(os.chdir, before)
        for path, expected in (
            ("a.json", "a.json"),
            (str(elsewhere / "a.json"), elsewhere / "a.json"),
        ):
            found = layouts.find(self.root, "train", NamedFiles(train_annotations=path))
            self.assertEqual(found.annotations, pathlib.Path(expected))

    def test_images_without_annotations_are_refused(self):
        self.assertFalse(NamedFiles())
        NamedFiles(train_annotations="a.json").check()
        with self.assertRaisesRegex(
            ValueError, "validation_images=x: expected validation_annotations"
        ):
            NamedFiles(validation_images="x").check()


if __name__ == "__main__":
    absltest.main()
