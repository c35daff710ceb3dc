"""Tests of kdcl_tf.students.cifar_resnet."""

import keras
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students
from kdcl_tf.students import cifar_resnet
from kdcl_tf.students.layers import Layers
from tests.students.plain_layers import PlainLayers, images, move_statistics


def _by_hand(depth, num_classes):
    """Trainable parameters of a ResNet on three channels, from the paper's table."""
    blocks = (depth - 2) // 6
    count = 3 * 3 * 3 * 16 + 2 * 16
    inputs = 16
    for filters in (16, 32, 64):
        for block in range(blocks):
            count += 9 * inputs * filters + 9 * filters * filters + 4 * filters
            if block == 0 and filters > 16:
                count += inputs * filters + 2 * filters
            inputs = filters
    return count + 64 * num_classes + num_classes


def _plain(model, depth, x):
    """The forward pass at inference, written out with PyTorch's paddings."""
    plain = PlainLayers(model)

    def conv_norm(x, name, stride=1, number=""):
        x = plain.convolution(x, f"{name}_conv{number}", stride)
        return plain.norm(x, f"{name}_norm{number}")

    x = tf.nn.relu(conv_norm(x, "stem"))
    for stage in (1, 2, 3):
        for index in range(1, (depth - 2) // 6 + 1):
            name = f"stage{stage}_block{index}"
            stride = 2 if stage > 1 and index == 1 else 1
            y = tf.nn.relu(conv_norm(x, name, stride, 1))
            y = conv_norm(y, name, 1, 2)
            x = x if x.shape == y.shape else conv_norm(x, f"{name}_shortcut", stride)
            x = tf.nn.relu(x + y)
    return plain.logits(x)


class ResNetTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ("resnet8", 83_892),
        ("resnet20", 278_324),
        ("resnet32", 472_756),
        ("resnet56", 861_620),
        ("resnet110", 1_736_564),
    )
    def test_trainable_parameters_with_100_classes(self, name, count):
        self.assertEqual(students.parameter_count(students.build(name, 100)), count)
        self.assertEqual(_by_hand(int(name.removeprefix("resnet")), 100), count)

    def test_the_projections_are_what_the_original_has_not(self):
        model = students.build("resnet32", 100)
        projections = [layer for layer in model.layers if "shortcut" in layer.name]
        self.assertLen(projections, 4)
        extra = sum(students.parameter_count(layer) for layer in projections)
        self.assertEqual(students.parameter_count(model) - extra, 470_004)

    @parameterized.parameters(8, 14, 20, 32)
    def test_depth_counts_the_layers_with_weights(self, depth):
        model = students.build(f"resnet{depth}", 10)
        weighted = [
            layer
            for layer in model.layers
            if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense))
            and "shortcut" not in layer.name
        ]
        self.assertLen(weighted, depth)

    def test_feature_maps_of_the_stages(self):
        model = students.build("resnet14", 10)
        for name, shape in (
            ("stem_relu", (None, 32, 32, 16)),
            ("stage1_block2_relu2", (None, 32, 32, 16)),
            ("stage2_block1_shortcut_conv", (None, 16, 16, 32)),
            ("stage2_block2_relu2", (None, 16, 16, 32)),
            ("stage3_block2_relu2", (None, 8, 8, 64)),
            ("logits", (None, 10)),
        ):
            self.assertEqual(model.get_layer(name).output.shape, shape, name)

    def test_a_block_is_the_papers(self):
        """relu(norm(conv(relu(norm(conv(x))))) + x), layer by layer from its weights."""
        model = students.build("resnet8", 10, (8, 8, 3))
        x = tf.random.stateless_normal([2, 8, 8, 16], [1, 2])
        y = x
        for number in (1, 2):
            kernel = model.get_layer(f"stage1_block1_conv{number}").kernel
            y = tf.nn.conv2d(y, kernel.value, 1, "SAME") / (1 + 1e-5) ** 0.5
            y = tf.nn.relu(y if number == 1 else y + x)
        features = keras.Model(
            model.get_layer("stem_relu").output, model.get_layer("stage1_block1_relu2").output
        )
        self.assertAllClose(features(x), y, atol=1e-5)

    @parameterized.product(depth=(8, 14, 32), size=(32, 33, 7))
    def test_a_forward_pass_is_pytorchs(self, depth, size):
        model = students.build(f"resnet{depth}", 10, (size, size, 3))
        move_statistics(model)
        x = images(model)
        wanted = _plain(model, depth, x)
        self.assertGreater(float(tf.math.reduce_std(wanted)), 0.1)
        scale = float(tf.reduce_max(tf.abs(wanted)))
        self.assertAllClose(model(x, training=False) / scale, wanted / scale, rtol=0, atol=1e-5)

    def test_branches_share_the_lower_stages(self):
        *lower, stage3, head = cifar_resnet.parts(8, 10, Layers())
        images = x = keras.Input((8, 8, 3))
        for part in lower:
            x = part(x)
        branches = [head(stage3(x, f"branch{b}_"), f"branch{b}_") for b in (1, 2)]
        model = keras.Model(images, branches)
        names = [layer.name for layer in model.layers]
        self.assertIn("stage2_block1_conv1", names)
        self.assertContainsSubset(["branch1_stage3_block1_conv1", "branch2_logits"], names)
        own = 32 * 64 * 9 + 64 * 64 * 9 + 32 * 64 + 6 * 64 + 65 * 10
        self.assertEqual(students.parameter_count(model), _by_hand(8, 10) + own)


if __name__ == "__main__":
    tf.test.main()
