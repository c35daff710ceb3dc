"""Tests of shortened errors."""

import tensorflow as tf

from kdcl_tf.data import errors


class OneLineTest(tf.test.TestCase):
    def test_line_breaks_go(self):
        self.assertEqual(errors.one_line(ValueError("a\n\n  b\n")), "a b")

    def test_tensorflows_wrapping_goes(self):
        with self.assertRaises(tf.errors.InvalidArgumentError) as raised:
            tf.io.decode_png(b"\x89PNG")
        line = errors.one_line(raised.exception)
        self.assertIn("PNG", line)
        self.assertNotRegex(line, r"function_node|\[Op:|\n")

    def test_cut(self):
        self.assertLen(errors.one_line(ValueError("x" * 9999)), 400)

    def test_nothing_to_say(self):
        self.assertEqual(errors.one_line(KeyboardInterrupt()), "KeyboardInterrupt")


if __name__ == "__main__":
    tf.test.main()
