"""Tests of kdcl_tf.detection.scenes.views."""

import os

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data import bad_images, decoding, normalization, order, stream
from kdcl_tf.detection.coco import folder as coco_folder
from kdcl_tf.detection.scenes import masks, truth as scene_truth, views as scene_views
from tests import class_folder, coco_files

# Heights and widths: wide, high, square.
SIZES = ((40, 60), (48, 32), (30, 50), (64, 64), (50, 30), (33, 47), (80, 20))


def _instances(first_id):
    content = coco_files.instances(first_id, sizes=SIZES)
    for number, (height, width) in enumerate(SIZES[3:], 3):
        for box in range(number % 3):
            annotation = coco_files.annotation(
                1000 * first_id + 10 * number + box, first_id + number,
                (box, 2 * box, width // 2, height // 3), 3,
            )  # fmt: skip
            content["annotations"].append(annotation)
    return content


class SceneViewsTestCase(tf.test.TestCase, parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = class_folder.make(cls)
        coco_files.write(cls.root, _instances(1), _instances(101))
        cls.dataset = coco_folder.read(cls.root, masks=True)

    def views(self, seed=0, short_side=48, long_side=72, **arguments):
        return scene_views.SceneViews(self.dataset, seed, short_side, long_side, **arguments)

    def assert_same(self, one, other):
        self.assertEqual(set(one), set(other))
        for name in one:
            self.assertAllEqual(one[name], other[name], name)

    def index(self, batch):
        """Positions of a batch's images in their scenes."""
        return batch["ids"].numpy() % 100 - 1


class ScaledSizesTest(tf.test.TestCase):
    def test_known_sizes(self):
        sizes = np.array([[480, 640], [640, 480], [400, 1000], [800, 800], [1333, 1]])
        found = scene_views.scaled_sizes(sizes, 800, 1333)
        self.assertAllEqual(found, [[800, 1067], [1067, 800], [533, 1333], [800, 800], [1333, 1]])
        self.assertEqual(found.dtype, np.int32)
        self.assertAllEqual(scene_views.scaled_sizes(np.array([[9, 9000]]), 8, 100), [[1, 100]])


class BatchTest(SceneViewsTestCase):
    def test_element_spec_leaves_sizes_open(self):
        spec = {
            "images": tf.TensorSpec([None, None, None, 3], tf.float32),
            "sizes": tf.TensorSpec([None, 2], tf.int32),
            "original_sizes": tf.TensorSpec([None, 2], tf.int32),
            "ids": tf.TensorSpec([None], tf.int64),
        }
        self.assertEqual(self.views().evaluation(self.dataset.test, 4).element_spec, spec)
        spec |= {
            "boxes": tf.TensorSpec([None, None, 4], tf.float32),
            "classes": tf.TensorSpec([None, None], tf.int32),
            "crowds": tf.TensorSpec([None, None], tf.bool),
            "keys": tf.TensorSpec([None, 2], tf.int64),
        }
        self.assertEqual(self.views().epoch(0, 3).element_spec, spec)
        spec |= {"masks": tf.TensorSpec([None, None, masks.SIZE, masks.SIZE], tf.uint8)}
        self.assertEqual(self.views(masks=True).epoch(0, 3).element_spec, spec)

    def test_images_are_scaled_normalised_and_padded(self):
        (batch,) = self.views(flip=False).epoch(0, 7)
        # The widest is 40 x 60 as 48 x 72, the highest 80 x 20 as 72 x 18; multiples of 32.
        self.assertEqual(batch["images"].shape, (7, 96, 96, 3))
        for number, index in enumerate(self.index(batch)):
            pixels = decoding.rgb(tf.constant(self.dataset.train.images.read(index)))
            height, width = batch["sizes"][number].numpy()
            self.assertAllEqual(batch["original_sizes"][number], pixels.shape[:2])
            scaled = tf.image.resize(pixels, [height, width], antialias=True) / 255.0
            imagenet = normalization.IMAGENET
            expected = (scaled - imagenet.mean) / np.array(imagenet.deviation, np.float32)
            image = batch["images"][number].numpy()
            self.assertAllClose(image[:height, :width], expected, atol=1e-4)
            self.assertAllEqual(image[height:], np.zeros([96 - height, 96, 3]))
            self.assertAllEqual(image[:, width:], np.zeros([96, 96 - width, 3]))

    def test_annotations_are_scaled_and_padded(self):
        (batch,) = self.views(flip=False).epoch(0, 7)
        self.assertEqual(batch["boxes"].shape, (7, 3, 4))
        for number, index in enumerate(self.index(batch)):
            where = self.dataset.train.annotations(index)
            boxes = self.dataset.train.boxes[where]
            scale = batch["sizes"][number] / batch["original_sizes"][number]
            found = batch["boxes"][number].numpy()
            self.assertAllClose(found[: len(boxes)], boxes * np.array(scale)[[1, 0, 1, 0]])
            self.assertAllEqual(found[len(boxes) :], np.zeros([3 - len(boxes), 4]))
            classes = batch["classes"][number].numpy()
            self.assertAllEqual(classes[: len(boxes)], self.dataset.train.classes[where])
            self.assertAllEqual(classes[len(boxes) :], [-1] * (3 - len(boxes)))
            crowds = batch["crowds"][number].numpy()
            self.assertAllEqual(crowds[: len(boxes)], self.dataset.train.crowds[where])

    def test_a_batch_of_images_without_boxes_has_room_for_one(self):
        dataset = coco_folder.read(self.root, masks=True)
        dataset = type(dataset)("none", dataset.train.take([1, 3]), dataset.test)
        views = scene_views.SceneViews(dataset, 0, 48, 72, masks=True)
        (batch,) = views.epoch(0, 2)
        self.assertAllEqual(batch["classes"], [[-1], [-1]])
        self.assertEqual(batch["masks"].shape, (2, 1, masks.SIZE, masks.SIZE))

    def test_mirrored_images_have_mirrored_boxes_and_masks(self):
        plain = self.views(flip=False, masks=True)
        (one,) = plain.epoch(0, 7)
        (other,) = self.views(masks=True).epoch(0, 7)
        self.assertAllEqual(one["ids"], other["ids"])
        mirrored = []
        for number, (height, width) in enumerate(one["sizes"].numpy()):
            image, found = (
                each["images"][number, :height, :width].numpy() for each in (one, other)
            )
            mirrored.append(not np.array_equal(image, found))
            if mirrored[-1]:
                count = int((one["classes"][number] >= 0).numpy().sum())
                self.assertAllEqual(found, image[:, ::-1])
                boxes = scene_truth.mirrored(one["boxes"][number, :count], width)
                self.assertAllEqual(other["boxes"][number, :count], boxes)
                self.assertAllEqual(other["masks"][number], one["masks"][number, :, :, ::-1])
        self.assertIn(True, mirrored)
        self.assertIn(False, mirrored)

    def test_half_are_mirrored(self):
        views = self.views()

        @tf.function
        def mirrors():
            def mirror(index):
                return views._mirror(order.fold_in(views._key(0), index))

            return tf.map_fn(mirror, tf.range(4000), fn_output_signature=tf.bool)

        self.assertAllInRange(np.mean(mirrors()), 0.47, 0.53)

    def test_real_images(self):
        dataset = coco_folder.read(coco_files.mini(), masks=True)
        dataset = type(dataset)("mini", dataset.train.take(slice(6)), dataset.test.take(slice(3)))
        views = scene_views.SceneViews(dataset, 0, 160, 256, masks=True)
        for batch in views.epoch(0, 3):
            for number, (height, width) in enumerate(batch["sizes"].numpy()):
                real = batch["classes"][number].numpy() >= 0
                boxes = batch["boxes"][number].numpy()[real]
                self.assertAllInRange(boxes, 0, max(height, width) + 1e-3)
                self.assertTrue(np.all(boxes[:, 2:] > boxes[:, :2]))
        (batch,) = views.evaluation(dataset.test, 3)
        self.assertAllEqual(batch["ids"], dataset.test.ids)


class OrderTest(SceneViewsTestCase):
    def test_same_seed_repeats_and_others_differ(self):
        first, again = (list(self.views(masks=True).epoch(1, 3)) for _ in range(2))
        for one, other in zip(first, again, strict=True):
            self.assert_same(one, other)
        keys = [
            np.concatenate([batch["keys"] for batch in self.views(seed).epoch(epoch, 3)])
            for seed, epoch in ((0, 0), (0, 1), (1, 0))
        ]
        self.assertLen({tuple(key) for key in np.concatenate(keys)}, 21)

    def test_skip_gives_the_tail(self):
        whole = list(self.views().epoch(1, 3))
        self.assertLen(whole, 3)
        self.assertEqual(self.views().steps_per_epoch(3), 3)
        for skip in (1, 2):
            tail = self.views().epoch(1, 3, skip=skip)
            for found, expected in zip(tail, whole[skip:], strict=True):
                self.assert_same(found, expected)

    def test_an_image_does_not_depend_on_its_batch(self):
        found = []
        for batch_size in (1, 7):
            by_id = {}
            for batch in self.views().epoch(2, batch_size):
                for number, image_id in enumerate(batch["ids"].numpy()):
                    height, width = batch["sizes"][number]
                    image = batch["images"][number, :height, :width].numpy()
                    by_id[image_id] = image, batch["keys"][number].numpy()
            found.append(by_id)
        self.assertAllEqual(sorted(found[0]), self.dataset.train.ids)
        for image_id, expected in found[0].items():
            for one, other in zip(found[1][image_id], expected):
                self.assertAllEqual(one, other)

    def test_replicas_share_out_every_batch_padded_alike(self):
        views = self.views(masks=True)
        for stream_of in (
            lambda share: views.epoch(0, 4, share=share),
            lambda share: views.evaluation(self.dataset.test, 5, share),
        ):
            parts = [stream_of(stream.Share(2, replica, 1)) for replica in range(2)]
            for *found, expected in zip(*parts, stream_of(stream.Share()), strict=True):
                for name, whole in expected.items():
                    together = np.concatenate([part[name] for part in found])
                    self.assertAllEqual(together, whole, name)

    def test_evaluation_gives_every_image_once_and_in_order(self):
        batches = list(self.views(seed=3).evaluation(self.dataset.test, 3))
        self.assertAllEqual(np.concatenate([each["ids"] for each in batches]), range(101, 108))
        self.assertEqual([len(each["ids"]) for each in batches], [3, 3, 1])
        again = list(self.views(seed=4).evaluation(self.dataset.test, 3))
        self.assert_same(batches[0], again[0])


class RefusedTest(SceneViewsTestCase):
    def test_arguments(self):
        for arguments, message in (
            (
                {"short_side": 80, "long_side": 72},
                "short_side and long_side: expected .*; got 80 and 72",
            ),
            ({"short_side": 0}, "expected 1 or more pixels .*; got 0 and 72"),
            ({"multiple": 0}, "multiple: expected 1 or more pixels; got 0"),
            ({"seed": -1}, "seed: expected 0 or more; got -1"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                self.views(**arguments)
        with self.assertRaisesRegex(ValueError, r"batch_size: .*1\.\.7"):
            self.views().epoch(0, 8)
        with self.assertRaisesRegex(ValueError, "batch_size: expected 1 or more; got 0"):
            self.views().evaluation(self.dataset.test, 0)
        with self.assertRaisesRegex(ValueError, "expected an image for each of 2 replicas"):
            self.views().epoch(0, 3, share=stream.Share(2, 0, 1))

    def test_masks_that_were_not_loaded(self):
        dataset = coco_folder.read(self.root, masks=False)
        with self.assertRaisesRegex(
            ValueError, "masks: expected a data set .*; got 'coco:.*' without"
        ):
            scene_views.SceneViews(dataset, 0, masks=True)

    def test_a_bad_image_is_named_in_one_line(self):
        root = self.create_tempdir().full_path
        coco_files.write(root)
        os.truncate(os.path.join(root, "train2017", "000000000003.jpg"), 300)
        views = scene_views.SceneViews(coco_folder.read(root, masks=False), 0, 48, 72)
        message = "^image '000000000003.jpg' of id 3 cannot be decoded: "
        with self.assertRaisesRegex(bad_images.BadImageError, message) as raised:
            with bad_images.told_in_one_line():
                list(views.epoch(0, 3))
        self.assertNotIn("\n", str(raised.exception))


if __name__ == "__main__":
    tf.test.main()
