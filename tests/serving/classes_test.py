"""Tests of kdcl_tf.serving.classes."""

import itertools
import subprocess
import sys

from absl.testing import absltest, parameterized

from kdcl_tf.serving import classes

_ANIMALS = ("cat", "dog", "cow")


def _order(known, names, match="name"):
    return classes.order(known, names, student="student x", dataset="pets", match=match)


class OrderTest(parameterized.TestCase):
    @parameterized.parameters(
        (("cat", "dog", "cow"), [0, 1, 2]),
        (("cow", "cat", "dog"), [2, 0, 1]),
        (("cow", "dog"), [2, 1, 0]),
        (("dog",), [1, 0, 2]),
    )
    def test_by_hand(self, names, expected):
        self.assertEqual(_order(_ANIMALS, names), expected)

    def test_the_reordered_names_are_the_data_sets_and_then_the_rest(self):
        known = tuple("abcde")
        for count in (1, 3, 5):
            for names in itertools.permutations(known, count):
                reordered = [known[position] for position in _order(known, names)]
                self.assertEqual(tuple(reordered[:count]), names)
                self.assertCountEqual(reordered, known)

    def test_accents_have_one_spelling(self):
        self.assertEqual(_order(("cafe\u0301", "bar"), ("bar", "caf\u00e9")), [1, 0])

    def test_the_same_names_in_the_same_places_need_not_be_distinct(self):
        self.assertEqual(_order(("crane", "crane"), ("crane", "crane")), [0, 1])

    def test_by_position_names_do_not_matter(self):
        self.assertEqual(_order(("0", "1", "2"), _ANIMALS, "position"), [0, 1, 2])

    @parameterized.parameters(
        (
            ("cat", "dog", "yak"),
            "expected pets to have the classes of student x; got 1 of 3 that student x does not "
            "know, 'yak', and 1 of 3 missing: 'cow': choose .*pass match_classes=pos",
        ),
        (
            tuple("uvwxy"),
            "got 5 of 5 that student x does not know, 'u', 'v', 'w' and 2 more, and 3 ",
        ),
        ((*_ANIMALS, "yak"), "got 1 of 4 .*, 'yak': choose"),
        (("0", "1", "2"), "'2', .*; the names of one of them are only numbers: .*classes=position"),
        (("cat", "cat", "dog"), "expected distinct .*; got 'cat' more than once in pets: choose"),
    )
    def test_names_that_do_not_fit(self, names, message):
        with self.assertRaisesRegex(ValueError, message):
            _order(_ANIMALS, names)

    def test_position_is_no_remedy_for_another_number_of_classes(self):
        with self.assertRaises(ValueError) as caught:
            _order(_ANIMALS, (*_ANIMALS, "yak"))
        self.assertNotIn("position", str(caught.exception))
        with self.assertRaisesRegex(ValueError, "expected a data set of 3 classes .* pets of 2:"):
            _order(_ANIMALS, ("0", "1"), "position")

    def test_it_is_imported_without_tensorflow(self):
        program = (
            "import sys; from kdcl_tf.serving import classes; "
            "print({'tensorflow', 'keras'} & set(sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual(done.stdout.strip(), "set()", done.stderr)


if __name__ == "__main__":
    absltest.main()
