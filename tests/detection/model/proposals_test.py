"""Tests of kdcl_tf.detection.model.proposals."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.model import boxes as boxes_lib
from kdcl_tf.detection.model.detector import Targets
from kdcl_tf.detection.model.proposals import Predictions, ProposalNetwork
from tests.detection import plain_boxes, small_scenes

_STRIDES = (4, 8, 16)
# What a level of a 64 x 96 image has.
_SHAPES = {stride: (64 // stride, 96 // stride) for stride in _STRIDES}
_SURE = 30.0


def _anchors(network):
    return [network.anchors.level(stride, *_SHAPES[stride]) for stride in _STRIDES]


def _predictions(network, say):
    """`Predictions` of one image; `say(anchors)` gives logits `[A]` and codes `[A, 4]`."""
    anchors = _anchors(network)
    said = [say(each) for each in anchors]
    logits = [tf.cast(logits, tf.float32)[None] for logits, _ in said]
    return Predictions(anchors, logits, [tf.cast(codes, tf.float32)[None] for _, codes in said])


def _perfect(box):
    """Sure of all anchors that overlap the box, and knows where it is from each of them."""

    def say(anchors):
        overlaps = boxes_lib.iou(anchors, tf.constant([box], tf.float32))[:, 0]
        codes = boxes_lib.encode(tf.broadcast_to(tf.constant(box), anchors.shape), anchors)
        return tf.where(overlaps > 0.3, _SURE, -_SURE), codes

    return say


def _untrained(anchors):
    return tf.zeros(len(anchors)), tf.zeros(anchors.shape)


class ProposalTestCase(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.network = ProposalNetwork(_STRIDES, channels=6)

    def pyramid(self, batch=2):
        rng = np.random.default_rng(0)
        return {
            stride: tf.constant(rng.normal(size=[batch, *shape, 6]), tf.float32)
            for stride, shape in _SHAPES.items()
        }


class PredictTest(ProposalTestCase):
    def test_predictions_are_in_the_order_of_the_anchors(self):
        pyramid = self.pyramid()
        found = self.network.predict(pyramid)
        for level, stride in enumerate(_STRIDES):
            objects, codes = self.network.head(pyramid[stride])
            height, width = _SHAPES[stride]
            for row, column, ratio in ((0, 0, 0), (1, 2, 1), (height - 1, width - 1, 2)):
                position = (row * width + column) * 3 + ratio
                self.assertAllEqual(
                    found.logits[level][:, position], objects[:, row, column, ratio]
                )
                expected = codes[:, row, column, 4 * ratio : 4 * ratio + 4]
                self.assertAllEqual(found.codes[level][:, position], expected)
                centre = tf.reduce_mean(tf.reshape(found.anchors[level][position], [2, 2]), axis=0)
                self.assertAllClose(centre, [(column + 0.5) * stride, (row + 0.5) * stride])


class LossesTest(ProposalTestCase):
    def test_an_untrained_head_is_wrong_by_log_2_an_anchor(self):
        box = [8.0, 8.0, 42.0, 40.0]
        predictions = _predictions(self.network, _untrained)
        sums, count = self.network.losses(predictions, small_scenes.targets([[box]], [[3]]))
        self.assertAllEqual(count, 256.0)
        self.assertAllClose(sums["objectness"], 256 * np.log(2.0), rtol=1e-5)

    def test_a_perfect_head_has_no_loss(self):
        box = [8.0, 8.0, 42.0, 40.0]
        predictions = _predictions(self.network, _perfect(box))
        # Between the two thresholds it may say what it wants.
        sums, _ = self.network.losses(predictions, small_scenes.targets([[box]], [[0]]))
        self.assertAllClose(sums["objectness"], 0.0, atol=1e-6)
        self.assertAllClose(sums["proposal_boxes"], 0.0, atol=1e-6)

    def test_the_loss_of_boxes_is_that_of_the_positives_alone(self):
        box = [8.0, 8.0, 42.0, 40.0]
        anchors = tf.concat(_anchors(self.network), axis=0).numpy()
        overlaps = plain_boxes.ious(anchors, [box])[:, 0]
        # Few enough that all are sampled.
        positives = anchors[(overlaps >= 0.7) | (overlaps == overlaps.max())]
        self.assertBetween(len(positives), 1, 128)
        extents = positives[:, 2:] - positives[:, :2]
        shifts = 0.5 * (np.array(box[:2]) + box[2:] - positives[:, :2] - positives[:, 2:])
        scales = np.log((np.array(box[2:]) - box[:2]) / extents)
        errors = np.abs(np.concatenate([shifts / extents, scales], axis=1))
        expected = np.where(errors < 1 / 9, 4.5 * errors**2, errors - 1 / 18).sum()
        predictions = _predictions(self.network, _untrained)
        sums, _ = self.network.losses(predictions, small_scenes.targets([[box]], [[0]]))
        self.assertAllClose(sums["proposal_boxes"], expected, rtol=1e-4)

    @parameterized.parameters(
        ([[0.0] * 4], [-1], [False]),
        ([[0.0, 0.0, 64.0, 64.0]], [2], [True]),
        ([[9.0, 9.0, 9.0, 30.0]], [2], [False]),
    )
    def test_images_without_objects_have_no_loss_of_boxes(self, boxes, classes, crowds):
        predictions = _predictions(self.network, _untrained)
        with tf.GradientTape() as tape:
            tape.watch(predictions.codes)
            targets = small_scenes.targets([boxes], [classes], [crowds])
            sums, count = self.network.losses(predictions, targets)
            total = sums["objectness"] + sums["proposal_boxes"]
        self.assertAllEqual(sums["proposal_boxes"], 0.0)
        self.assertAllClose(sums["objectness"], count.numpy() * np.log(2.0), rtol=1e-5)
        for gradient in tape.gradient(total, predictions.codes):
            self.assertAllEqual(gradient, np.zeros(gradient.shape))

    def test_a_batch_is_the_sum_of_its_images(self):
        pyramid, boxes = self.pyramid(3), np.zeros([3, 2, 4])
        boxes[0], boxes[2, 0] = [[0, 0, 30, 30], [40, 9, 80, 60]], [10, 10, 60, 50]
        classes = [[1, 0], [-1, -1], [4, -1]]
        targets = small_scenes.targets(boxes, classes)
        sums, count = self.network.losses(self.network.predict(pyramid), targets)
        parts = []
        for image in range(3):
            one = slice(image, image + 1)
            own = Targets(*(getattr(targets, name)[one] for name in ("boxes", "classes")),
                          targets.crowds[one], targets.keys[one])  # fmt: skip
            alone = {stride: features[one] for stride, features in pyramid.items()}
            parts.append(self.network.losses(self.network.predict(alone), own))
        self.assertAllEqual(count, sum(part[1] for part in parts))
        for kind, value in sums.items():
            self.assertAllClose(value, sum(part[0][kind] for part in parts), rtol=1e-5)


class ProposeTest(ProposalTestCase):
    def test_a_perfect_head_proposes_the_object(self):
        box = [8.0, 8.0, 42.0, 40.0]
        predictions = _predictions(self.network, _perfect(box))
        found, valid = self.network.propose(predictions, tf.constant([[64, 96]]), 50, 20)
        self.assertEqual((found.shape, valid.shape), ([1, 20, 4], [1, 20]))
        # Once a level: levels do not suppress each other.
        self.assertAllClose(found[0, :2], [box, box], atol=1e-3)
        self.assertTrue(valid[0, 0])

    def test_proposals_are_inside_the_image_not_its_padding(self):
        predictions = self.network.predict(self.pyramid())
        sizes = tf.constant([[64, 96], [20, 33]])
        found, valid = self.network.propose(predictions, sizes, 1000, 2000)
        for image, (height, width) in enumerate(sizes.numpy()):
            boxes = found[image].numpy()[valid[image].numpy()]
            self.assertGreater(len(boxes), 10)
            self.assertAllInRange(boxes[:, ::2], 0.0, width)
            self.assertAllInRange(boxes[:, 1::2], 0.0, height)
            self.assertAllGreater(boxes[:, 2:] - boxes[:, :2], 0.0)
        self.assertAllEqual(found[~valid], np.zeros([np.count_nonzero(~valid), 4]))

    def test_no_gradient_passes(self):
        with tf.GradientTape() as tape:
            predictions = self.network.predict(self.pyramid(), training=True)
            found, _ = self.network.propose(predictions, tf.constant([[64, 96]] * 2), 50, 20)
            total = tf.reduce_sum(found)
        gradients = tape.gradient(total, self.network.head.trainable_variables)
        self.assertEqual(gradients, [None] * len(gradients))

    def test_at_most_so_many_of_a_level_are_looked_at(self):
        predictions = _predictions(self.network, _untrained)
        _, valid = self.network.propose(predictions, tf.constant([[64, 96]]), 2, 20)
        self.assertLessEqual(np.count_nonzero(valid), 2 * len(_STRIDES))

    def test_a_head_that_says_nonsense_proposes_nothing(self):
        def nonsense(anchors):
            return tf.fill([len(anchors)], float("nan")), tf.fill(anchors.shape, float("nan"))

        predictions = _predictions(self.network, nonsense)
        found, valid = self.network.propose(predictions, tf.constant([[64, 96]]), 50, 20)
        self.assertAllEqual(valid, np.zeros([1, 20], bool))
        self.assertAllEqual(found, np.zeros([1, 20, 4]))

    def test_codes_beyond_every_number_stay_inside(self):
        def far(anchors):
            codes = tf.constant([[1e38, -1e38, 1e38, 1e38], [0.0, 0.0, 1e38, 1e38]])
            return tf.zeros(len(anchors)), tf.gather(codes, tf.range(len(anchors)) % 2)

        predictions = _predictions(self.network, far)
        found, valid = self.network.propose(predictions, tf.constant([[64, 96]]), 50, 20)
        self.assertAllInRange(found, 0.0, 96.0)
        self.assertTrue(valid[0, 0])

    @parameterized.parameters(1, 3)
    def test_a_graph_of_unknown_dimensions(self, batch):
        specs = {stride: tf.TensorSpec([None, None, None, 6], tf.float32) for stride in _STRIDES}

        @tf.function(input_signature=[specs, tf.TensorSpec([None, 2], tf.int32)])
        def graph(pyramid, sizes):
            return self.network.propose(self.network.predict(pyramid), sizes, 50, 20)

        pyramid, sizes = self.pyramid(batch), tf.constant([[60, 90]] * batch)
        expected = self.network.propose(self.network.predict(pyramid), sizes, 50, 20)
        found = graph(pyramid, sizes)
        self.assertAllClose(found[0], expected[0], atol=1e-3)
        self.assertAllEqual(found[1], expected[1])


if __name__ == "__main__":
    tf.test.main()
