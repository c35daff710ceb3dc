"""Tests of kdcl_tf.serving.saved_model.loading."""

import contextlib
import dataclasses
import io
import json

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import serving
from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving import card_facts, cards
from kdcl_tf.serving.cards import Card
from tests.serving import exported_students

_VARIABLES = "variables/variables.data-00000-of-00001"


class LoadingTest(exported_students.Case, parameterized.TestCase):
    @parameterized.parameters(
        (lambda images: np.repeat(images, 4, axis=1), r"got uint8 \[3, 32, 8, 3\]: scale them"),
        (lambda images: images[0], r"got uint8 \[8, 8, 3\]: give a batch of one"),
        (lambda images: images.astype(np.float32), r"from 0 to 255: divide grey levels"),
    )
    def test_what_it_would_answer_wrongly_is_refused(self, changed, message):
        predict, _ = serving.load_student(self.export(exported_students.student()))
        message = r"^expected images as uint8 \[B, 8, 8, 3\].*" + message
        with self.assertRaisesRegex(ValueError, message):
            predict(changed(self.dataset.test.images[:3]))

    def test_an_export_for_any_size_is_held_to_its_card(self):
        class AnySize(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])
            def serve(self, images):
                logits = tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2])
                return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

        old, path = AnySize(), self.folder / "old"
        tf.saved_model.save(old, str(path), signatures={"serving_default": old.serve})
        card = Card.of(exported_students.student(), self.dataset)
        cards.write(card, path)
        with self.assertRaisesRegex(
            DamageError, r"of 10 classes; got \[None, 3\]; export it again"
        ):
            serving.load_student(path)
        cards.write(dataclasses.replace(card, class_names=("red", "green", "blue")), path)
        predict, _ = serving.load_student(path)
        self.assertEqual(predict(self.dataset.test.images[:3])["logits"].shape, (3, 3))
        with self.assertRaisesRegex(ValueError, "scale them to 8 x 8 pixels"):
            predict(np.zeros([3, 16, 16, 3], np.uint8))

    def test_a_card_of_an_older_version_has_its_class_names_beside_it(self):
        path = self.export(exported_students.student())
        card = json.loads((path / "student.json").read_text())
        card = {name: fact for name, fact in card.items() if name not in card_facts.WRITTEN}
        names = card.pop("class_names")
        (path / "student.json").write_text(json.dumps(card))
        self.assertEqual(serving.load_student(path)[1], {**card, "class_names": names})

    def test_one_that_a_killed_process_put_aside_is_found(self):
        path = self.export(exported_students.student())
        path.rename(self.folder / f".aside-0123abcd-{path.name}")
        self.assertEqual(serving.load_student(path)[1]["student"], "resnet8")

    @parameterized.parameters(
        ("student.json", "cut", "student.json is not the card of an exported model: .*"),
        ("student.json", "flipped", "student.json is not .*"),
        ("student.json", "utf-16", "student.json is not the card of an exported model: .*"),
        ("saved_model.pb", "cut", " is damaged: saved_model.pb is not what was written"),
        ("saved_model.pb", "missing", " is damaged: saved_model.pb cannot be read .*"),
        ("class_names.txt", "flipped", " is damaged: class_names.txt is not what was written"),
        (_VARIABLES, "cut", f" is damaged: {_VARIABLES} is not what was written"),
        (_VARIABLES, "flipped", f" is damaged: {_VARIABLES} is not what was written"),
        (_VARIABLES, "missing", f" is damaged: {_VARIABLES} cannot be read .*"),
    )
    def test_damage_is_named_in_a_line_and_mended_by_another_export(self, name, damage, message):
        path = self.export(exported_students.student())
        file = path / name
        content = file.read_bytes()
        flipped = bytearray(content)
        flipped[len(content) // 3] ^= 4
        changed = {"cut": content[: len(content) // 2], "flipped": bytes(flipped)}
        changed["utf-16"] = content.decode(errors="replace").encode("utf-16")
        if damage == "missing":
            file.unlink()
        else:
            file.write_bytes(changed[damage])
        with self.assertRaisesRegex(DamageError, f"^{path}/?{message}; export it again$"):
            serving.load_student(path)
        serving.load_student(self.export(exported_students.student()))

    def test_an_export_of_an_older_version_is_read_with_a_line(self):
        path = self.export(exported_students.student())
        card = json.loads((path / "student.json").read_text())
        card = {name: fact for name, fact in card.items() if name not in card_facts.WRITTEN}
        (path / "student.json").write_text(json.dumps(card))
        with contextlib.redirect_stderr(io.StringIO()) as told:
            predict, _ = serving.load_student(path)
        self.assertRegex(told.getvalue(), f"^{path} cannot be checked for damage: .*\n$")
        self.assertEqual(predict(self.dataset.test.images[:2])["logits"].shape, (2, 10))
        (path / "saved_model.pb").unlink()
        with self.assertRaisesRegex(DamageError, "saved_model.pb is missing; export it again$"):
            serving.load_student(path)

    @parameterized.parameters("nothing", "no_card")
    def test_what_is_no_student_is_refused(self, kind):
        path = self.folder / "missing"
        if kind == "no_card":
            path = self.export(exported_students.student())
            (path / "student.json").unlink()
        which = "(not there|a folder without student.json)"
        message = f"^expected an exported student.*; got {path}, which is {which}$"
        with self.assertRaisesRegex(ValueError, message):
            serving.load_student(path)

    def test_of_a_folder_of_students_one_is_named(self):
        (self.folder / "a").mkdir()
        (self.folder / "a" / "saved_model.pb").touch()
        message = f"got {self.folder}, which is .*; it is a folder of exports: .* {self.folder}/a$"
        with self.assertRaisesRegex(ValueError, message):
            serving.load_student(self.folder)


if __name__ == "__main__":
    tf.test.main()
