"""Tests of kdcl_tf.serving.cards."""

import contextlib
import dataclasses
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import types
import unicodedata

from absl.testing import absltest, parameterized

from kdcl_tf.data.normalization import Normalization
from kdcl_tf.files import identity
from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving import card_facts, cards
from kdcl_tf.serving.cards import Card

_CARD = Card(
    student="resnet8_2",
    image_shape=(8, 6, 3),
    class_names=("cat", "na\u00efve dog"),
    normalization=Normalization((0.1, 0.2, 0.3), (1.0, 0.9, 0.8)),
)
_FACTS = {
    "student": "resnet8_2",
    "image_shape": [8, 6, 3],
    "num_classes": 2,
    "mean": [0.1, 0.2, 0.3],
    "deviation": [1.0, 0.9, 0.8],
    "distortion": "padded_crop",
    "scaled_to": [8, 6],
    "class_names": ["cat", "na\u00efve dog"],
}


def _facts_of(card):
    """The facts of the student alone."""
    return {name: fact for name, fact in card.items() if name not in card_facts.WRITTEN}


class CardsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.path = self.folder / "card.json"

    def test_its_facts_leave_out_what_nothing_tells(self):
        self.assertEqual(_CARD.facts, _FACTS)

    def test_more_facts_join_and_replace(self):
        card = _CARD.with_more(epoch=1, accuracy=0.5).with_more(epoch=2)
        self.assertEqual(card.facts, {**_FACTS, "epoch": 2, "accuracy": 0.5})
        self.assertEqual(_CARD.facts, _FACTS)

    def test_the_card_of_a_student_and_its_data_set(self):
        dataset = types.SimpleNamespace(
            name="pets",
            image_shape=(8, 6, 3),
            class_names=["cat", "na\u00efve dog"],
            normalization=_CARD.normalization,
            distortion="resized_crop",
            resizing="scaled",
        )
        student = types.SimpleNamespace(name="resnet8_2")
        card = Card.of(student, dataset, "resnet8", test_accuracy=0.5)
        told = {
            "architecture": "resnet8",
            "dataset": "pets",
            "resizing": "scaled",
            "test_accuracy": 0.5,
        }
        self.assertEqual(
            card.facts, {**_FACTS, "distortion": "resized_crop", "scaled_to": [9, 7], **told}
        )
        self.assertEqual(card.num_classes, 2)
        self.assertEqual(Card.from_facts(json.loads(json.dumps(card.facts))), card)

    def test_a_folder_has_its_card_and_the_names_of_its_classes_in_it(self):
        cards.write(_CARD, self.folder)
        names = sorted(path.name for path in self.folder.iterdir())
        self.assertEqual(names, ["class_names.json", "class_names.txt", "student.json"])
        text = (self.folder / "class_names.txt").read_text(encoding="utf-8")
        self.assertEqual(text, "cat\nna\u00efve dog\n")
        text = (self.folder / "class_names.json").read_text(encoding="utf-8")
        self.assertEqual(json.loads(text), ["cat", "na\u00efve dog"])
        self.assertEqual(_facts_of(cards.read_student(self.folder)), _FACTS)

    @parameterized.parameters(
        ("a/resnet18.weights.h5", "a/resnet18.json"),
        ("mobilenet_v2_0.5.keras", "mobilenet_v2_0.5.json"),
        ("a.keras/b.keras", "a.keras/b.json"),
        ("students/mobilenet_v2_0.5", "students/mobilenet_v2_0.5/student.json"),
    )
    def test_a_card_is_beside_a_file_and_in_a_folder(self, student, card):
        self.assertEqual(cards.path_of(student), pathlib.Path(card))

    def test_a_file_has_only_its_card(self):
        (self.folder / "resnet8.keras").write_bytes(b"weights")
        cards.write(_CARD, self.folder / "resnet8.keras")
        self.assertLen(list(self.folder.iterdir()), 2)
        found = cards.read(self.folder / "resnet8.json")
        self.assertEqual(_facts_of(found), _FACTS)
        expected = hashlib.sha256(b"weights").hexdigest()
        self.assertEqual(found["checksums"], {"resnet8.keras": expected})

    def test_it_has_the_format_and_the_checksums_of_all_other_files(self):
        (self.folder / "variables").mkdir()
        (self.folder / "variables" / "variables.index").write_bytes(b"index")
        for _ in range(2):
            cards.write(_CARD, self.folder)
            facts = cards.read_student(self.folder)
            self.assertEqual(facts["format"], identity.FORMAT)
            listed = (self.folder / "class_names.json").read_bytes()
            expected = {
                "class_names.json": hashlib.sha256(listed).hexdigest(),
                "class_names.txt": hashlib.sha256("cat\nna\u00efve dog\n".encode()).hexdigest(),
                "variables/variables.index": hashlib.sha256(b"index").hexdigest(),
            }
            self.assertEqual(facts["checksums"], expected)
        self.assertEqual(Card.from_facts(facts), _CARD)

    def test_a_card_in_another_form_of_unicode_keeps_what_it_says_of_the_other_file(self):
        for name, form in (("a.keras", "NFD"), ("a.weights.h5", "NFC")):
            path = self.folder / name
            path.write_bytes(b"model")
            names = tuple(unicodedata.normalize(form, each) for each in _CARD.class_names)
            cards.write(dataclasses.replace(_CARD, class_names=names), path)
            self.assertFalse(cards.takes_card(_CARD, self.folder / "a.weights.h5", path))
        found = cards.read(self.folder / "a.json")
        self.assertEqual(set(found["checksums"]), {"a.keras", "a.weights.h5"})
        self.assertEqual(found["class_names"], list(_CARD.class_names))

    def test_any_flipped_bit_of_a_card_is_found(self):
        cards.write(_CARD, self.folder)
        path = self.folder / "student.json"
        content = path.read_bytes()
        for place in range(0, len(content), 7):
            flipped = bytearray(content)
            flipped[place] ^= 1
            path.write_bytes(flipped)
            try:
                # What stands between the facts does not matter.
                self.assertEqual(_facts_of(cards.read_student(self.folder)), _FACTS)
            except DamageError as error:
                self.assertRegex(str(error), f"^{path} .*export it again$")

    @parameterized.parameters(
        ({"class_names": ["cat"]}, "expected 2 class names; got 1; export it again"),
        ({"class_names": [1, 2]}, r"expected class_names to be a list of names; got \[1, 2\]"),
        ({"image_shape": [8, 8]}, r"expected image_shape to be three sizes above 0; got \[8, 8\]"),
        ({"image_shape": None}, "expected image_shape to be three sizes above 0; got None"),
    )
    def test_facts_that_no_student_has(self, change, message):
        (self.folder / "student.json").write_text(json.dumps({**_FACTS, **change}))
        with self.assertRaisesRegex(DamageError, f"^{self.folder / 'student.json'}: {message}"):
            cards.read_student(self.folder)

    @parameterized.parameters(None, b"caf\xe9\n")
    def test_class_names_that_are_missing_or_no_text(self, content):
        before = {name: value for name, value in _FACTS.items() if name != "class_names"}
        (self.folder / "student.json").write_text(json.dumps(before))
        if content:
            (self.folder / "class_names.txt").write_bytes(content)
        with self.assertRaisesRegex(DamageError, "each class in .*class_names.txt; got none"):
            cards.read_student(self.folder)

    def test_a_card_of_an_older_version_has_its_class_names_beside_it(self):
        before = {name: value for name, value in _FACTS.items() if name != "class_names"}
        (self.folder / "student.json").write_text(json.dumps(before))
        (self.folder / "class_names.txt").write_text("cat\nna\u00efve dog\n", encoding="utf-8")
        self.assertEqual(cards.read_student(self.folder), _FACTS)

    def test_a_card_is_read(self):
        self.path.write_text('{"student": "resnet8", "mean": [0.5], "deviation": [0.25]}')
        self.assertEqual(cards.read(self.path, ("mean",))["student"], "resnet8")
        with self.assertRaises(FileNotFoundError):
            cards.read(self.folder / "absent.json")

    def test_a_card_that_is_no_text(self):
        self.path.write_bytes(json.dumps(_FACTS).encode("utf-16"))
        with self.assertRaisesRegex(DamageError, f"^{self.path} is not the card.*utf-8.*again$"):
            cards.read(self.path)

    @parameterized.parameters(
        ("", "Expecting value"),
        ('{"student": "res', "Unterminated string"),
        ("[1]", r"expected an object of JSON; got \[1\]"),
        ("[" * 100_000, "recursion"),
        ('{"student": "resnet8"}', "expected the facts .*; got none of the name mean, deviation"),
    )
    def test_a_damaged_card(self, text, message):
        self.path.write_text(text)
        with self.assertRaisesRegex(ValueError, f"^{self.path} is not the card.*{message}.*again$"):
            cards.read(self.path, ("student", "mean", "deviation"))

    @parameterized.parameters(
        ({"mean": [0.5], "deviation": [0.2]},),
        ({"class_name": "Functional", "config": {}},),
        ({"accuracy": 0.9, "format": "png"},),
        ([0.5, 0.25],),
    )
    def test_json_of_another_kind_is_no_card(self, found):
        path = self.folder / "model.json"
        path.write_text(json.dumps(found))
        self.assertFalse(cards.is_card(path))
        with contextlib.redirect_stderr(io.StringIO()) as told:
            for _ in range(2):
                self.assertEqual(cards.read_beside(self.folder / "model.keras"), {})
        self.assertEqual(
            told.getvalue(),
            f"{path} is passed over: expected a card with student, image_shape, mean, deviation; "
            "got other JSON\n",
        )

    def test_a_card_beside_a_file_is_one_of_any_version_even_if_it_is_damaged(self):
        path, file = self.folder / "a.json", self.folder / "a.keras"
        self.assertEqual(cards.read_beside(file), {})
        file.write_bytes(b"model")
        first = {name: _FACTS[name] for name in ("student", "image_shape", "mean", "deviation")}
        path.write_text(json.dumps(first))
        self.assertEqual(cards.read_beside(file), first)
        cards.write(cards.Card.from_facts(_FACTS), file)
        self.assertEqual(cards.read_beside(file)["class_names"], _FACTS["class_names"])
        written = path.read_text()
        for damaged in (written.replace('"mean"', '"meen"'), written.replace("checksums", "sums")):
            path.write_text(damaged)
            self.assertTrue(cards.is_card(path))
            with self.assertRaisesRegex(DamageError, "is not what was written"):
                cards.read_beside(file)
        path.write_text(written[:100])
        with self.assertRaisesRegex(DamageError, "is not the card of an exported model"):
            cards.read_beside(file)

    def test_it_is_imported_without_tensorflow(self):
        program = (
            "import sys; from kdcl_tf.serving import card_facts, cards, exported; "
            "print({'tensorflow', 'keras'} & set(sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual(done.stdout.strip(), "set()", done.stderr)


if __name__ == "__main__":
    absltest.main()
