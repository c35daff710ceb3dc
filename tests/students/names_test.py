"""Tests of kdcl_tf.students.names."""

import pathlib
import subprocess
import sys

from absl.testing import absltest, parameterized

from kdcl_tf.students import names

_ROOT = pathlib.Path(__file__).resolve().parents[2]


class NamesTest(parameterized.TestCase):
    @parameterized.parameters(
        ("resnet8", "resnet", 8, 1),
        ("resnet32", "resnet", 32, 1),
        ("resnet110", "resnet", 110, 1),
        ("resnet1202", "resnet", 1202, 1),
        ("wrn_10_1", "wide_resnet", 10, 1),
        ("wrn_16_2", "wide_resnet", 16, 2),
        ("wrn_28_10", "wide_resnet", 28, 10),
    )
    def test_parse(self, name, family, depth, width):
        self.assertEqual(names.parse(name), (family, depth, width))
        self.assertIsNone(names.validate(name))

    @parameterized.parameters(
        (
            "resnet33",
            "unknown student 'resnet33': depth must be 6n+2 (8, 14, 20, 32, 44, 56, 110); "
            "the nearest are resnet32 and resnet38",
        ),
        (
            "resnet2",
            "unknown student 'resnet2': depth must be 6n+2 (8, 14, 20, 32, 44, 56, 110); "
            "the nearest is resnet8",
        ),
        (
            "wrn_17_2",
            "unknown student 'wrn_17_2': depth must be 6n+4 (10, 16, 22, 28, 40); "
            "the nearest are wrn_16_2 and wrn_22_2",
        ),
        (
            "wrn_4_3",
            "unknown student 'wrn_4_3': depth must be 6n+4 (10, 16, 22, 28, 40); "
            "the nearest is wrn_10_3",
        ),
        (
            "wrn_16_0",
            "unknown student 'wrn_16_0': width must be 1 or more (1, 2, 4, 10); "
            "the nearest is wrn_16_1",
        ),
        (
            "foo",
            "unknown student 'foo': wanted resnet<6n+2> (resnet32) "
            "or wrn_<6n+4>_<width> (wrn_16_2)",
        ),
    )
    def test_message_says_what_came_and_what_would_do(self, name, message):
        with self.assertRaises(ValueError) as caught:
            names.validate(name)
        self.assertEqual(str(caught.exception), message)

    @parameterized.parameters(0, 3, 9, 13, 33, 100)
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
        None, 32, b"resnet32",
    )  # fmt: skip
    def test_one_spelling_only(self, name):
        with self.assertRaisesRegex(ValueError, "^unknown student .*: wanted resnet") as caught:
            names.validate(name)
        self.assertNotIn("\n", str(caught.exception))

    def test_needs_no_tensorflow(self):
        program = (
            "import sys; from kdcl_tf import students; students.validate('wrn_16_2'); "
            "print([m for m in ('tensorflow', 'keras', 'numpy') if m in sys.modules])"
        )
        result = subprocess.run(
            [sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, check=True
        )
        self.assertEqual(result.stdout.strip(), "[]")


if __name__ == "__main__":
    absltest.main()
