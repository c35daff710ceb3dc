"""Tests of kdcl_tf.data.formats.rules."""

import math

from absl.testing import absltest, parameterized

from kdcl_tf.data.formats import rules as rules_lib


class ImageRulesTest(parameterized.TestCase):
    def test_limits_are_inclusive(self):
        rules = rules_lib.ImageRules(max_image_megabytes=1.5, max_image_megapixels=0.012)
        self.assertEqual(rules.max_bytes, 1_500_000)
        rules.check_pixels(100, 120)
        with self.assertRaisesRegex(
            ValueError, r"at most 0.012 megapixels; got 120 x 101, .* raise max_image_megapixels"
        ):
            rules.check_pixels(120, 101)

    def test_an_image_without_pixels_is_refused(self):
        with self.assertRaisesRegex(ValueError, "expected at least one pixel; got 0 x 9"):
            rules_lib.ImageRules().check_pixels(0, 9)

    @parameterized.product(
        name=("max_image_megabytes", "max_image_megapixels"), value=(0, -1, math.nan, math.inf)
    )
    def test_limits_are_positive_numbers(self, name, value):
        with self.assertRaisesRegex(ValueError, f"{name}: expected a number above 0; got"):
            rules_lib.ImageRules(**{name: value})

    def test_the_limits_of_a_run_are_taken_where_none_are_given(self):
        settings = {"max_image_megabytes": "2.5", "max_image_megapixels": "20.0"}
        card = {"identity": {"settings": settings}}
        found = rules_lib.ImageRules().limited_as(card)
        self.assertEqual((found.max_image_megabytes, found.max_image_megapixels), (2.5, 20.0))
        given = rules_lib.ImageRules(max_image_megapixels=30.0).limited_as(card)
        self.assertEqual((given.max_image_megabytes, given.max_image_megapixels), (2.5, 30.0))
        self.assertEqual(rules_lib.ImageRules().limited_as({}), rules_lib.ImageRules())

    def test_what_is_said_of_a_file(self):
        self.assertEqual(
            rules_lib.too_many_bytes(3_000_000_000, 256_000_000),
            "expected at most 256 MB for an image; got 3000 MB; raise max_image_megabytes if the"
            " image is meant to be that large",
        )


if __name__ == "__main__":
    absltest.main()
