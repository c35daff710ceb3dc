"""Tests of kdcl_tf.serving.formats.exporting."""

import contextlib
import io
import json
import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf

from kdcl_tf import data, students
from kdcl_tf.files import identity
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import exporting, pictures
from kdcl_tf.serving.formats.writing import Writer

_NAMES = ("small", "large")


class ExportingTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        normalization = data.Normalization((0.5,), (0.25,))
        classes = tuple(map(str, range(10)))
        cls.students = {name: students.build("resnet8", 10, (8, 8, 1)) for name in _NAMES}
        cls.cards = {
            name: Card(name, (8, 8, 1), classes, normalization, architecture="resnet8")
            for name in _NAMES
        }

    def _models(self, student=None):
        return exporting.models_of(student, self.students, self.cards)

    def _write(self, output, forms):
        told = io.StringIO()
        images = pictures.noise((8, 8, 1))
        with contextlib.redirect_stdout(told):
            rows, missed = exporting.write_all(self._models(), forms, output, images, None)
        return rows, missed, told.getvalue().splitlines()

    def test_each_student_one_of_them_or_their_ensemble(self):
        self.assertEqual([each.card.student for each in self._models()], list(_NAMES))
        (large,) = self._models("large")
        self.assertIs(large.student, self.students["large"])
        (ensemble,) = self._models("ensemble")
        self.assertEqual(ensemble.card.student, "ensemble")
        more = {
            "epoch": 2,
            "steps_of_next_epoch": 1,
            "kept": "why",
            "left_out": {"test": 1},
            "identity": {},
        }
        cards = {
            name: card.with_more(**more, test_accuracy=0.5) for name, card in self.cards.items()
        }
        (told,) = exporting.models_of("ensemble", self.students, cards)
        self.assertEqual({name: told.card.more[name] for name in more}, more)
        self.assertNotIn("test_accuracy", told.card.more)
        pixels = np.random.default_rng(0).random((3, 8, 8, 1), np.float32)
        each = [tf.nn.softmax(model.logits(pixels)) for model in self._models()]
        self.assertAllClose(tf.nn.softmax(ensemble.logits(pixels)), sum(each) / 2, atol=1e-6)

    def test_every_student_in_every_format_as_soon_as_it_is_written(self):
        output = pathlib.Path(self.create_tempdir().full_path)
        rows, missed, told = self._write(output, ("weights", "keras"))
        expected = [f"{name}{ending}" for name in _NAMES for ending in (".weights.h5", ".keras")]
        self.assertEqual([name for name, _ in rows], expected)
        self.assertEqual(told, [str(output / name) for name in expected])
        self.assertEqual(missed, [])
        readme = (output / "README.md").read_text()
        for name in expected:
            self.assertIn(name, readme)

    def test_one_that_is_not_written_is_told_and_the_others_are(self):
        output = pathlib.Path(self.create_tempdir().full_path)
        (output / "small.weights.h5").write_bytes(b"of before")
        write = Writer.write

        def refusing(writer, model, form):
            if model.card.student == "small":
                raise ValueError("refused by a converter")
            return write(writer, model, form)

        with mock.patch.object(Writer, "write", refusing):
            rows, missed, _ = self._write(output, ("weights", "keras"))
        self.assertEqual([name for name, _ in rows], ["large.weights.h5", "large.keras"])
        stays = f"{output}/small.weights.h5, of an earlier export, stays"
        self.assertEqual(
            missed,
            [
                f"small.weights.h5 is not written: refused by a converter ({stays})",
                "small.keras is not written: refused by a converter",
            ],
        )

    def test_what_an_older_file_has_lost_is_told(self):
        """Of two files that share a card, when the other one was exported anew."""
        folder = pathlib.Path(self.create_tempdir().full_path)
        file, card = folder / "a.weights.h5", folder / "a.json"
        file.touch()
        for text, told in (
            ('{"checksums": {"a.keras": ""}, "checksum": ""}', ""),
            (json.dumps(identity.sealed({"checksums": {"a.keras": ""}})), ", without its card"),
            (json.dumps(identity.sealed({"checksums": {"a.weights.h5": ""}})), ""),
            ("{", ""),
        ):
            card.write_text(text)
            self.assertEqual(exporting._lost(file), told, text)


if __name__ == "__main__":
    tf.test.main()
