"""Tests of kdcl_tf.detection.coco.rows."""

import pathlib

from absl.testing import absltest

from kdcl_tf.detection.coco.rows import Rows, is_whole


def _rows(*rows):
    return Rows(pathlib.Path("a.json"), "image", list(rows))


class RowsTest(absltest.TestCase):
    def test_a_column(self):
        rows = _rows({"id": 4, "n": 1}, {"id": 5, "n": None}, {"id": 6})
        self.assertEqual(rows.column("id", is_whole, "a whole number"), [4, 5, 6])
        # Missing and null are the same.
        self.assertEqual(rows.column("n", is_whole, "a whole number", 9), [1, 9, 9])
        with self.assertRaisesRegex(
            ValueError, "'a.json': image 5: expected a whole number; got n None: "
        ):
            rows.column("n", is_whole, "a whole number")

    def test_distinct_values(self):
        rows = _rows({"id": 4, "name": "a"}, {"id": 5, "name": "A"})

        def is_text(value):
            return isinstance(value, str)

        self.assertEqual(rows.distinct("name", is_text, "a name"), ["a", "A"])
        with self.assertRaisesRegex(
            ValueError, "image 5: expected each name once; got name 'A' a second"
        ):
            rows.distinct("name", is_text, "a name", str.lower)

    def test_positions(self):
        rows = _rows({"of": 30}, {"of": 10})
        self.assertEqual(rows.mapped("of", [10, 20, 30], "a known one"), [2, 0])
        with self.assertRaisesRegex(ValueError, "image number 0: expected a known one; got of 30"):
            rows.mapped("of", [10], "a known one")

    def test_a_refusal_says_what_to_do(self):
        self.assertStartsWith(str(_rows([]).refusal(0, "x", "y")), "'a.json': image number 0: ")
        self.assertEndsWith(str(_rows([]).refusal(0, "x", "y")), ": mend or remove it")
        self.assertEndsWith(str(_rows([]).refusal(0, "x", "y", "pray")), "got x: pray")

    def test_whole_numbers(self):
        self.assertTrue(is_whole(-3))
        for value in (True, 1.0, "1", None, 2**63):
            self.assertFalse(is_whole(value), value)


if __name__ == "__main__":
    absltest.main()
