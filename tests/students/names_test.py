"""Tests of kdcl_tf.students.names."""

import inspect
import pathlib
import subprocess
import sys

from absl.testing import absltest, parameterized

from kdcl_tf.students import names

_ROOT = pathlib.Path(__file__).resolve().parents[2]


class NamesTest(parameterized.TestCase):
    @parameterized.parameters(
        ("resnet18", True),
        ("mobilenet_v2_0.5", True),
        ("keras:ResNet50V2", True),
        ("./resnet18", False),
        ("resnet18/", False),
        ("resnet18.keras", False),
        ("resnet17", False),
        ("imagenet", False),
        ("", False),
    )
    def test_a_path_is_no_name(self, text, expected):
        self.assertEqual(names.is_name(text), expected)

    @parameterized.parameters(
        ("resnet8", "cifar_resnet", 8, 1),
        ("resnet32", "cifar_resnet", 32, 1),
        ("resnet110", "cifar_resnet", 110, 1),
        ("resnet1202", "cifar_resnet", 1202, 1),
        ("resnet18", "resnet", 18, 1),
        ("resnet34", "resnet", 34, 1),
        ("resnet101", "resnet", 101, 1),
        # 6n+2 too, but these two names are known from ImageNet.
        ("resnet50", "resnet", 50, 1),
        ("resnet152", "resnet", 152, 1),
        ("mobilenet_v2", "mobilenet_v2", 0, 1.0),
        ("mobilenet_v2_0.5", "mobilenet_v2", 0, 0.5),
        ("mobilenet_v2_1.2", "mobilenet_v2", 0, 1.2),
        ("mobilenet_v2_2", "mobilenet_v2", 0, 2.0),
        ("wrn_10_1", "wide_resnet", 10, 1),
        ("wrn_16_2", "wide_resnet", 16, 2),
        ("wrn_28_10", "wide_resnet", 28, 10),
    )
    def test_parse(self, name, family, depth, width):
        self.assertEqual(names.parse(name), (family, depth, width, ""))
        self.assertIsNone(names.validate(name))
        self.assertIsNone(names.validate_branches(name))
        self.assertEqual(names.model_name_of(name), name)

    @parameterized.parameters(
        ("mobilenet_v2", "mobilenet_v2_1.0", True),
        ("mobilenet_v2_1", "mobilenet_v2_1.0", True),
        ("mobilenet_v2", "mobilenet_v2_0.5", False),
        ("keras:VGG16", "keras:VGG16", True),
        ("keras:VGG16", "keras:VGG19", False),
        ("resnet8", "", False),
        ("faster", "faster", True),
    )
    def test_one_network_may_have_several_names(self, first, second, same):
        self.assertEqual(names.same(first, second), same)
        self.assertEqual(names.same(second, first), same)

    def test_a_classifier_of_keras(self):
        found = names.parse("keras:ResNet50V2")
        self.assertEqual((found.family, found.classifier), ("keras", "ResNet50V2"))
        self.assertEqual(names.model_name_of("keras:ResNet50V2"), "keras_ResNet50V2")
        with self.assertRaisesRegex(ValueError, "'keras:VGG16' cannot have branches.*resnet18"):
            names.validate_branches("keras:VGG16")

    def test_the_classifiers_of_keras_are_read_without_it(self):
        found = names.keras_classifiers()
        self.assertContainsSubset(["MobileNetV2", "EfficientNetV2B0", "Xception"], found)
        import keras

        self.assertEqual(
            set(found),
            {
                name
                for name in dir(keras.applications)
                if inspect.isfunction(getattr(keras.applications, name))
            },
        )

    @parameterized.parameters(
        (
            "resnet33",
            "unknown student 'resnet33': depth must be 6n+2 (8, 14, 20, 32, ... 1202) for "
            "CIFAR or 18, 34, 50, 101 or 152 for ImageNet; the nearest are resnet32 and resnet34",
        ),
        (
            "resnet2",
            "unknown student 'resnet2': depth must be 6n+2 (8, 14, 20, 32, ... 1202) for "
            "CIFAR or 18, 34, 50, 101 or 152 for ImageNet; the nearest is resnet8",
        ),
        (
            "mobilenet_v2_0.0",
            "unknown student 'mobilenet_v2_0.0': width must be more than 0, at most 100 "
            "(0.5, 0.75, 1.2); the nearest is mobilenet_v2_0.35",
        ),
        (
            "keras:resnet50v3",
            "unknown student 'keras:resnet50v3': expected a classifier of keras.applications; "
            "the nearest are keras:ResNet50V2 and keras:ResNet50",
        ),
        (
            "wrn_17_2",
            "unknown student 'wrn_17_2': depth must be 6n+4 (10, 16, 22, ... 1204); "
            "the nearest are wrn_16_2 and wrn_22_2",
        ),
        (
            "wrn_4_3",
            "unknown student 'wrn_4_3': depth must be 6n+4 (10, 16, 22, ... 1204); "
            "the nearest is wrn_10_3",
        ),
        (
            "wrn_16_0",
            "unknown student 'wrn_16_0': width must be 1 to 100 (1, 2, 4, 10); "
            "the nearest is wrn_16_1",
        ),
        (
            "resnet9998",
            "unknown student 'resnet9998': depth must be 6n+2 (8, 14, 20, 32, ... 1202) for "
            "CIFAR or 18, 34, 50, 101 or 152 for ImageNet; the nearest is resnet1202",
        ),
        (
            "wrn_16_200",
            "unknown student 'wrn_16_200': width must be 1 to 100 (1, 2, 4, 10); "
            "the nearest is wrn_16_100",
        ),
        (
            "foo",
            "unknown student 'foo': expected resnet<18, 34, 50, 101 or 152>, resnet<6n+2> "
            "(resnet32), wrn_<6n+4>_<width> (wrn_16_2), mobilenet_v2, mobilenet_v2_<width> "
            "(mobilenet_v2_0.5) or keras:<classifier> (keras:ResNet50V2)",
        ),
    )
    def test_message_says_what_came_and_what_would_do(self, name, message):
        with self.assertRaises(ValueError) as caught:
            names.validate(name)
        self.assertEqual(str(caught.exception), message)

    @parameterized.parameters(0, 3, 9, 13, 17, 33, 49, 100, 151, 1208, 9998)
    def test_the_names_it_suggests_are_valid(self, depth):
        for name in (f"resnet{depth}", f"wrn_{depth + 2}_0"):
            with self.assertRaises(ValueError) as caught:
                names.validate(name)
            _, _, suggested = str(caught.exception).partition("the nearest ")
            for suggestion in suggested.split(" ", 1)[1].split(" and "):
                names.validate(suggestion)

    @parameterized.parameters(
        "", "resnet", "ResNet32", "resnet-32", "resnet_32", "resnet032", "resnet32 ", "resnet32\n",
        "resnet-2", "resnet٣٢", "wrn_16", "wrn-16-2", "wrn_16_2_1", "wrn_16_02", "wrn_16_1.5",
        "mobilenet_v2_", "mobilenet_v2_.5", "mobilenet_v2_1.", "mobilenet_v2_-1", "mobilenet",
        "mobilenet_v2_00.5", "mobilenet_v2_1000", "mobilenet_v2_nan", "mobilenet_v2_1e9",
        "keras:", "keras:a b", "keras:vgg16.VGG16", "keras:_x", "keras:VGG16\n", "VGG16",
        None, 32, b"resnet32",
    )  # fmt: skip
    def test_one_spelling_only(self, name):
        with self.assertRaisesRegex(ValueError, "^unknown student .*: expected resnet") as caught:
            names.validate(name)
        self.assertNotIn("\n", str(caught.exception))

    def test_needs_no_tensorflow(self):
        program = (
            "import sys; from kdcl_tf import students; students.validate('keras:VGG16'); "
            "print([m for m in ('tensorflow', 'keras', 'numpy') if m in sys.modules])"
        )
        result = subprocess.run(
            [sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, check=True
        )
        self.assertEqual(result.stdout.strip(), "[]")


if __name__ == "__main__":
    absltest.main()
