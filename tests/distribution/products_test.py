"""Tests of kdcl_tf.distribution.products."""

from unittest import mock

import tensorflow as tf

from kdcl_tf.distribution import products, strategies


class ProductsTest(tf.test.TestCase):
    def _remark(self, precision, **seconds):
        times = mock.Mock(side_effect=lambda *dtypes: [seconds[each.name] for each in dtypes])
        with mock.patch.object(products, "seconds", times):
            return products.remark(precision)

    def test_a_line_says_how_much_slower_it_is(self):
        (line,) = self._remark("bfloat16", bfloat16=0.8, float32=0.5)
        self.assertRegex(line, "^--precision=bfloat16: here a matrix product .* takes 1.6 times as")

    def test_what_pays_needs_no_line(self):
        self.assertEmpty(self._remark("bfloat16", bfloat16=0.2, float32=0.4))
        self.assertEmpty(self._remark("float32"))

    def test_accelerators_are_not_asked(self):
        with mock.patch.object(strategies, "has_accelerators", return_value=True):
            self.assertEmpty(self._remark("float16"))

    def test_products_of_every_precision_are_timed(self):
        found = products.seconds(tf.float32, tf.bfloat16, tf.float16)
        self.assertLen(found, 3)
        self.assertAllGreater(found, 0.0)


if __name__ == "__main__":
    tf.test.main()
