"""Tests of kdcl_tf.serving.formats.beside."""

import pathlib
import tempfile
import unicodedata

from absl.testing import absltest, parameterized

from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving import cards
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import beside, readme
from kdcl_tf.serving.formats.names import FORMATS


class BesideTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def _export(self, student, *endings):
        card = Card(student, (8, 8, 3), ("cat", "ñandú"), Normalization((0.5,) * 3, (0.5,) * 3))
        for ending in endings:
            path = self.folder / f"{student}{ending}"
            path.write_bytes(b"model")
            cards.write(card, path)

    def _write(self):
        return [path.name for path in beside.write(self.folder)]

    def test_a_readme_of_all_files_and_the_names_of_classes(self):
        self._export("b", ".onnx", ".keras")
        self.assertEqual(self._write(), ["README.md", "b.class_names.txt"])
        self._export("a", ".int8.tflite")
        (self.folder / "notes.onnx").write_bytes(b"without a card")
        self.assertEqual(self._write(), ["README.md", "a.class_names.txt", "b.class_names.txt"])
        text = (self.folder / "README.md").read_text()
        places = [
            text.index(each) for each in ("# a", "`a.int8.tflite`", "# b", "`b.keras`", "`b.onnx`")
        ]
        self.assertEqual(places, sorted(places))
        self.assertNotIn("notes", text)
        names = (self.folder / "a.class_names.txt").read_text(encoding="utf-8")
        self.assertEqual(names, "cat\nñandú\n")

    def test_a_file_of_an_earlier_export_is_not_told_of_by_a_later_card(self):
        self._export("a", ".keras")
        card = Card("a", (8, 8, 3), ("dog", "cat"), Normalization((0.5,) * 3, (0.5,) * 3))
        (self.folder / "a.weights.h5").write_bytes(b"weights")
        cards.write(card, self.folder / "a.weights.h5")
        self._write()
        text = (self.folder / "README.md").read_text()
        self.assertIn("`a.weights.h5`", text)
        self.assertNotIn("a.keras", text)

    def test_files_of_two_exports_of_a_student_are_told_apart(self):
        self._export("a", ".int8.tflite")
        path = self.folder / "a.onnx"
        path.write_bytes(b"model")
        ours = Normalization((0.5,) * 3, (0.5,) * 3)
        later = Card("a", (8, 8, 3), ("cat", "ñandú"), ours, more={"epoch": 20})
        cards.write(later.with_more(file_format="onnx"), path)
        self._write()
        text = (self.folder / "README.md").read_text(encoding="utf-8")
        parts = text.split("# a\n")[1:]
        self.assertLen(parts, 2)
        self.assertIn("`a.int8.tflite`", parts[0])
        self.assertNotIn("| epoch |", parts[0])
        self.assertIn("`a.onnx`", parts[1])
        self.assertIn("| epoch | 20 |", parts[1])

    def test_a_student_of_other_classes_that_would_stay_is_refused(self):
        self._export("a", ".int8.tflite", ".onnx")
        ours = Normalization((0.5,) * 3, (0.5,) * 3)
        same, other = (
            Card("a", (8, 8, 3), classes, ours) for classes in (("cat", "ñandú"), ("x",))
        )
        beside.check(self.folder, [same], ["onnx"])
        # Nothing shares the names of its classes.
        beside.check(self.folder, [other], ["saved_model"])
        beside.check(self.folder, [Card("b", (8, 8, 3), ("x",), ours)], ["onnx"])
        with self.assertRaisesRegex(
            ValueError, "another a; got .*, where a.(int8.tflite|onnx) is one, whose classes differ"
        ):
            beside.check(self.folder, [other], ["onnx"])

    @parameterized.parameters(".onnx", ".keras")
    def test_the_same_classes_in_decomposed_letters_are_no_others(self, ending):
        self._export("a", ending)
        self._write()
        decomposed = tuple(unicodedata.normalize("NFD", name) for name in ("cat", "ñandú"))
        self.assertNotEqual(decomposed[1], "ñandú")
        ours = Normalization((0.5,) * 3, (0.5,) * 3)
        beside.check(self.folder, [Card("a", (8, 8, 3), decomposed, ours)], ["weights", "litert"])
        other = Card("a", (8, 8, 3), ("cat", "nandu"), ours)
        with self.assertRaisesRegex(ValueError, "whose classes differ"):
            beside.check(self.folder, [other], ["weights", "litert"])

    def test_a_file_whose_card_would_be_lost_is_refused(self):
        self._export("a", ".keras")
        ours = Normalization((0.5,) * 3, (0.5,) * 3)
        same = Card("a", (8, 8, 3), ("cat", "ñandú"), ours)
        later = Card("a", (8, 8, 3), ("cat", "ñandú"), ours, more={"epoch": 20})
        beside.check(self.folder, [same], ["weights"])
        # It is replaced, too, or has a card of its own.
        beside.check(self.folder, [later], ["keras", "weights"])
        beside.check(self.folder, [later], ["onnx"])
        # A run that has ended tells more of the same epoch.
        ended = same.with_more(test_accuracy=0.5)
        for card in (later, ended):
            with self.assertRaisesRegex(
                ValueError,
                "where a.keras is one, whose card, of another epoch or run or from before the run's end, "
                "would be lost: pass another --output, or delete it$",
            ):
                beside.check(self.folder, [card], ["weights"])
            beside.check(self.folder, [card], ["keras", "weights"])

    def test_what_nobody_exported_is_not_replaced(self):
        card = Card("a", (8, 8, 3), ("cat", "ñandú"), Normalization((0.5,) * 3, (0.5,) * 3))
        for name, text, forms in (
            ("a.json", '{"class_name": "Functional"}', ("keras", "weights")),
            ("a.json", "not JSON", ("weights",)),
            ("a.onnx.json", "[]", ("onnx",)),
            ("a.class_names.txt", "gato\nñandú\n", ("keras", "onnx")),
        ):
            path = self.folder / name
            path.write_text(text, encoding="utf-8")
            for form in forms:
                with self.assertRaisesRegex(ValueError, f"expected no file at {path}, ") as caught:
                    beside.check(self.folder, [card], [form])
                self.assertNotIn("\n", str(caught.exception))
            beside.check(self.folder, [card], ["saved_model"])
            path.unlink()
        self._export("a", ".keras", ".onnx")
        self._write()
        for name in ("a.json", "a.onnx.json"):
            # A card that somebody changed is still one, and is mended by an export.
            path = self.folder / name
            path.write_text(path.read_text().replace('"a"', '"A"'))
        beside.check(self.folder, [card], ["keras", "onnx"])

    @parameterized.parameters("a.keras", "a.weights.h5", "a.int8.tflite", "a.onnx")
    def test_a_model_of_another_hand_is_not_replaced(self, name):
        card = Card("a", (8, 8, 3), ("cat", "ñandú"), Normalization((0.5,) * 3, (0.5,) * 3))
        (form,) = [form for form, each in FORMATS.items() if name == f"a{each.ending}"]
        path = self.folder / name
        path.write_bytes(b"model")
        with self.assertRaisesRegex(ValueError, f"expected no file at {path}, or one that was exp"):
            beside.check(self.folder, [card], [form])
        other = "onnx" if form != "onnx" else "keras"
        beside.check(self.folder, [card], [other])
        if name.endswith(("tflite", "onnx")):
            # One that is alone has its card inside.
            path.write_bytes(b"model student.json {}")
            beside.check(self.folder, [card], [form])

    def test_a_folder_of_another_hand_is_not_replaced(self):
        card = Card("a", (8, 8, 3), ("cat", "ñandú"), Normalization((0.5,) * 3, (0.5,) * 3))
        path = self.folder / "a"
        path.mkdir()
        for name in ("photo.jpg", "saved_model.pb"):
            (path / name).touch()
            with self.assertRaisesRegex(
                ValueError, f"expected nothing at {path}, or an exported st"
            ):
                beside.check(self.folder, [card], ["saved_model", "onnx"])
            beside.check(self.folder, [card], ["onnx"])
        (path / "student.json").write_text('["Ada", "Grace"]')
        with self.assertRaisesRegex(ValueError, f"expected nothing at {path}, or an exported st"):
            beside.check(self.folder, [card], ["saved_model"])
        # A damaged card is one, and is mended by an export.
        (path / "student.json").write_text("{")
        beside.check(self.folder, [card], ["saved_model"])

    def test_a_readme_of_another_hand_is_kept(self):
        self._export("a", ".onnx")
        (self.folder / "README.md").write_text("Mine.")
        self.assertEqual(self._write(), ["README.kdcl.md", "a.class_names.txt"])
        self.assertEqual((self.folder / "README.md").read_text(), "Mine.")
        self.assertStartsWith((self.folder / "README.kdcl.md").read_text(), readme.MARK)

    def test_nothing_beside_nothing(self):
        (self.folder / "student").mkdir()
        self.assertEqual(self._write(), [])
        self.assertEqual([path.name for path in self.folder.iterdir()], ["student"])


if __name__ == "__main__":
    absltest.main()
