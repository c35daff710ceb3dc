"""Tests of kdcl_tf.students.mobilenet_v2."""

import keras
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students
from kdcl_tf.students import mobilenet_v2
from tests.students.plain_layers import PlainLayers, images, move_statistics

# Table 2 of the paper: expansion, channels, repeats, stride of the first.
_ROWS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _blocks():
    """(layers' prefix, expansion, channels, stride) of the paper's 17 blocks."""
    rows = [
        (expansion, channels, stride if repeat == 0 else 1)
        for expansion, channels, repeats, stride in _ROWS
        for repeat in range(repeats)
    ]
    stage = index = 0
    for number, (expansion, channels, stride) in enumerate(rows):
        if stride == 2:
            stage, index = stage + 1, 0
        index += 1
        name = "stem_block" if number == 0 else f"stage{stage}_block{index}"
        yield name, expansion, channels, stride


def _by_hand(num_classes):
    """Trainable parameters at width 1 on three channels."""
    count, inputs = 9 * 3 * 32 + 2 * 32, 32
    for _, expansion, channels, _ in _blocks():
        hidden = expansion * inputs
        if expansion > 1:
            count += inputs * hidden + 2 * hidden
        count += 9 * hidden + 2 * hidden + hidden * channels + 2 * channels
        inputs = channels
    return count + inputs * 1280 + 2 * 1280 + 1280 * num_classes + num_classes


def _plain(model, x):
    """The forward pass at inference, written out."""
    plain = PlainLayers(model)
    relu6 = lambda x: tf.clip_by_value(x, 0.0, 6.0)  # noqa: E731
    x = relu6(plain.norm(plain.convolution(x, "stem_conv", 2), "stem_norm"))
    for name, expansion, _, stride in _blocks():
        y = x
        if expansion > 1:
            y = plain.convolution(y, f"{name}_expand_conv")
            y = relu6(plain.norm(y, f"{name}_expand_norm"))
        y = plain.depthwise(y, f"{name}_depthwise_conv", stride)
        y = relu6(plain.norm(y, f"{name}_depthwise_norm"))
        y = plain.convolution(y, f"{name}_project_conv")
        y = plain.norm(y, f"{name}_project_norm")
        x = x + y if x.shape == y.shape else y
    return plain.logits(relu6(plain.norm(plain.convolution(x, "head_conv"), "head_norm")))


class MobileNetV2Test(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ("mobilenet_v2", 3_504_872),
        ("mobilenet_v2_1.0", 3_504_872),
        ("mobilenet_v2_0.5", 1_968_680),
        ("mobilenet_v2_1.2", 4_725_992),
        ("mobilenet_v2_0.35", 1_677_128),
    )
    def test_trainable_parameters_with_1000_classes(self, name, count):
        model = students.build(name, 1000, (32, 32, 3))
        self.assertEqual(students.parameter_count(model), count)

    def test_width_one_by_hand(self):
        self.assertEqual(_by_hand(1000), 3_504_872)

    def test_the_pair_of_table_3(self):
        """ResNet-18 and MobileNetV2 x 1.2 have 16.4M parameters."""
        model = students.build("mobilenet_v2_1.2", 1000, (32, 32, 3))
        self.assertEqual(round((11_689_512 + students.parameter_count(model)) / 1e6, 1), 16.4)

    @parameterized.parameters(
        (3.2, 8), (11.9, 16), (12.0, 16), (11.2, 16), (16, 16), (19.2, 24), (28.8, 32),
        (38.4, 40), (67.2, 64), (115.2, 112), (1536, 1536), (8.4, 8), (0.1, 8),
    )  # fmt: skip
    def test_channels_are_rounded_to_eighths(self, filters, wanted):
        self.assertEqual(mobilenet_v2.rounded(filters), wanted)

    def test_rounding_loses_at_most_a_tenth(self):
        for filters in (each / 10 for each in range(1, 20_000)):
            rounded = mobilenet_v2.rounded(filters)
            self.assertEqual(rounded % 8, 0)
            self.assertGreaterEqual(rounded, 0.9 * filters)

    @parameterized.parameters(("0.01", 8, 1280), ("0.5", 160, 1280), ("2", 640, 2560))
    def test_the_last_convolution_only_grows(self, width, before, features):
        model = students.build(f"mobilenet_v2_{width}", 10, (32, 32, 3))
        kernel = model.get_layer("head_conv").kernel
        self.assertEqual(kernel.shape, (1, 1, before, features))

    @parameterized.product(name=("mobilenet_v2", "mobilenet_v2_0.5"), size=(32, 75))
    def test_a_forward_pass_is_the_papers(self, name, size):
        model = students.build(name, 10, (size, size, 3))
        move_statistics(model)
        x = 4.0 * images(model)  # Which reaches the 6, or relu would do as well.
        wanted = _plain(model, x)
        stem = keras.Model(model.input, model.get_layer("stem_relu").output)(x)
        self.assertEqual(float(tf.reduce_max(stem)), 6.0)
        scale = float(tf.reduce_max(tf.abs(wanted)))
        self.assertAllClose(model(x, training=False) / scale, wanted / scale, atol=1e-4)

    def test_depthwise_kernels_begin_as_pytorchs(self):
        model = students.build("mobilenet_v2", 10, (32, 32, 3))
        kernel = model.get_layer("stage4_block4_depthwise_conv").kernel.numpy()
        self.assertEqual(kernel.shape, (3, 3, 960, 1))
        self.assertAllClose(kernel.std(), (2 / (9 * 960)) ** 0.5, rtol=0.03)


if __name__ == "__main__":
    tf.test.main()
