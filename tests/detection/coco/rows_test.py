"""Tests of kdcl_tf.detection.coco.rows."""

import pathlib

from absl.testing import absltest

from kdcl_tf.detection.coco.rows import Rows, is_whole, make_ids_whole


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

    def test_ids_that_mean_whole_numbers_become_these(self):
        kept = ("", "-1", "+1", "007", "1.0", " 1", "1e3", "\u0663", 1.5, True, None, [1], 2.0**60)
        for value, expected in (("0", 0), ("12", 12), (3.0, 3), *((each, each) for each in kept)):
            row = {"id": value, "image_id": value, "category_id": value, "name": value}
            rows = [row, 7, {}]
            make_ids_whole(rows)
            self.assertEqual([row["id"], row["image_id"], row["category_id"]], [expected] * 3)
            self.assertIs(type(row["id"]), type(expected))
            self.assertIs(row["name"], value)
            self.assertEqual(rows[1:], [7, {}])

    def test_whole_numbers(self):
        self.assertTrue(is_whole(-3))
        for value in (True, 1.0, "1", None, 2**63):
            self.assertFalse(is_whole(value), value)


if __name__ == "__main__":
    absltest.main()
