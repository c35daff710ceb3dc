"""Tests of kdcl_tf.students.families: a family that is forgotten in one place is an error."""

import importlib
import subprocess
import sys

from absl.testing import absltest, parameterized

from kdcl_tf import students
from kdcl_tf.students import families, names

_ONE_OF_EACH = {
    "cifar_resnet": "resnet8",
    "wide_resnet": "wrn_10_1",
    "resnet": "resnet18",
    "mobilenet_v2": "mobilenet_v2_0.5",
    "keras": "keras:MobileNetV3Small",
}


class FamiliesTest(parameterized.TestCase):
    def test_each_has_a_name_and_each_name_a_family(self):
        self.assertEqual({names.parse(name).family for name in _ONE_OF_EACH.values()},
                         set(families.FAMILIES))  # fmt: skip

    @parameterized.parameters(*(name for name in _ONE_OF_EACH if name != "keras"))
    def test_each_has_a_module_that_makes_its_parts(self, family):
        module = importlib.import_module(f"kdcl_tf.students.{family}")
        self.assertTrue(callable(module.parts))

    @parameterized.parameters(*_ONE_OF_EACH.items())
    def test_the_smallest_image_is_taken_and_a_smaller_one_is_not(self, family, name):
        smallest = families.FAMILIES[family].smallest_image
        students.validate_size(name, smallest)
        if smallest > 1:
            with self.assertRaisesRegex(ValueError, f"expected {smallest} or more pixels a side"):
                students.validate_size(name, smallest - 1)

    def test_a_family_without_a_row_is_an_error_and_no_other_network(self):
        with self.assertRaisesRegex(KeyError, "levels"):
            # A module of the package without a row.
            families.parts(names.StudentName("levels", depth=8), 10, None)

    def test_importing_it_does_not_import_keras(self):
        program = (
            "import sys; from kdcl_tf.students import families; "
            "print({'tensorflow', 'keras', 'numpy'} & set(sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual(done.stdout.strip(), "set()", done.stderr)


if __name__ == "__main__":
    absltest.main()
