"""Tests of kdcl_tf.detection.coco.tfds: TFDS's own builder, of a small folder."""

import os
import socket
from unittest import mock

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from kdcl_tf.data import decoding
from kdcl_tf.data.sources import network
from kdcl_tf.detection.coco import folder as coco_folder, loading as coco_loading, tfds as coco_tfds
from tests import class_folder, coco_files, image_files

CATEGORIES = [{"id": each, "name": f"name {each}"} for each in coco_tfds.CATEGORY_IDS]


def prepare(root, data_dir, file_format="tfrecord"):
    """Lets TFDS's builder of COCO make its files of a folder, in the place of a download."""
    builder = tfds.builder("coco/2017", data_dir=data_dir, file_format=file_format)
    boxes = builder.builder_config.splits[0].annotation_type

    def generators(_):
        return {
            name: builder._generate_examples(root, root, split, boxes, None)
            for name, split in zip(coco_tfds.SPLITS.values(), ("train2017", "val2017"))
        }

    with mock.patch.object(builder, "_split_generators", generators):
        builder.download_and_prepare()
    return builder


class CocoTfdsTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        temporary = class_folder.make(cls)
        cls.data_dir = os.path.join(temporary, "tfds")
        cls.root = os.path.join(temporary, "coco")
        train, val = (coco_files.instances(first, CATEGORIES) for first in (1, 101))
        for content in (train, val):
            # In the order in which TFDS has those of an image.
            content["annotations"].sort(key=lambda row: row["id"])
            for row in content["annotations"]:
                # TFDS takes none that is partly outside, and keeps whole areas.
                row["bbox"][2] = min(row["bbox"][2], 60 - row["bbox"][0])
                row["area"] = int(row["area"])
        coco_files.write(cls.root, train, val)
        cls.builder = prepare(cls.root, cls.data_dir)

    def setUp(self):
        super().setUp()
        image_files.use_own_cache(self)

    def test_scenes_are_those_of_the_folder(self):
        found = coco_loading.load("coco/2017", data_dir=self.data_dir)
        expected = coco_loading.load(f"coco:{self.root}")
        for one, other in ((found.train, expected.train), (found.test, expected.test)):
            self.assertEqual(one.category_ids, other.category_ids)
            self.assertEqual(one.class_names, other.class_names)
            # TFDS shuffles: by id they are in the same order.
            one, other = one.take(np.argsort(one.ids)), other.take(np.argsort(other.ids))
            names = "ids sizes offsets classes crowds areas annotation_ids"
            for name in names.split():
                self.assertAllEqual(getattr(one, name), getattr(other, name), name)
                self.assertEqual(getattr(one, name).dtype, getattr(other, name).dtype, name)
            self.assertAllClose(one.boxes, other.boxes, atol=1e-4)
            self.assertIsNone(one.segmentations)
            for index in range(3):
                self.assertEqual(one.images.read(index), other.images.read(index))

    def test_only_the_training_images_are_read_where_no_others_are_needed(self):
        whole = coco_loading.load("coco/2017", self.data_dir)
        found = coco_loading.load("coco/2017", self.data_dir, needs_test=False)
        self.assertEqual(found.train.digest(), whole.train.digest())
        self.assertEmpty(found.test)
        self.assertEqual(found.summary()["num_test"], 0)

    def test_the_pass_is_made_once(self):
        first = coco_tfds.read("coco/2017", self.data_dir, masks=False)
        with mock.patch.object(coco_tfds, "_facts", side_effect=AssertionError):
            second = coco_tfds.read("coco/2017", self.data_dir, masks=False)
        self.assertEqual(first.summary(), second.summary())
        pixels = decoding.rgb(second.train.images.read(0))
        self.assertAllEqual(pixels.shape[:2], second.train.sizes[0])

    def test_category_ids_are_those_of_coco(self):
        self.assertLen(coco_tfds.CATEGORY_IDS, 80)
        # The last of COCO are hair drier, 89, and toothbrush, 90; the 12th is stop sign, 13.
        self.assertEqual(coco_tfds.CATEGORY_IDS[-2:], (89, 90))
        self.assertEqual(coco_tfds.CATEGORY_IDS[11], 13)
        mini = coco_folder.read(coco_files.mini(), masks=False)
        self.assertEqual(mini.train.category_ids, coco_tfds.CATEGORY_IDS)

    def test_masks_are_refused(self):
        with self.assertRaisesRegex(
            ValueError,
            "'coco/2017': expected one with masks; .*pass dataset=coco:PATH.*, or pass detector=faster",
        ):
            coco_loading.load("coco/2017", self.data_dir, masks=True)
        # A detector that was trained cannot be another.
        with self.assertRaisesRegex(ValueError, "with a folder of COCO's own files$"):
            coco_loading.load_split("coco/2017", "test", self.data_dir, masks=True)

    def test_not_prepared_and_no_network(self):
        folder = self.create_tempdir().full_path
        offline = mock.patch.object(network, "is_reachable", return_value=False)
        # To ask for what is not there would take TFDS minutes.
        with offline, mock.patch.object(socket, "getaddrinfo") as look_up:
            message = f"'coco/2017' is not prepared in '{folder}' .*pass data_dir=DIR"
            with self.assertRaisesRegex(FileNotFoundError, message):
                coco_loading.load("coco/2017", folder)
        look_up.assert_not_called()

    def test_a_version_that_there_is_not(self):
        with self.assertRaisesRegex(ValueError, "'coco/2017:9.9.9': .*only: "):
            coco_loading.load("coco/2017:9.9.9", self.data_dir)

    def test_other_files_than_tfrecords_are_refused(self):
        folder = self.create_tempdir().full_path
        prepare(self.root, folder, "array_record")
        with self.assertRaisesRegex(
            ValueError, "expected one prepared as tfrecord; got array_record"
        ):
            coco_loading.load("coco/2017", folder)

    def test_damaged_file(self):
        folder = self.create_tempdir().full_path
        builder = prepare(self.root, folder)
        file = os.fspath(builder.info.splits["train"].filepaths[0])
        os.truncate(file, os.path.getsize(file) - 10)
        with self.assertRaisesRegex(ValueError, f"'{file}' cannot be read past record"):
            coco_loading.load("coco/2017", folder)


if __name__ == "__main__":
    tf.test.main()
