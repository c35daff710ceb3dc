"""Tests of kdcl_tf.students.wide_resnet."""

import keras
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students
from tests.students.plain_layers import PlainLayers, images, move_statistics


def _by_hand(depth, width, num_classes):
    """Trainable parameters of WRN-depth-width on three channels, from the paper's table."""
    blocks = (depth - 4) // 6
    count = 3 * 3 * 3 * 16
    inputs = 16
    for filters in (16 * width, 32 * width, 64 * width):
        for _ in range(blocks):
            count += 2 * inputs + 9 * inputs * filters + 2 * filters + 9 * filters * filters
            if inputs != filters:
                count += inputs * filters
            inputs = filters
    return count + 2 * inputs + inputs * num_classes + num_classes


def _plain(model, depth, x):
    """The forward pass at inference, written out with PyTorch's paddings."""
    plain = PlainLayers(model)

    def activate(x, name, number=""):
        return tf.nn.relu(plain.norm(x, f"{name}_norm{number}"))

    x = plain.convolution(x, "stem_conv")
    for stage in (1, 2, 3):
        for index in range(1, (depth - 4) // 6 + 1):
            name = f"stage{stage}_block{index}"
            stride = 2 if stage > 1 and index == 1 else 1
            a = activate(x, name, 1)
            y = plain.convolution(a, f"{name}_conv1", stride)
            y = plain.convolution(activate(y, name, 2), f"{name}_conv2")
            x = x if x.shape == y.shape else plain.convolution(a, f"{name}_shortcut_conv", stride)
            x = x + y
    return plain.logits(activate(x, "head"))


class WideResNetTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        (16, 1, 180_916),
        (16, 2, 703_284),
        (40, 1, 569_780),
        (40, 2, 2_255_156),
    )
    def test_trainable_parameters_with_100_classes(self, depth, width, count):
        model = students.build(f"wrn_{depth}_{width}", 100)
        self.assertEqual(students.parameter_count(model), count)
        self.assertEqual(_by_hand(depth, width, 100), count)

    def test_the_widest_by_hand_only(self):
        self.assertEqual(_by_hand(28, 10, 100), 36_536_884)
        self.assertEqual(_by_hand(28, 10, 10), 36_479_194)  # The authors' table: 36.5M.

    def test_feature_maps_of_the_stages(self):
        model = students.build("wrn_16_2", 10)
        for name, shape in (
            ("stem_conv", (None, 32, 32, 16)),
            ("stage1_block2_add", (None, 32, 32, 32)),
            ("stage2_block2_add", (None, 16, 16, 64)),
            ("stage3_block2_add", (None, 8, 8, 128)),
            ("head_relu", (None, 8, 8, 128)),
            ("logits", (None, 10)),
        ):
            self.assertEqual(model.get_layer(name).output.shape, shape, name)

    @parameterized.parameters((1, ["stage2", "stage3"]), (2, ["stage1", "stage2", "stage3"]))
    def test_shortcuts_are_convolved_only_where_the_shape_changes(self, width, stages):
        model = students.build(f"wrn_16_{width}", 10, (8, 8, 3))
        names = [layer.name for layer in model.layers if "shortcut" in layer.name]
        self.assertEqual(names, [f"{stage}_block1_shortcut_conv" for stage in stages])

    @parameterized.product(shape=((10, 1), (16, 2)), size=(32, 33, 7))
    def test_a_forward_pass_is_pytorchs(self, shape, size):
        depth, width = shape
        model = students.build(f"wrn_{depth}_{width}", 10, (size, size, 3))
        move_statistics(model)
        x = images(model)
        wanted = _plain(model, depth, x)
        self.assertGreater(float(tf.math.reduce_std(wanted)), 0.1)
        scale = float(tf.reduce_max(tf.abs(wanted)))
        self.assertAllClose(model(x, training=False) / scale, wanted / scale, rtol=0, atol=1e-5)

    def test_a_block_is_the_papers(self):
        """conv(relu(norm(conv(a)))) + shortcut(a), a = relu(norm(x)), from its weights."""
        model = students.build("wrn_10_2", 10, (8, 8, 3))
        x = tf.random.stateless_normal([2, 8, 8, 16], [1, 2])

        def convolve(y, layer):
            kernel = model.get_layer(f"stage1_block1_{layer}").kernel
            return tf.nn.conv2d(y, kernel.value, 1, "SAME")

        def activate(y):
            return tf.nn.relu(y / (1 + 1e-5) ** 0.5)

        a = activate(x)
        wanted = convolve(activate(convolve(a, "conv1")), "conv2") + convolve(a, "shortcut_conv")
        features = keras.Model(
            model.get_layer("stem_conv").output, model.get_layer("stage1_block1_add").output
        )
        self.assertAllClose(features(x), wanted, atol=1e-4)


if __name__ == "__main__":
    tf.test.main()
