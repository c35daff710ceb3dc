"""Tests of kdcl_tf.files.escaping."""

import os
import random
import sys

from absl.testing import absltest, parameterized

from kdcl_tf.files import escaping

# Every character, and every byte that is not UTF-8.
_ALL = [chr(code) for code in range(sys.maxunicode + 1)]
_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


class EscapedTest(parameterized.TestCase):
    @parameterized.parameters(
        ("cat.jpg", "cat.jpg"),
        ("naïve dog 犬 😀.jpg", "naïve dog 犬 😀.jpg"),
        ("a\nb", r"a\nb"),
        ("a\tb\r", r"a\tb\r"),
        ("a\\nb", r"a\\nb"),
        ("\u2028\x85\x1b", r"\u2028\u0085\u001b"),
        (os.fsdecode(b"caf\xe9.jpg"), r"caf\xe9.jpg"),
        ("\ud800", r"\ud800"),
    )
    def test_known_names(self, name, text):
        self.assertEqual(escaping.escaped(name), text)
        self.assertEqual(escaping.unescaped(text), name)
        self.assertEqual(escaping.is_plain(name), text == name or text == r"a\\nb")

    def test_every_character_is_given_back_and_none_breaks_a_line(self):
        whole = "".join(_ALL)
        text = escaping.escaped(whole)
        self.assertEqual(text.splitlines(), [text])
        self.assertNotIn("\t", text)
        self.assertEqual(escaping.unescaped(text.encode().decode()), whole)
        self.assertLen({escaping.escaped(character) for character in _ALL}, len(_ALL))

    def test_every_byte_is_given_back(self):
        name = bytes(range(1, 256))
        text = escaping.escaped(os.fsdecode(name)).encode()
        self.assertEqual(os.fsencode(escaping.unescaped(text.decode())), name)

    def test_names_of_what_is_unsafe_stay_apart(self):
        rng = random.Random(0)
        alphabet = [*_BREAKS, *"\\nutrx0f2 8", "\udc85", "\udcff"]
        names = {"".join(rng.choices(alphabet, k=rng.randrange(7))) for _ in range(5000)}
        texts = {escaping.escaped(name) for name in names}
        self.assertLen(texts, len(names))
        self.assertEqual({escaping.unescaped(text) for text in texts}, names)

    @parameterized.parameters("\\", "a\\", "\\q", "\\x4", "\\u12")
    def test_what_is_no_escaped_name(self, text):
        with self.assertRaisesRegex(ValueError, "expected an escaped name"):
            escaping.unescaped(text)


class LineTest(absltest.TestCase):
    def test_a_listing_is_read_back_line_by_line(self):
        rows = [["a\tb", "cat"], ["a", "b\tcat"], ["", ""], ["x\u2028y\n", "\\"], ["  a ", " "]]
        text = "".join(escaping.line(*row) for row in rows)
        self.assertLen(text.splitlines(), len(rows))
        self.assertEqual([escaping.fields(line) for line in text.splitlines()], rows)
        self.assertEqual([escaping.fields(line) for line in text.splitlines(True)], rows)


if __name__ == "__main__":
    absltest.main()
