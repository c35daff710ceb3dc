"""Tests of kdcl_tf.students.weights.torchvision, against what torchvision itself has."""

import hashlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students
from kdcl_tf.students.weights import torchvision
from tests.students.weights import torch_state


class TorchvisionTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(*torch_state.CHECKSUMS)
    def test_names_and_shapes_are_torchvisions(self, name):
        student = students.build(name, 1000, (32, 32, 3))
        lines = [
            f"{key} {','.join(map(str, shape))}"
            for key, shape in sorted(torch_state.shapes(student, name).items())
        ]
        found = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        self.assertEqual(found, torch_state.CHECKSUMS[name])

    @parameterized.parameters(
        (
            "resnet50",
            "stage4_block1_shortcut_norm/moving_variance",
            "layer4.0.downsample.1.running_var",
        ),
        ("resnet18", "stage2_block2_norm1/gamma", "layer2.1.bn1.weight"),
        ("resnet18", "logits/bias", "fc.bias"),
        ("mobilenet_v2", "stem_block_project_norm/beta", "features.1.conv.2.bias"),
        ("mobilenet_v2", "stage3_block5_depthwise_conv/kernel", "features.11.conv.1.0.weight"),
        (
            "mobilenet_v2",
            "stage4_block4_project_norm/moving_mean",
            "features.17.conv.3.running_mean",
        ),
    )
    def test_a_name(self, architecture, path, wanted):
        self.assertEqual(torchvision.of_student(path, architecture), wanted)

    def test_axes_are_turned_and_counters_left_over(self):
        arrays = {
            "features.0.0.weight": np.arange(24.0).reshape(4, 3, 2, 1),
            "features.1.conv.0.0.weight": np.arange(8.0).reshape(2, 1, 2, 2),
            "classifier.1.weight": np.arange(6.0).reshape(2, 3),
            "features.0.1.num_batches_tracked": np.array(1),
            "strange": np.zeros(1),
        }
        paths = ("stem_conv/kernel", "stem_block_depthwise_conv/kernel", "logits/kernel")
        found, left = torchvision.as_student(arrays, paths, "mobilenet_v2")
        self.assertEqual(left, ["features.0.1.num_batches_tracked"])
        self.assertEqual(
            found["stem_conv/kernel"][1, 0, 2, 3], arrays["features.0.0.weight"][3, 2, 1, 0]
        )
        depthwise = found["stem_block_depthwise_conv/kernel"]
        self.assertEqual(depthwise.shape, (2, 2, 2, 1))
        self.assertEqual(depthwise[0, 1, 1, 0], arrays["features.1.conv.0.0.weight"][1, 0, 0, 1])
        self.assertAllEqual(found["logits/kernel"], arrays["classifier.1.weight"].T)
        self.assertIn("strange", found)

    def test_a_student_that_torchvision_lacks_is_refused(self):
        with self.assertRaisesRegex(
            ValueError, "resnet18, 34, 50, 101, 152 or mobilenet_v2; got resnet8"
        ):
            torchvision.of_student("stem_conv/kernel", "resnet8")


if __name__ == "__main__":
    tf.test.main()
