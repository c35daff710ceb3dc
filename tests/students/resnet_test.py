"""Tests of kdcl_tf.students.resnet."""

import keras
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students
from kdcl_tf.students import resnet
from tests.students.plain_layers import PlainLayers, images, move_statistics


def _by_hand(depth, num_classes):
    """Trainable parameters of a ResNet on three channels, from the paper's Table 1."""
    count, inputs = 7 * 7 * 3 * 64 + 2 * 64, 64
    for filters, blocks in zip((64, 128, 256, 512), resnet.BLOCKS[depth]):
        outputs = filters if depth < 50 else 4 * filters
        for _ in range(blocks):
            if depth < 50:
                count += 9 * inputs * filters + 9 * filters * filters + 4 * filters
            else:
                count += inputs * filters + 9 * filters**2 + filters * outputs
                count += 4 * filters + 2 * outputs
            if inputs != outputs:
                count += inputs * outputs + 2 * outputs
            inputs = outputs
    return count + inputs * num_classes + num_classes


def _plain(model, depth, x):
    """The forward pass at inference, written out."""
    plain = PlainLayers(model)

    def conv_norm(x, name, number, stride=1):
        x = plain.convolution(x, f"{name}_conv{number}", stride)
        return plain.norm(x, f"{name}_norm{number}")

    x = tf.nn.relu(conv_norm(x, "stem", "", 2))
    x = plain.max_pool(x)
    for stage, blocks in enumerate(resnet.BLOCKS[depth], start=1):
        for index in range(1, blocks + 1):
            name = f"stage{stage}_block{index}"
            stride = 2 if stage > 1 and index == 1 else 1
            if depth < 50:
                y = tf.nn.relu(conv_norm(x, name, 1, stride))
                y = conv_norm(y, name, 2)
            else:
                y = tf.nn.relu(conv_norm(x, name, 1))
                y = tf.nn.relu(conv_norm(y, name, 2, stride))
                y = conv_norm(y, name, 3)
            if x.shape != y.shape:
                x = plain.convolution(x, f"{name}_shortcut_conv", stride)
                x = plain.norm(x, f"{name}_shortcut_norm")
            x = tf.nn.relu(x + y)
    return plain.logits(x)


class ResNetTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((18, 11_689_512), (50, 25_557_032))
    def test_trainable_parameters_with_1000_classes(self, depth, count):
        model = students.build(f"resnet{depth}", 1000, (224, 224, 3))
        self.assertEqual(students.parameter_count(model), count)
        self.assertEqual(_by_hand(depth, 1000), count)

    def test_the_deeper_ones_by_hand(self):
        for depth, count in ((34, 21_797_672), (101, 44_549_160), (152, 60_192_808)):
            self.assertEqual(_by_hand(depth, 1000), count)

    @parameterized.parameters(34, 101, 152)
    @pytest.mark.slow
    def test_the_deeper_ones_are_what_the_hand_counts(self, depth):
        model = students.build(f"resnet{depth}", 10, (32, 32, 3))
        self.assertEqual(students.parameter_count(model), _by_hand(depth, 10))

    @parameterized.product(depth=(18, 50), size=(64, 75))
    def test_a_forward_pass_is_the_papers(self, depth, size):
        model = students.build(f"resnet{depth}", 10, (size, size, 3))
        move_statistics(model)
        x = images(model)
        wanted = _plain(model, depth, x)
        self.assertGreater(float(tf.math.reduce_std(wanted)), 0.1)
        scale = float(tf.reduce_max(tf.abs(wanted)))
        self.assertAllClose(model(x, training=False) / scale, wanted / scale, atol=1e-4)

    def test_the_bottleneck_halves_in_its_3x3(self):
        model = students.build("resnet50", 10, (64, 64, 3))
        shapes = {
            f"stage2_block1_{name}": model.get_layer(f"stage2_block1_{name}").output.shape[1:]
            for name in ("conv1", "conv2", "conv3", "shortcut_conv")
        }
        self.assertEqual(
            list(shapes.values()), [(16, 16, 128), (8, 8, 128), (8, 8, 512), (8, 8, 512)]
        )

    @parameterized.parameters(32, 96)
    def test_small_images_train(self, size):
        model = students.build("resnet18", 2, (size, size, 3))
        x, labels = images(model, count=8), tf.constant([0, 1] * 4)
        x += 2.0 * labels.numpy()[:, None, None, None]
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        # Three steps, for which no graph is worth its tracing.
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss, run_eagerly=True)
        before = float(loss(labels, model(x, training=True)))
        model.fit(x, labels, epochs=3, verbose=0)
        self.assertLess(float(loss(labels, model(x, training=True))), before)


if __name__ == "__main__":
    tf.test.main()
