"""Tests of kdcl_tf.files.spelling."""

from absl.testing import absltest, parameterized

from kdcl_tf.files import spelling


class SpellingTest(parameterized.TestCase):
    @parameterized.parameters(
        ("cafe\u0301", "caf\u00e9"),
        ("caf\u00e9", "caf\u00e9"),
        ("A\u030a", "\u00c5"),
        ("\u1112\u1161\u11ab", "\ud55c"),
        ("cat", "cat"),
        ("", ""),
    )
    def test_letters_and_their_accents_are_one_character(self, written, expected):
        self.assertEqual(spelling.composed(written), expected)

    def test_bytes_that_are_no_text_stay(self):
        name = b"caf\xe9".decode(errors="surrogateescape")
        self.assertEqual(spelling.composed(name), name)

    def test_characters_that_only_look_alike_stay_apart(self):
        # A ligature and a full-width letter, which NFKC would replace.
        self.assertEqual(spelling.composed("\ufb01\uff21"), "\ufb01\uff21")

    def test_all_in_their_order(self):
        self.assertEqual(
            spelling.composed_all(["e\u0301", "b", "\u00e9"]), ["\u00e9", "b", "\u00e9"]
        )
        self.assertEqual(spelling.composed_all(iter(())), [])


if __name__ == "__main__":
    absltest.main()
