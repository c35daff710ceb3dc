"""Tests of kdcl_tf.serving.card_facts."""

from absl.testing import absltest, parameterized

from kdcl_tf.files import identity
from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving import card_facts

_FACTS = {
    "student": "resnet8",
    "image_shape": [8, 6, 3],
    "num_classes": 2,
    "mean": [0.1, 0.2, 0.3],
    "deviation": [1.0, 0.9, 0.8],
    "class_names": ["cat", "dog"],
}


class CardFactsTest(parameterized.TestCase):
    def test_facts_of_the_right_kinds(self):
        self.assertEqual(card_facts.checked("a.json", _FACTS, ("mean", "student")), _FACTS)
        self.assertEqual(card_facts.checked_student("a.json", _FACTS), _FACTS)

    @parameterized.parameters([[]], [None], ["resnet8"], [3])
    def test_what_is_no_object(self, facts):
        message = "^a.json is not the card .*expected an object of JSON; got .*; export it again$"
        with self.assertRaisesRegex(DamageError, message):
            card_facts.checked("a.json", facts)

    def test_facts_that_are_missing(self):
        message = "expected the facts student, top_1, top_5; got none of the name top_1, top_5;"
        with self.assertRaisesRegex(DamageError, message):
            card_facts.checked("a.json", _FACTS, ("student", "top_1", "top_5"))

    @parameterized.parameters(
        ({"mean": None}, "expected mean to be a list of numbers; got None"),
        ({"deviation": []}, r"expected deviation to be a list of numbers; got \[\]"),
        ({"deviation": [True]}, r"expected deviation to be a list of numbers; got \[True\]"),
        ({"mean": [0.5]}, "expected mean and deviation; got mean alone"),
        ({"deviation": [0.5]}, "expected mean and deviation; got deviation alone"),
        ({"architecture": 18}, "expected architecture to be the name of a student; got 18"),
        ({"image_shape": [8, 0, 3]}, r"expected image_shape to be three sizes above 0; got \[8, 0"),
        ({"image_shape": [8, 8]}, r"expected image_shape to be three sizes above 0; got \[8, 8\]"),
        ({"class_names": "cat"}, "expected class_names to be a list of names; got 'cat'"),
        ({"channels": "GRB"}, "expected channels to be .* or .*; got 'GRB'"),
    )
    def test_a_fact_of_another_kind(self, facts, message):
        with self.assertRaisesRegex(DamageError, f"^a.json: {message}.*; export it again$"):
            card_facts.checked("a.json", facts)

    def test_facts_that_were_edited(self):
        sealed = identity.sealed({**_FACTS, "format": 1})
        self.assertEqual(card_facts.checked("a.json", sealed), sealed)
        with self.assertRaisesRegex(DamageError, "^a.json is not what was written: .*again$"):
            card_facts.checked("a.json", {**sealed, "student": "resnet14"})

    def test_the_number_of_classes(self):
        older = {name: fact for name, fact in _FACTS.items() if name != "num_classes"}
        self.assertEqual(card_facts.checked_student("a.json", older), _FACTS)
        with self.assertRaisesRegex(DamageError, "^a.json: expected 3 class names; got 2; export"):
            card_facts.checked_student("a.json", {**_FACTS, "num_classes": 3})

    @parameterized.parameters(
        (_FACTS, True),
        ({**_FACTS, "student": 3}, True),
        ({"checksums": {}, "studenu": "resnet8"}, True),
        ({"student": "resnet8"}, False),
        ({}, False),
        ([_FACTS], False),
    )
    def test_whether_facts_are_of_a_card(self, facts, expected):
        self.assertEqual(card_facts.are_of_card(facts), expected)


if __name__ == "__main__":
    absltest.main()
