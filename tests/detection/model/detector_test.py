"""Tests of kdcl_tf.detection.model.detector."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.model import boxes as boxes_lib, roi_align
from kdcl_tf.detection.model.detector import Detector
from tests.detection import plain_boxes, plain_losses, small_scenes
from tests.detection.plain_losses import KINDS
from tests.detection.small_scenes import CLASSES

_RATE = 0.05


def _detector(masks=True, seed=0, optimizer=None, **kwargs):
    keras.utils.set_random_seed(seed)
    regularizer = kwargs.pop("regularizer", None)
    backbone = small_scenes.backbone(regularizer=regularizer)
    settings = {"channels": 8, "regions_per_image": 32, **kwargs}
    detector = Detector(backbone, CLASSES, masks=masks, **settings)
    detector.compile(optimizer or keras.optimizers.SGD(_RATE))
    return detector


def _without_objects(images=2):
    batch = small_scenes.batch(images)
    return {**batch, "classes": -tf.ones_like(batch["classes"]),
            "crowds": tf.zeros_like(batch["crowds"])}  # fmt: skip


def _specs(batch):
    """Every dimension that `SceneViews` leaves open is None."""
    known = {"images": [None, None, None, 3], "boxes": [None, None, 4], "sizes": [None, 2],
             "keys": [None, 2], "masks": [None, None, 8, 8]}  # fmt: skip
    return {
        name: tf.TensorSpec(known.get(name, [None, None]), each.dtype)
        for name, each in batch.items()
    }


class TrainStepTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(1, 2)
    def test_it_is_a_step_on_the_plain_losses(self, images):
        batch = small_scenes.batch(images)
        detector, plain = _detector(), _detector()
        with tf.GradientTape() as tape:
            sums, counts = plain_losses.PlainLosses(plain, 32)(batch)
            total = tf.add_n([sums[kind] / counts[kind] for kind in KINDS])
        expected = [
            variable - _RATE * gradient
            for variable, gradient in zip(
                plain.trainable_variables, tape.gradient(total, plain.trainable_variables)
            )
        ]
        logs = detector.train_step(batch)
        self.assertAllClose(logs["loss"], total, rtol=1e-5)
        for kind in KINDS:
            self.assertAllClose(logs[f"{kind}_loss"], sums[kind] / counts[kind], rtol=1e-4)
            self.assertGreater(float(sums[kind]), 0.0)
        for variable, value in zip(detector.trainable_variables, expected, strict=True):
            self.assertAllClose(variable, value, atol=1e-5, msg=variable.path)

    def test_metrics_are_means_over_what_was_sampled(self):
        detector, sums, counts = _detector(optimizer=keras.optimizers.SGD(0.0)), [], []
        for images in (1, 2):
            batch = small_scenes.batch(images)
            detector.train_step(batch)
            found = detector.losses_of(batch, training=True)
            sums.append(found[0]), counts.append(found[1])
        values = {metric.name: float(metric.result()) for metric in detector.metrics}
        for kind in KINDS:
            expected = sum(each[kind] for each in sums) / sum(each[kind] for each in counts)
            self.assertAllClose(values[f"{kind}_loss"], expected, rtol=1e-4)

    def test_what_layers_add_is_in_the_loss_once(self):
        batch = small_scenes.batch()
        plain = _detector().train_step(batch)
        detector = _detector(regularizer=keras.regularizers.L2(0.1))
        kernels = [each for each in detector.trainable_variables if "conv" in each.path][:3]
        added = sum(0.1 * float(tf.reduce_sum(tf.convert_to_tensor(each) ** 2)) for each in kernels)
        found = detector.train_step(batch)
        self.assertGreater(added, 0.1)
        self.assertAllClose(found["loss"], plain["loss"] + added, rtol=1e-4)

    @pytest.mark.slow
    def test_the_loss_falls_on_one_batch_in_a_graph_of_unknown_dimensions(self):
        batch = small_scenes.halved(small_scenes.batch(3))
        detector = _detector(optimizer=keras.optimizers.Adam(0.003))
        detector.optimizer.build(detector.trainable_variables)
        step = tf.function(detector.train_step, input_signature=[_specs(batch)])
        totals = []
        for _ in range(12):
            detector.reset_metrics()
            totals.append(float(step(batch)["loss"]))
        self.assertLess(totals[-1], 0.6 * totals[0])

    @parameterized.parameters(False, True)
    def test_images_without_objects_train_without_nan(self, masks):
        batch, detector = _without_objects(), _detector(masks)
        before = [variable.numpy() for variable in detector.mask_head.weights] if masks else []
        logs = detector.train_step(batch)
        self.assertGreater(float(logs["objectness_loss"]), 0.0)
        for kind in ("proposal_boxes", "boxes", *["masks"] * masks):
            self.assertAllEqual(logs[f"{kind}_loss"], 0.0)
        for variable in detector.trainable_variables:
            self.assertTrue(np.isfinite(variable.numpy()).all(), variable.path)
        for old, variable in zip(before, detector.mask_head.weights if masks else []):
            self.assertAllEqual(variable, old)

    def test_a_crowd_that_fills_the_image_leaves_nothing_to_learn(self):
        batch = _without_objects(1)
        batch["boxes"] = tf.constant([[[-999.0, -999.0, 999.0, 999.0], [0.0] * 4, [0.0] * 4]])
        batch["classes"] = tf.constant([[1, -1, -1]])
        batch["crowds"] = tf.constant([[True, False, False]])
        detector = _detector()
        before = [variable.numpy() for variable in detector.trainable_variables]
        self.assertAllEqual(detector.train_step(batch)["loss"], 0.0)
        for old, variable in zip(before, detector.trainable_variables):
            self.assertAllEqual(variable, old)

    def test_without_masks_there_is_nothing_of_them(self):
        batch, detector = small_scenes.batch(), _detector(masks=False)
        del batch["masks"]
        self.assertNotIn("masks_loss", detector.train_step(batch))
        self.assertIsNone(detector.mask_head)
        self.assertNotIn("masks", detector.detect(batch["images"], batch["sizes"], 5))

    def test_mixed_precision_is_near_float32(self):
        batch, exact = small_scenes.batch(), _detector()
        mixed = _detector(dtype_policy="mixed_bfloat16")
        mixed.set_weights(exact.get_weights())
        expected, found = exact.train_step(batch), mixed.train_step(batch)
        self.assertAllClose(found["loss"], expected["loss"], rtol=0.1)
        self.assertEqual({each.dtype for each in mixed.trainable_variables}, {"float32"})
        seen = mixed.detect(batch["images"], batch["sizes"], 5)
        self.assertEqual((seen["boxes"].dtype, seen["masks"].dtype), (tf.float32, tf.float32))


def _talkative():
    """A fresh detector whose heads say more than fresh heads do."""
    detector = _detector()
    rng = np.random.default_rng(0)
    for head in (detector.box_head, detector.mask_head):
        for name, deviation in (("classes", 0.5), ("codes", 0.3), ("masks", 3.0)):
            if name in {layer.name for layer in head.layers}:
                kernel = head.get_layer(name).kernel
                kernel.assign(rng.normal(size=kernel.shape) * deviation)
    return detector


class DetectTest(tf.test.TestCase, parameterized.TestCase):
    def plain(self, detector, batch, count):
        """What `detect` should give of one image, from the heads and loops."""
        pyramid = {
            int(stride): each
            for stride, each in detector.pyramid(batch["images"], training=False).items()
        }
        proposals, valid = detector._proposals.propose(
            detector._proposals.predict(pyramid), batch["sizes"], 1000, 1000
        )
        boxes = tf.boolean_mask(proposals[0], valid[0])
        del pyramid[16]
        images = tf.zeros(len(boxes), tf.int32)
        logits, codes = detector.box_head(roi_align.pyramid_align(pyramid, boxes, images, 7))
        scores = tf.nn.softmax(logits).numpy()
        height, width = batch["sizes"][0].numpy()
        found = []
        for number in range(CLASSES):
            own = boxes_lib.decode(codes[:, number], boxes, (10.0, 10.0, 5.0, 5.0)).numpy()
            own = np.clip(own, 0.0, [width, height, width, height])
            kept = []
            for row in np.argsort(-scores[:, number]):
                if scores[row, number] > 0.05 and all(
                    plain_boxes.iou(own[row], other) <= 0.5 for _, other in kept
                ):
                    kept.append((scores[row, number], own[row]))
            found += [(score, number, box) for score, box in kept]
        return sorted(found, key=lambda each: -each[0])[:count]

    @parameterized.parameters(3, 60)
    def test_it_equals_loops_over_regions_and_classes(self, count):
        detector, batch = _talkative(), small_scenes.batch(3)
        found = detector.detect(batch["images"], batch["sizes"], count)
        for image in range(3):
            expected = self.plain(detector, small_scenes.one(batch, image), count)
            valid = found["valid"][image].numpy()
            self.assertGreater(len(expected), 2)
            self.assertAllEqual(np.flatnonzero(valid), np.arange(len(expected)))
            scores, classes, boxes = zip(*expected)
            self.assertAllClose(found["scores"][image][valid], scores, atol=1e-5)
            self.assertAllEqual(found["classes"][image][valid], classes)
            self.assertAllClose(found["boxes"][image][valid], boxes, atol=1e-2)

    def test_masks_are_those_of_the_boxes_and_classes_found(self):
        detector, batch = _talkative(), small_scenes.batch(2)
        found = detector.detect(batch["images"], batch["sizes"], 60)
        self.assertEqual(found["masks"].shape, [2, 60, 28, 28])
        pyramid = detector.pyramid(batch["images"], training=False)
        pyramid = {stride: pyramid[str(stride)] for stride in (4, 8)}
        for image, position in ((0, 0), (0, 2), (1, 0), (1, 1)):
            box = found["boxes"][image, position][None]
            aligned = roi_align.pyramid_align(pyramid, box, tf.constant([image]), 14)
            logits = detector.mask_head(aligned)[0, :, :, int(found["classes"][image, position])]
            self.assertAllClose(found["masks"][image, position], tf.sigmoid(logits), atol=1e-4)
        empty = found["masks"][~found["valid"]]
        self.assertAllEqual(empty, np.zeros(empty.shape))

    def test_nothing_is_seen_by_a_detector_that_is_sure_of_the_background(self):
        detector, batch = _detector(), small_scenes.batch()
        detector.box_head.get_layer("classes").bias.assign([0.0, 0.0, 0.0, 99.0])
        found = detector.detect(batch["images"], batch["sizes"], 7)
        self.assertEqual(np.count_nonzero(found["valid"]), 0)
        for name, shape in (("boxes", [2, 7, 4]), ("scores", [2, 7]), ("masks", [2, 7, 28, 28])):
            self.assertAllEqual(found[name], np.zeros(shape))

    def test_boxes_are_inside_the_image_not_its_padding(self):
        detector, batch = _talkative(), small_scenes.batch(2)
        found = detector.detect(batch["images"], tf.constant([[40, 50], [30, 96]]), 60)
        for image, (height, width) in enumerate(((40, 50), (30, 96))):
            self.assertAllInRange(found["boxes"][image][:, ::2], 0.0, width)
            self.assertAllInRange(found["boxes"][image][:, 1::2], 0.0, height)

    def test_a_graph_of_unknown_dimensions(self):
        detector, batch = _talkative(), small_scenes.batch(3)
        specs = [_specs(batch)[name] for name in ("images", "sizes")]
        graph = tf.function(lambda *args: detector.detect(*args, 9), input_signature=specs)
        expected = detector.detect(batch["images"], batch["sizes"], 9)
        found = graph(batch["images"], batch["sizes"])
        for name, each in found.items():
            self.assertAllClose(each, expected[name], atol=1e-3, msg=name)

    def test_images_are_padded_to_its_multiple(self):
        self.assertEqual(_detector().multiple, 8)


if __name__ == "__main__":
    tf.test.main()
