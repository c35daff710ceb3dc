"""Tests of kdcl_tf.detection.coco.folder; of single values, see coco_json_test."""

import json
import os
import pathlib
import unicodedata

import numpy as np
import tensorflow as tf

from kdcl_tf.data import decoding
from kdcl_tf.detection.coco import folder as coco_folder
from kdcl_tf.detection.coco.layouts import NamedFiles
from tests import coco_files


class ReadTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.root = self.create_tempdir().full_path

    def read(self, train=None, val=None, masks=False):
        coco_files.write(self.root, train, val)
        return coco_folder.read(self.root, masks)

    def test_scenes(self):
        dataset = self.read()
        self.assertEqual(dataset.name, f"coco:{self.root}")
        self.assertEqual(dataset.class_names, ("person", "car", "brush"))
        self.assertEqual(dataset.train.category_ids, (1, 3, 90))
        self.assertAllEqual(dataset.train.counts, [3, 0, 1])
        self.assertAllEqual(dataset.train.annotation_ids, [11, 12, 10, 13])
        # Partly outside: cut off at the border, 60 x 40.
        self.assertAllEqual(dataset.train.boxes[1], [50, 30, 60, 38])
        self.assertAllEqual(dataset.test.ids, [101, 102, 103])
        self.assertIsNone(dataset.train.segmentations)
        for index, size in enumerate(dataset.test.sizes):
            image = decoding.rgb(dataset.test.images.read(index))
            self.assertAllEqual(image.shape[:2], size)

    def test_boxes_without_area_are_left_out_and_told(self):
        content = coco_files.instances()
        content = coco_files.changed(content, "annotations", 0, bbox=[9, 9, 0, 3])
        content = coco_files.changed(content, "annotations", 2, bbox=[60, 0, 5, 5])
        dataset = self.read(content)
        self.assertAllEqual(dataset.train.annotation_ids, [11, 10])
        self.assertAllEqual(dataset.train.dropped_ids, [13, 12])
        self.assertEqual(dataset.summary()["train_dropped_boxes"], 2)
        self.assertIn("the first is that of annotation 13", dataset.warnings()[0])

    def test_boxes_of_training_images_are_not_told_of_test_images_that_are_not_there(self):
        content = coco_files.changed(coco_files.instances(), "annotations", 0, bbox=[9, 9, 0, 3])
        coco_files.write(self.root, content)
        os.remove(os.path.join(self.root, "annotations", "instances_val2017.json"))
        dataset = coco_folder.read(self.root, masks=False, needs_test=False)
        self.assertEqual(dataset.warnings(), dataset.train.warnings(f"train of coco:{self.root}"))
        self.assertIn(" 1 boxes are left out", dataset.warnings()[0])
        self.assertEqual(dataset.summary()["train_dropped_boxes"], 1)
        self.assertEqual(dataset.summary()["test_dropped_boxes"], 0)

    def test_where_no_test_images_are_needed_those_that_are_there_are_not_read(self):
        coco_files.write(self.root)
        expected = coco_folder.read(self.root, masks=True).train.digest()
        os.rename(os.path.join(self.root, "val2017"), os.path.join(self.root, "gone"))
        file = pathlib.Path(self.root, "annotations", "instances_val2017.json")
        found = coco_files.instances(101)
        other = [{"id": 2, "name": "bicycle"}]
        for content in (
            found,
            found | {"images": [], "annotations": []},
            found | {"annotations": []},
            found | {"annotations": [{"category_id": []}, 7]},
            found | {"categories": other},
            None,
        ):
            file.write_text(json.dumps(content))
            dataset = coco_folder.read(self.root, masks=True, needs_test=False)
            self.assertEqual(dataset.train.digest(), expected)
            self.assertEmpty(dataset.test)
            self.assertEqual(dataset.test.class_names, ("person", "car", "brush"))

    def test_classes_may_be_spelled_otherwise_in_the_other_file(self):
        spelled = [
            [
                {"id": 1, "name": "person"},
                {"id": 3, "name": unicodedata.normalize(form, "caf\u00e9")},
            ]
            for form in ("NFC", "NFD")
        ]
        dataset = self.read(*map(coco_files.instances, (1, 101), spelled))
        for scenes in (dataset.train, dataset.test):
            self.assertEqual(scenes.class_names, ("person", "caf\u00e9"))

    def test_images_in_folders_of_their_own(self):
        content = coco_files.instances()
        content["images"][0]["file_name"] = "deeper/first.jpg"
        self.assertEqual(self.read(content).train.images.name(0), "deeper/first.jpg")

    def test_masks(self):
        dataset = self.read(masks=True)
        self.assertLen(dataset.train.segmentations, 4)
        self.assertEqual(dataset.train.segmentations[2]["size"], [40, 60])

    def test_of_coco_itself(self):
        dataset = coco_folder.read(coco_files.mini(), masks=True)
        self.assertEqual((len(dataset.train), len(dataset.test)), (80, 79))
        self.assertEqual((len(dataset.train.boxes), len(dataset.test.boxes)), (739, 624))
        self.assertEqual((dataset.train.crowds.sum(), dataset.test.crowds.sum()), (8, 5))
        self.assertEqual(dataset.class_names[::79], ("person", "toothbrush"))
        self.assertEqual(dataset.warnings(), ())
        where = np.flatnonzero(dataset.train.annotation_ids == 441444)[0]
        self.assertAllClose(dataset.train.boxes[where], [120.46, 133.32, 332.77, 631.9])


class ReadSplitTest(tf.test.TestCase):
    def test_the_other_split_need_not_be_there(self):
        root = self.create_tempdir().full_path
        coco_files.write(root)
        os.rename(os.path.join(root, "train2017"), os.path.join(root, "gone"))
        os.remove(os.path.join(root, "annotations", "instances_train2017.json"))
        scenes = coco_folder.read_split(root, "test", masks=True)
        self.assertAllEqual(scenes.ids, [101, 102, 103])
        with self.assertRaisesRegex(FileNotFoundError, "expected '.*instances_train2017.json'"):
            coco_folder.read_split(root, "train", masks=True)


class OtherLayoutsTest(tf.test.TestCase):
    """Real folders as other programs write them."""

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempdir().full_path)
        coco_files.write(self.root / "coco")

    def move(self, *pairs):
        for old, new in pairs:
            (self.root / new).parent.mkdir(parents=True, exist_ok=True)
            os.rename(self.root / "coco" / old, self.root / new)

    def assert_same(self, found, of="train"):
        expected = {"train": [1, 2, 3], "val": [101, 102, 103]}[of]
        self.assertAllEqual(found.ids, expected)
        for index, size in enumerate(found.sizes):
            # Eagerly and in a graph, as training reads them.
            for content in (found.images.read(index), found.images.content(index)):
                self.assertAllEqual(decoding.rgb(tf.constant(content)).shape[:2], size)

    def test_roboflow(self):
        self.move(
            ("train2017", "train"),
            ("val2017", "valid"),
            ("annotations/instances_train2017.json", "train/_annotations.coco.json"),
            ("annotations/instances_val2017.json", "valid/_annotations.coco.json"),
        )
        dataset = coco_folder.read(str(self.root), masks=True)
        self.assert_same(dataset.train)
        self.assert_same(dataset.test, "val")

    def test_cvat_with_validation_images_of_another_folder(self):
        self.move(
            ("annotations/instances_train2017.json", "annotations/instances_default.json"),
            ("train2017", "images"),
        )
        with self.assertRaisesRegex(FileNotFoundError, "CVAT: .*pass validation_annotations=FILE"):
            coco_folder.read(str(self.root), masks=True)
        alone = coco_folder.read(str(self.root), masks=True, needs_test=False)
        self.assert_same(alone.train)
        self.assertEmpty(alone.test)
        self.assertEqual(alone.summary()["num_test"], 0)
        named = NamedFiles(
            validation_annotations="coco/annotations/instances_val2017.json",
            validation_images="coco/val2017",
        )
        dataset = coco_folder.read(str(self.root), masks=True, named=named)
        self.assert_same(dataset.train)
        self.assert_same(dataset.test, "val")
        self.assert_same(coco_folder.read_split(str(self.root), "test", True, named), "val")

    def test_brush_masks_of_cvat(self):
        """It writes them as it writes crowds."""
        content = coco_files.instances()
        coded = {"size": [40, 60], "counts": [600, 400, 1400]}
        brushed = [
            coco_files.annotation(20 + number, 1, (15, 0, 10, 40), crowd=1, segmentation=coded)
            for number in range(7)
        ]
        content["annotations"] = [content["annotations"][1], *brushed]
        coco_files.write(self.root / "coco", content)
        self.move(
            ("annotations/instances_train2017.json", "annotations/instances_default.json"),
            ("train2017", "images"),
        )
        dataset = coco_folder.read(str(self.root), masks=True, needs_test=False)
        self.assertEqual(
            dataset.warnings(),
            (
                f"train of coco:{self.root}: 7 of 8 annotations are crowds (iscrowd 1), which are "
                "neither learned nor scored; CVAT writes brush masks so: set iscrowd to 0 where "
                "each is one object",
            ),
        )

    def test_images_in_one_folder_of_all(self):
        self.move(("annotations", "annotations"), ("train2017", "images/train2017"))
        self.move(("val2017", "images/val2017"))
        self.assert_same(coco_folder.read(str(self.root), masks=False).test, "val")

    def test_names_that_lead_from_the_folder_of_all(self):
        for split in ("train2017", "val2017"):
            file = self.root / "coco" / "annotations" / f"instances_{split}.json"
            content = json.loads(file.read_bytes())
            for each in content["images"]:
                each["file_name"] = f"{split}/{each['file_name']}"
            file.write_text(json.dumps(content))
        dataset = coco_folder.read(str(self.root / "coco"), masks=True)
        self.assert_same(dataset.train)
        self.assert_same(dataset.test, "val")
        self.assertEqual(dataset.test.images.name(0), "val2017/000000000101.jpg")

    def test_absolute_names(self):
        content = coco_files.instances()
        for each in content["images"][:2]:
            each["file_name"] = str(self.root / "coco" / "train2017" / each["file_name"])
        content["images"][2]["file_name"] = "deeper/last.jpg"
        coco_files.write(self.root / "coco", content)
        found = coco_folder.read(str(self.root / "coco"), masks=False).train
        self.assert_same(found)
        self.assertEqual(found.images.name(0), "000000000001.jpg")

    def test_the_other_spelling_of_a_name(self):
        composed, decomposed = (
            unicodedata.normalize(form, "\u00e9.jpg") for form in ("NFC", "NFD")
        )
        content = coco_files.instances()
        content["images"][0]["file_name"] = composed
        coco_files.write(self.root / "coco", content)
        folder = self.root / "coco" / "train2017"
        os.rename(folder / composed, folder / decomposed)
        found = coco_folder.read(str(self.root / "coco"), masks=False).train
        self.assert_same(found)
        self.assertEqual(found.images.name(0), decomposed)


class GroupsTest(tf.test.TestCase):
    """A category that is only the supercategory of others is no class."""

    def setUp(self):
        super().setUp()
        self.root = self.create_tempdir().full_path
        group = {"id": 0, "name": "things", "supercategory": "none"}
        classes = [{**each, "supercategory": "things"} for each in coco_files.CATEGORIES]
        self.contents = [
            {**coco_files.instances(first), "categories": [group, *classes]} for first in (1, 101)
        ]

    def test_annotated_nowhere(self):
        coco_files.write(self.root, *self.contents)
        dataset = coco_folder.read(self.root, masks=False)
        for scenes in (
            dataset.train,
            dataset.test,
            coco_folder.read_split(self.root, "test", False),
        ):
            self.assertEqual(scenes.class_names, ("person", "car", "brush"))
            self.assertAllEqual(scenes.classes, [0, 1, 0, 2])

    def test_annotated_in_one_split_it_is_a_class_in_both(self):
        for first, second in (self.contents, reversed(self.contents)):
            with self.subTest(first["images"][0]["id"]):
                self._assert_a_class_in_both(first, second)

    def _assert_a_class_in_both(self, *contents):
        """In the folder of some contents, of which one annotates the group."""
        self.contents[0]["annotations"][0]["category_id"] = 0
        coco_files.write(self.root, *contents)
        dataset = coco_folder.read(self.root, masks=False)
        for scenes in (
            dataset.train,
            dataset.test,
            coco_folder.read_split(self.root, "test", False),
            coco_folder.read(self.root, masks=False, needs_test=False).train,
        ):
            self.assertEqual(scenes.class_names, ("things", "person", "car", "brush"))

    def test_a_split_alone_is_read_whatever_is_wrong_with_the_other(self):
        self.contents[0]["annotations"][1]["bbox"] = [1, 2, 3]
        coco_files.write(self.root, *self.contents)
        names = ("person", "car", "brush")
        for known in ((), names):
            found = coco_folder.read_split(self.root, "test", False, known=known)
            self.assertEqual(found.class_names, names)
        file = pathlib.Path(self.root, "annotations", "instances_train2017.json")
        file.write_bytes(b"{")
        found = coco_folder.read_split(self.root, "test", False, known=names)
        self.assertEqual(found.class_names, names)
        # Nothing else tells whether it is a class.
        with self.assertRaisesRegex(ValueError, "train2017.json' is damaged, or no JSON"):
            coco_folder.read_split(self.root, "test", False)

    def test_alone_a_split_has_the_classes_that_are_known(self):
        coco_files.write(self.root, *self.contents)
        os.remove(os.path.join(self.root, "annotations", "instances_train2017.json"))
        names = ("person", "car", "brush")
        for known in (("things", *names), names):
            for named in (NamedFiles(), NamedFiles(train_annotations="gone.json")):
                found = coco_folder.read_split(self.root, "test", False, named, known)
                self.assertEqual(found.class_names, known)

    def test_a_group_that_is_called_as_a_known_class_of_its_own_is_none(self):
        for content in self.contents:
            categories = [{**each, "supercategory": "person"} for each in content["categories"]]
            content["categories"] = [{**categories[0], "name": "person"}, *categories[1:]]
        coco_files.write(self.root, *self.contents)
        names = ("person", "car", "brush")
        found = coco_folder.read_split(self.root, "test", False, known=names)
        self.assertEqual((found.class_names, found.category_ids), (names, (1, 3, 90)))


class RefusedTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.root = self.create_tempdir().full_path

    def assert_refused(self, error, message):
        with self.assertRaisesRegex(error, message) as raised:
            coco_folder.read(self.root, masks=True)
        self.assertNotIn("\n", str(raised.exception))

    def test_no_folder(self):
        self.root = "/nowhere"
        self.assert_refused(FileNotFoundError, "annotations; got '/nowhere', which is not there$")

    def test_a_file(self):
        self.root = os.path.join(self.root, "instances.json")
        pathlib.Path(self.root).touch()
        self.assert_refused(
            NotADirectoryError,
            "instances.json', which is a file: pass dataset=coco:FOLDER, .* pass train_annotations=FILE",
        )

    def test_no_annotations(self):
        self.assert_refused(FileNotFoundError, "instances_train2017.json .*pass train_annotations")

    def test_missing_images(self):
        coco_files.write(self.root)
        for name in ("000000000102.jpg", "000000000103.jpg"):
            os.remove(os.path.join(self.root, "val2017", name))
        message = (
            "2 of the 3 images of .*val2017.json' are not in .*val2017', "
            ".*'000000000102.jpg' of id 102: "
        )
        self.assert_refused(FileNotFoundError, message)

    def test_the_first_image_may_be_the_one_that_is_missing(self):
        coco_files.write(self.root)
        names = sorted(os.listdir(os.path.join(self.root, "val2017")))
        for place in ("val2017/{}", "{}"):
            # By names that lead from the folder of the whole data set, too.
            path = os.path.join(self.root, "annotations", "instances_val2017.json")
            with open(path) as file:
                annotations = json.load(file)
            for image in annotations["images"]:
                image["file_name"] = place.format(os.path.basename(image["file_name"]))
            with open(path, "w") as file:
                json.dump(annotations, file)
            first = os.path.join(
                self.root, "val2017", os.path.basename(annotations["images"][0]["file_name"])
            )
            if os.path.exists(first):
                os.remove(first)
            self.assert_refused(FileNotFoundError, f"1 of the {len(names)} images of ")

    def test_missing_folder_of_images(self):
        coco_files.write(self.root)
        os.rename(os.path.join(self.root, "train2017"), os.path.join(self.root, "train2014"))
        message = (
            "3 of the 3 images of .*train2017.json' are not in '.*/train2017', the first .*, or pass "
            "train_annotations=FILE and pass train_images=FOLDER$"
        )
        self.assert_refused(FileNotFoundError, message)

    def test_crowds_alone(self):
        content = coco_files.instances()
        for annotation in content["annotations"]:
            annotation["iscrowd"] = 1
        coco_files.write(self.root, train=content)
        self.assert_refused(
            ValueError,
            "expected at least 1 box of an object; got none, and 4 of crowds .*: set iscrowd to 0",
        )

    def test_other_categories_in_the_other_file(self):
        categories = [coco_files.CATEGORIES[0], {"id": 2, "name": "bicycle"}]
        coco_files.write(self.root, val=coco_files.instances(101, categories))
        message = "got category 2 'bicycle' in '.*val2017.json' and not in '.*train2017.json'"
        self.assert_refused(ValueError, message)

    def test_other_names_of_the_same_categories(self):
        categories = [{"id": 1, "name": "dog"}, *coco_files.CATEGORIES[1:]]
        coco_files.write(self.root, val=coco_files.instances(101, categories))
        self.assert_refused(ValueError, "got category 1 'dog' in '.*val2017.json' and not")

    def test_nothing_to_train_on(self):
        coco_files.write(self.root, train=coco_files.instances() | {"annotations": []})
        self.assert_refused(
            ValueError, "train2017.json': expected at least 1 box .*, and 0 of crowds$"
        )
        coco_files.write(self.root, val=coco_files.instances() | {"annotations": []})
        self.assert_refused(ValueError, "val2017.json': expected at least 1 box of an object")
        coco_files.write(self.root, val={**coco_files.instances(), "images": [], "annotations": []})
        self.assert_refused(ValueError, "val2017.json': expected at least 1 image; got none")


if __name__ == "__main__":
    tf.test.main()
