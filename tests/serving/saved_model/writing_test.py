"""Tests of kdcl_tf.serving.saved_model.writing."""

import json

import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import serving
from kdcl_tf.files import identity
from kdcl_tf.serving import answering, cards, exported, photographs, saved_model
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import beside
from tests.serving import exported_students


class WritingTest(exported_students.Case, parameterized.TestCase):
    def test_the_card_and_the_names_of_classes(self):
        path = self.export(exported_students.student())
        names = (path / "class_names.txt").read_text()
        self.assertEqual(names, "".join(f"{digit}\n" for digit in range(10)))
        card = json.loads((path / "student.json").read_text())
        expected = {
            "student": "resnet8",
            "image_shape": [8, 8, 3],
            "num_classes": 10,
            "mean": list(self.dataset.normalization.mean),
            "deviation": list(self.dataset.normalization.deviation),
            "distortion": "padded_crop",
            "scaled_to": [8, 8],
            "dataset": "digits",
            "resizing": "scaled to 8 x 8 pixels, whatever its own shape",
            "photograph": photographs.explained({}),
            "parameters": 78042,
            "multiply_adds": 781952,
            "class_names": [str(digit) for digit in range(10)],
        }
        files = {each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file()}
        self.assertEqual(set(card.pop("checksums")), files - {"student.json"})
        self.assertLen(card.pop("checksum"), 64)
        self.assertEqual(card, {**expected, "format": identity.FORMAT})
        _, loaded = serving.load_student(path)
        self.assertEqual(loaded, card)

    def test_the_card_that_a_check_gives_tells_of_photographs_too(self):
        student, path = exported_students.student(), self.folder / "resnet8"
        card = Card.of(student, self.dataset)
        logits = answering.of_student(student, card.normalization)
        seen = []

        def check(partial):
            seen.extend(tf.saved_model.load(str(partial)).signatures)
            return card.with_more(measured={"saved_model": {"images": 1}})

        saved_model.export_function(logits, path, card=card, check=check)
        _, found = serving.load_student(path)
        self.assertIn("photograph", seen)
        self.assertEqual(found["photograph"], photographs.explained({}))
        self.assertEqual(found["measured"], {"saved_model": {"images": 1}})

    def test_an_export_replaces_an_older_one_and_what_a_crash_left(self):
        crashed = self.folder / ".partial-0123abcd-resnet8"
        crashed.mkdir()
        (crashed / "rubbish").write_text("")
        first = self.export(exported_students.student())
        (first / "saved_model.pb").write_bytes(b"damaged")
        self.export(exported_students.student())
        self.assertEqual([path.name for path in self.folder.iterdir()], ["resnet8"])
        self.assertGreater((first / "saved_model.pb").stat().st_size, 10)
        self.assertFalse((first / "rubbish").exists())

    def test_what_a_user_has_put_beside_it_stays_and_changes_no_digest(self):
        student = exported_students.student()
        path = self.export(student)
        before = exported.digest(path)
        (path / "photograph.jpg").write_bytes(b"mine")
        (path / "assets.extra").mkdir()
        (path / "assets.extra" / "requests").write_bytes(b"warm")
        self.assertEqual(exported.digest(path), before)
        self.export(student)
        self.assertEqual((path / "photograph.jpg").read_bytes(), b"mine")
        self.assertEqual((path / "assets.extra" / "requests").read_bytes(), b"warm")
        serving.load_student(path)
        self.assertNotIn("photograph.jpg", exported.known_card(path)["checksums"])

    def test_an_export_keeps_a_readme_that_its_user_has_changed(self):
        path, student = self.export(exported_students.student()), exported_students.student()
        written = (path / "README.md").read_text()
        (path / "README.md").write_text(f"{written}\nOn the shelf since Monday.\n")
        for _ in range(2):
            self.export(student)
            self.assertIn("since Monday", (path / "README.md").read_text())
            self.assertStartsWith((path / "README.kdcl.md").read_text(), written.splitlines()[0])
            serving.load_student(path)
        (path / "README.md").unlink()
        self.export(student)
        self.assertEqual(sorted(each.name for each in path.glob("README*")), ["README.md"])

    def test_an_export_keeps_the_readme_of_files_in_its_folder(self):
        student, path = exported_students.student(), self.export(exported_students.student())
        (path / "resnet8.onnx").write_bytes(b"model")
        cards.write(Card.of(student, self.dataset), path / "resnet8.onnx")
        beside.write(path)
        told = (path / "README.kdcl.md").read_text()
        self.assertIn("`resnet8.onnx`", told)
        names = {each.name for each in path.iterdir()}
        for _ in range(2):
            self.export(student)
            self.assertEqual((path / "README.kdcl.md").read_text(), told)
            self.assertEqual({each.name for each in path.iterdir()}, names)
            self.assertNotIn("resnet8.onnx", (path / "README.md").read_text())

    def test_an_export_replaces_nothing_that_is_no_student(self):
        photos = self.folder / "resnet8"
        photos.mkdir()
        (photos / "photo.jpg").write_text("")
        with self.assertRaisesRegex(FileExistsError, "got something else, which is kept"):
            self.export(exported_students.student())
        self.assertTrue((photos / "photo.jpg").exists())

    @parameterized.parameters(
        ({},), ({"detector.json": '{"checksums": {}}'},), ({"student.json": '["Ada"]'},)
    )
    def test_a_saved_model_of_another_hand_is_not_replaced(self, files):
        other = self.folder / "resnet8"
        other.mkdir()
        files = {"saved_model.pb": "theirs", "notes.txt": "mine", **files}
        for name, text in files.items():
            (other / name).write_text(text)
        with self.assertRaisesRegex(FileExistsError, f"to replace, at {other}; got something else"):
            self.export(exported_students.student())
        self.assertEqual({each.name: each.read_text() for each in other.iterdir()}, files)

    def test_a_run_mends_its_own_export_that_has_lost_its_card(self):
        student, path = exported_students.student(), self.export(exported_students.student())
        (path / "student.json").unlink()
        with self.assertRaisesRegex(FileExistsError, "got something else"):
            self.export(student)
        card = Card.of(student, self.dataset)
        logits = answering.of_student(student, card.normalization)
        saved_model.export_function(logits, path, card=card)
        self.assertEqual(serving.load_student(path)[1]["student"], "resnet8")

    def test_a_run_mends_whatever_is_left_of_its_own_export(self):
        student, path = exported_students.student(), self.folder / "resnet8"
        card = Card.of(student, self.dataset)
        logits = answering.of_student(student, card.normalization)
        saved_model.export_function(logits, path, card=card)
        names = {each.name for each in path.iterdir()}
        for name in ("saved_model.pb", "student.json"):
            (path / name).unlink()
        saved_model.export_function(logits, path, card=card)
        self.assertEqual({each.name for each in path.iterdir()}, names)

    def test_a_readme_beside_a_card_that_is_gone_is_kept_unless_it_is_as_ours(self):
        student, path = exported_students.student(), self.folder / "resnet8"
        card = Card.of(student, self.dataset)
        logits = answering.of_student(student, card.normalization)
        for text in (None, None, "mine"):
            if text:
                (path / "README.md").write_text(text)
            (path / "student.json").unlink(missing_ok=True)
            saved_model.export_function(logits, path, card=card)
            self.assertEqual((path / "README.kdcl.md").exists(), text is not None)
        self.assertEqual((path / "README.md").read_text(), "mine")

    def test_a_dot_in_the_name_of_a_folder_makes_no_file_of_it(self):
        path = self.export(exported_students.student(), "resnet8.v1.5")
        self.assertEqual(serving.load_student(path)[1]["student"], "resnet8")


if __name__ == "__main__":
    tf.test.main()
