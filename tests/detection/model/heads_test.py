"""Tests of kdcl_tf.detection.model.heads."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.detection.model import heads

_HEADS = {
    "proposal": lambda dtype=None: heads.proposal_head(8, 3, dtype),
    "box": lambda dtype=None: heads.box_head(8, 5, 7, dtype),
    "mask": lambda dtype=None: heads.mask_head(8, 5, 14, dtype),
}
_INPUTS = {"proposal": [2, 6, 9, 8], "box": [4, 7, 7, 8], "mask": [4, 14, 14, 8]}


def _run(name, dtype=None):
    head = _HEADS[name](dtype)
    inputs = tf.random.stateless_normal(_INPUTS[name], [0, 0])
    return head, tf.nest.flatten(head(inputs))


class HeadsTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ("proposal", [[2, 6, 9, 3], [2, 6, 9, 12]]),
        ("box", [[4, 6], [4, 5, 4]]),
        ("mask", [[4, 28, 28, 5]]),
    )
    def test_shapes(self, name, shapes):
        _, outputs = _run(name)
        self.assertEqual([each.shape.as_list() for each in outputs], shapes)

    @parameterized.parameters(
        # 3x3 convolution, then 15 numbers a position.
        ("proposal", 9 * 8 * 8 + 8 + 15 * (8 + 1)),
        # Two layers of 1024, then 6 logits and 20 codes.
        ("box", (49 * 8 + 1) * 1024 + 1025 * 1024 + 1025 * 26),
        # Four 3x3 convolutions, a 2x2 one that enlarges, a 1x1 one.
        ("mask", 4 * (9 * 8 * 8 + 8) + (4 * 8 * 8 + 8) + 9 * 5),
    )
    def test_parameter_counts(self, name, count):
        self.assertEqual(_HEADS[name]().count_params(), count)

    def test_parameters_of_the_papers_on_coco(self):
        counts = [
            heads.proposal_head(256, 3).count_params(),
            heads.box_head(256, 80, 7).count_params(),
            heads.mask_head(256, 80, 14).count_params(),
        ]
        self.assertEqual(counts, [593_935, 14_306_705, 2_643_280])

    @parameterized.parameters(*_HEADS)
    def test_predictions_are_float32_under_mixed_precision(self, name):
        head, outputs = _run(name, "mixed_bfloat16")
        self.assertEqual({each.dtype for each in outputs}, {tf.float32})
        self.assertEqual({weight.dtype for weight in head.weights}, {"float32"})
        computed = {layer.compute_dtype for layer in head.layers}
        self.assertEqual(computed, {"bfloat16", "float32"})

    @parameterized.parameters(*_HEADS)
    def test_the_global_policy_is_that_of_none(self, name):
        keras.config.set_dtype_policy("mixed_bfloat16")
        self.addCleanup(keras.config.set_dtype_policy, "float32")
        _, outputs = _run(name)
        self.assertEqual({each.dtype for each in outputs}, {tf.float32})

    @parameterized.parameters(*_HEADS)
    def test_fresh_heads_say_little(self, name):
        for each in _run(name)[1]:
            self.assertLess(np.abs(each).max(), 1.0)

    def test_the_proposal_head_takes_levels_of_any_size(self):
        head = _HEADS["proposal"]()
        features = tf.random.stateless_normal([1, 5, 4, 8], [0, 0])
        alone = head(features)[0][:, 1:3, 1:3]
        wider = head(tf.pad(features, [[0, 0], [0, 3], [0, 2], [0, 0]]))[0][:, 1:3, 1:3]
        self.assertAllClose(alone, wider, atol=1e-6)

    def test_the_box_of_a_class_is_of_its_own_weights(self):
        head = _HEADS["box"]()
        codes = head.get_layer("codes")
        bias = np.arange(20.0)
        codes.set_weights([np.zeros([1024, 20]), bias])
        found = head(tf.zeros([1, 7, 7, 8]))[1]
        self.assertAllEqual(found, bias.reshape(1, 5, 4))


class DeviationTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        (lambda: heads.proposal_head(64, 3), "conv", 0.01),
        (lambda: heads.proposal_head(64, 3), "codes", 0.01),
        (lambda: heads.box_head(16, 80, 7), "classes", 0.01),
        (lambda: heads.box_head(16, 80, 7), "codes", 0.001),
        (lambda: heads.box_head(16, 80, 7), "dense1", (16 * 49) ** -0.5),
        (lambda: heads.mask_head(64, 80, 14), "masks", 0.001),
        (lambda: heads.mask_head(64, 80, 14), "conv1", (2 / (9 * 64)) ** 0.5),
    )
    def test_fresh_weights_have_the_deviation_of_the_papers(self, build, layer, deviation):
        kernel, bias = build().get_layer(layer).get_weights()
        self.assertAllClose(kernel.std(), deviation, rtol=0.1)
        self.assertAllEqual(bias, np.zeros(bias.shape))


if __name__ == "__main__":
    tf.test.main()
