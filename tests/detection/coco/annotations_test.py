"""Tests of kdcl_tf.detection.coco.annotations."""

import json
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.coco import annotations as coco_annotations
from tests import coco_files

_changed = coco_files.changed


class CocoJsonTestCase(tf.test.TestCase, parameterized.TestCase):
    def read(self, content, masks=True):
        self.file = pathlib.Path(self.create_tempdir().full_path, "instances_train2017.json")
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.file.write_bytes(text)
        return coco_annotations.read(self.file, masks)

    def assert_refused(self, content, message, masks=True):
        with self.assertRaisesRegex(ValueError, message) as raised:
            self.read(content, masks)
        self.assertNotIn("\n", str(raised.exception))
        self.assertIn(f"'{self.file}'", str(raised.exception))


class ReadTest(CocoJsonTestCase):
    def test_values(self):
        found = self.read(coco_files.instances())
        self.assertAllEqual(found.ids, [1, 2, 3])
        self.assertEqual(found.names[1], "000000000002.jpg")
        self.assertAllEqual(found.sizes, [[40, 60], [48, 32], [30, 50]])
        self.assertAllEqual(found.owners, [2, 0, 0, 0])
        self.assertAllClose(found.boxes[0], [5, 6, 25.5, 18.25])
        # What is outside the image is left as it is.
        self.assertAllClose(found.boxes[2], [50, 30, 70, 38])
        self.assertAllEqual(found.classes, [2, 0, 1, 0])
        self.assertAllEqual(found.crowds, [False, False, False, True])
        self.assertAllClose(found.areas, [20.5 * 12.25, 600, 160, 400])
        self.assertAllEqual(found.annotation_ids, [13, 11, 12, 10])
        self.assertEqual(found.category_ids, (1, 3, 90))
        self.assertEqual(found.class_names, ("person", "car", "brush"))

    def test_masks_only_where_they_are_asked_for(self):
        content = _changed(coco_files.instances(), "annotations", 1, segmentation=[])
        self.assertIsNone(self.read(content, masks=False).segmentations)
        found = self.read(coco_files.instances()).segmentations
        self.assertAllEqual(found[1][0], [10, 8, 40, 8, 40, 28, 10, 28])
        self.assertEqual(found[3]["size"], [40, 60])
        self.assertLen(found, 4)

    def test_classes_are_in_the_order_of_their_ids(self):
        content = coco_files.instances()
        content["categories"].reverse()
        found = self.read(content)
        self.assertEqual(found.category_ids, (1, 3, 90))
        self.assertAllEqual(found.classes, [2, 0, 1, 0])

    def test_names_of_classes_are_composed(self):
        content = _changed(coco_files.instances(), "categories", 1, name="cafe\u0301")
        self.assertEqual(self.read(content).class_names, ("person", "caf\u00e9", "brush"))

    def test_without_iscrowd_it_is_none(self):
        content = _changed(coco_files.instances(), "annotations", 3, iscrowd=...)
        self.assertAllEqual(self.read(content).crowds, [False] * 4)

    def test_iscrowd_may_be_null(self):
        content = _changed(coco_files.instances(), "annotations", 3, iscrowd=None)
        self.assertAllEqual(self.read(content).crowds, [False] * 4)

    @parameterized.product(area=(..., None), masks=(True, False))
    def test_an_area_that_is_not_given_is_that_of_the_segmentation(self, area, masks):
        triangle = [[10, 8, 40, 8, 40, 28]]
        content = _changed(
            coco_files.instances(), "annotations", 1, area=area, segmentation=triangle
        )
        content = _changed(content, "annotations", 3, area=area)
        found = self.read(content, masks).areas
        self.assertAllClose(found, [20.5 * 12.25, 300, 160, 400], atol=30)
        self.assertEqual(found[3], 400)

    @parameterized.parameters(
        (...,), (None,), ([],), ([[1, 2]],), ({"size": [1, 1], "counts": [1]},), ("x",)
    )
    def test_where_nothing_outlines_the_object_its_area_is_that_of_the_box(self, segmentation):
        content = _changed(
            coco_files.instances(), "annotations", 1, area=..., segmentation=segmentation
        )
        self.assertEqual(self.read(content, masks=False).areas[1], 600)

    def test_polygons_of_fewer_than_three_corners_are_left_out_beside_others(self):
        triangle = [10, 8, 40, 8, 40, 28]
        content = _changed(
            coco_files.instances(), "annotations", 1, segmentation=[triangle, [], [1, 1, 2, 2]]
        )
        found = self.read(content)
        self.assertEqual(found.dropped_parts, (11, 11))
        (part,) = found.segmentations[1]
        self.assertAllEqual(part, triangle)
        # Without masks, only where the area has to be that of the outline.
        self.assertEqual(self.read(content, masks=False).dropped_parts, ())
        content = _changed(content, "annotations", 1, area=...)
        found = self.read(content, masks=False)
        self.assertEqual(found.dropped_parts, (11, 11))
        self.assertAllClose(found.areas[1], 300, atol=30)

    def test_boxes_without_area_need_no_mask(self):
        content = coco_files.instances()
        content = _changed(content, "annotations", 1, bbox=[1, 1, 0, 5], segmentation=[])
        self.assertAllEqual(self.read(content).boxes[1], [1, 1, 1, 6])

    def test_ids_in_text_and_polygons_in_no_list_as_via_writes_them(self):
        plain = coco_files.instances()
        written = json.loads(json.dumps(plain))
        for row in written["annotations"]:
            row |= {"image_id": str(row["image_id"]), "category_id": float(row["category_id"])}
            if isinstance(row["segmentation"], list):
                (row["segmentation"],) = row["segmentation"]
                del row["area"]
        for row in (*written["images"], *written["categories"]):
            row["id"] = str(row["id"])
        found, expected = self.read(written), self.read(plain)
        for name in ("ids", "owners", "boxes", "classes", "crowds", "annotation_ids"):
            self.assertAllEqual(getattr(found, name), getattr(expected, name), name)
        self.assertEqual(found.category_ids, expected.category_ids)
        self.assertEqual(found.segmentations.digest(), expected.segmentations.digest())
        # Pixels of the polygons, and not of the boxes.
        self.assertAllEqual(found.areas[1:], [600, 80, 400])

    def test_annotated_categories(self):
        self.read(coco_files.instances())
        self.assertEqual(coco_annotations.annotated(self.file), {1, 3, 90})
        content = coco_files.instances() | {"annotations": [{"category_id": 3}, {}, [1]]}
        content["annotations"] += [{"category_id": [1]}, {"category_id": 1.5}]
        self.file.write_text(json.dumps(content))
        self.assertEqual(coco_annotations.annotated(self.file), {3})
        # Of images that nobody has annotated.
        for content in ({"images": [], "categories": []}, []):
            self.file.write_text(json.dumps(content))
            self.assertEqual(coco_annotations.annotated(self.file), frozenset())

    def test_no_annotations_at_all(self):
        content = coco_files.instances()
        content["annotations"] = []
        found = self.read(content)
        self.assertEqual(found.boxes.shape, (0, 4))
        self.assertEqual(found.owners.dtype, np.int64)


class GroupsTest(CocoJsonTestCase):
    """Categories that are only the supercategory of others, as Roboflow lists them."""

    def content(self, name="things"):
        classes = [{**each, "supercategory": name} for each in coco_files.CATEGORIES]
        group = {"id": 0, "name": name, "supercategory": "none"}
        return coco_files.instances() | {"categories": [group, *classes]}

    def test_a_group_without_annotations_is_told_and_can_be_left_out(self):
        found = self.read(self.content())
        self.assertEqual(found.groups, {0})
        self.assertEqual(found.class_names, ("things", "person", "car", "brush"))
        self.assertAllEqual(found.classes, [3, 1, 2, 1])
        rest = found.without(found.groups)
        self.assertEqual(
            (rest.class_names, rest.category_ids), (("person", "car", "brush"), (1, 3, 90))
        )
        self.assertAllEqual(rest.classes, [2, 0, 1, 0])
        self.assertEmpty(rest.groups)
        self.assertEqual(rest.without(()).class_names, rest.class_names)

    def test_a_class_may_be_called_as_its_group(self):
        found = self.read(self.content("person"))
        self.assertEqual(found.groups, {0})
        self.assertEqual(found.without({0}).class_names, ("person", "car", "brush"))

    def test_with_annotations_it_is_a_class(self):
        content = _changed(self.content(), "annotations", 1, category_id=0)
        self.assertEmpty(self.read(content).groups)
        content = _changed(self.content("person"), "annotations", 1, category_id=0)
        self.assert_refused(content, "category 1: expected each name once; got name 'person'")

    def test_a_class_called_none_is_no_group_of_those_without_a_supercategory(self):
        categories = [{"id": 1, "name": "cup"}, {"id": 2, "name": "None"}]
        content = coco_files.instances(categories=categories)
        content["annotations"] = content["annotations"][:1]
        for above in ({}, {"supercategory": None}):
            content["categories"] = [{**each, **above} for each in categories]
            found = self.read(content)
            self.assertEqual((found.class_names, found.groups), (("cup", "None"), frozenset()))

    def test_a_class_without_annotations_is_one(self):
        # COCO's person is of the supercategory person, which is nothing but itself.
        content = _changed(coco_files.instances(), "categories", 0, supercategory="person")
        content["annotations"] = content["annotations"][:1]
        self.assertEmpty(self.read(content).groups)


class RefusedTest(CocoJsonTestCase):
    @parameterized.parameters(
        (
            {"category_id": 2},
            "annotation 11: expected one of the 3 categories, 1, 3, 90; got category_id 2",
        ),
        ({"category_id": "x1"}, "annotation 11: expected .*; got category_id 'x1'"),
        ({"id": "13"}, "annotation 13: expected .*; got id 13 a second time"),
        ({"category_id": ...}, "annotation 11: expected .*; got no category_id"),
        ({"image_id": 4}, "annotation 11: expected one of the 3 images; got image_id 4"),
        ({"image_id": ...}, "annotation 11: expected .*; got no image_id"),
        ({"id": 13}, "annotation 13: expected .*; got id 13 a second time"),
        ({"id": ...}, "annotation number 1: expected .*; got no id"),
        ({"id": 1.5}, "annotation 1.5: expected a whole number; got id 1.5"),
        ({"bbox": [1, 2, 3]}, r"annotation 11: expected 4 finite numbers.*; got bbox \[1, 2, 3\]"),
        ({"bbox": [1, 2, 3, "4"]}, r"annotation 11: expected .*; got bbox \[1, 2, 3, '4'\]"),
        (
            {"bbox": [1, 2, 3, float("nan")]},
            r"annotation 11: expected .*; got bbox \[1, 2, 3, nan\]",
        ),
        (
            {"bbox": [1, 2, float("inf"), 1]},
            r"annotation 11: expected .*; got bbox \[1, 2, inf, 1\]",
        ),
        ({"bbox": [10**400, 2, 3, 4]}, "annotation 11: expected .*; got bbox .1000000"),
        ({"bbox": [1, 2, 3, -4]}, r"expected .*, no side below 0; got bbox \[1, 2, 3, -4\]"),
        ({"bbox": None}, "annotation 11: expected .*; got bbox None"),
        ({"bbox": ...}, "annotation 11: expected .*; got no bbox"),
        ({"area": -1}, "annotation 11: expected square pixels.*; got area -1"),
        ({"area": True}, "annotation 11: expected square pixels.*; got area True"),
        ({"iscrowd": 2}, "annotation 11: expected 0 or 1; got iscrowd 2"),
        (
            {"segmentation": []},
            "annotation 11: expected polygons of x, y.*; got no polygons: mend or remove it$",
        ),
        ({"segmentation": ...}, "annotation 11: expected .*; got no segmentation"),
        (
            {"segmentation": [[1, 2, 3, 4]]},
            "annotation 11: expected .*; got a polygon of 4 numbers",
        ),
        ({"segmentation": [1, 2, 3, 4, 5, 6, 7]}, "; got a polygon of 7 numbers"),
        ({"segmentation": [1, 2, 3, 4]}, "; got a polygon 1: mend"),
        (
            {"segmentation": [[1, 2, 3, 4, 5, 6, 7]]},
            "expected .*x, y of.*; got a polygon of 7 numbers",
        ),
        ({"segmentation": [[1, 2, 3e12, 4, 5, 6]]}, r"a polygon \[1, 2, 3000000000000.0, 4"),
        ({"segmentation": [[1, 2, -7e5, 4, 5, 6]]}, "a corner at -700000, far outside its image"),
        ({"segmentation": {"size": [9, 9], "counts": [81]}}, r"; got an RLE of size \[9, 9\]"),
        (
            {"segmentation": {"size": [40, 60], "counts": "\ud800"}},
            r"annotation 11: expected .*; got an RLE with counts '\\ud800': mend",
        ),
    )
    def test_annotation(self, changes, message):
        self.assert_refused(_changed(coco_files.instances(), "annotations", 1, **changes), message)

    @parameterized.parameters(
        ({"id": 1}, "image 1: expected .*; got id 1 a second time"),
        ({"id": ...}, "image number 1: expected .*; got no id"),
        (
            {"file_name": "000000000001.jpg"},
            "image 2: expected each file_name once; got file_name '0+1.jpg' a second time",
        ),
        ({"file_name": "e\u0301.jpg"}, "image 2: expected each file_name once; got file_name"),
        ({"file_name": " "}, "image 2: expected the path of a file; got file_name ' '"),
        ({"height": 0}, "image 2: expected pixels.*; got height 0"),
        ({"width": 4.5}, "image 2: expected pixels.*; got width 4.5"),
        ({"width": ...}, "image 2: expected .*; got no width"),
    )
    def test_image(self, changes, message):
        content = _changed(coco_files.instances(), "images", 2, file_name="\u00e9.jpg")
        if "\u0301" in str(changes.get("file_name")):
            # Two spellings of one name: of the last, as it is the second to be read.
            content["images"].reverse()
        self.assert_refused(_changed(content, "images", 1, **changes), message)

    @parameterized.parameters(
        ({"id": 1}, "category 1: expected .*; got id 1 a second time"),
        ({"name": "person"}, "category 3: expected .*; got name 'person' a second time"),
        ({"name": ...}, "category 3: expected .*; got no name"),
        (
            {"name": "a\nb"},
            r"category 3: expected a name without line breaks.*; got name 'a\\nb': mend",
        ),
        ({"name": "\ud800"}, r"category 3: expected a name without .*; got name '\\ud800': mend"),
    )
    def test_category(self, changes, message):
        self.assert_refused(_changed(coco_files.instances(), "categories", 1, **changes), message)

    def test_one_name_in_two_spellings(self):
        content = _changed(coco_files.instances(), "categories", 0, name="caf\u00e9")
        content = _changed(content, "categories", 1, name="cafe\u0301")
        self.assert_refused(content, "category 3: expected each name once; got name")

    def test_rows_that_are_no_objects(self):
        content = coco_files.instances()
        content["annotations"].append([1, 2])
        self.assert_refused(
            content, r"annotation number 4: expected an object with.*; got \[1, 2\]"
        )

    def test_no_categories(self):
        content = coco_files.instances() | {"categories": [], "annotations": []}
        self.assert_refused(content, "expected at least 1 category; got none")

    @parameterized.parameters(
        b"", b"{", b'{"images": [', b"\xff\xfe\x00", b"\x00\x01", b"[" * 200_000
    )
    def test_damaged(self, content):
        self.assert_refused(content, "is damaged, or no JSON")

    @parameterized.parameters(
        (
            {"info": {}, "images": [], "annotations": []},
            "expected lists .*; got info, images, annotations",
        ),
        ({"images": {}, "annotations": [], "categories": []}, "is no file of instances"),
        ([], "expected lists named images, annotations, categories; got list"),
        ({}, "expected lists .*; got dict"),
    )
    def test_of_another_kind(self, content, message):
        self.assert_refused(content, message)

    def test_missing(self):
        with self.assertRaisesRegex(FileNotFoundError, "'/nowhere.json' is not there"):
            coco_annotations.read(pathlib.Path("/nowhere.json"), masks=False)


if __name__ == "__main__":
    tf.test.main()
