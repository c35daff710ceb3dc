"""Tests of kdcl_tf.serving.formats.writing: students of every family in their own runtimes."""

import contextlib
import json
import os
import pathlib
import re
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from kdcl_tf import serving
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving import cards, photographs, runtimes
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import (
    attachments,
    checking,
    litert,
    loading_lines,
    names,
    processes,
    writing,
)
from kdcl_tf.serving.formats.pictures import Pictures
from tests import class_folder, image_files, trained_students

# Architecture, side, channels, precision and formats, few of those that take long to convert.
_SMALL = {
    "resnet8": ("resnet8", 8, 3, None, tuple(names.FORMATS)),
    "bfloat16": ("wrn_10_1", 8, 3, "mixed_bfloat16", ("keras", "litert", "onnx")),
    "one_channel": ("resnet8", 8, 1, None, ("saved_model", "litert", "litert_int8", "onnx")),
    "ensemble": ("", 8, 3, None, names.chosen(["all"], ensemble=True)),
}
_LARGE = {
    "mobilenet_v2": ("mobilenet_v2_0.5", 32, 3, None, ("litert_int8",)),
    "keras": ("keras:MobileNetV3Small", 32, 3, None, ("onnx",)),
}


def _card(name, architecture, side, channels):
    normalization = Normalization((0.5,) * channels, (0.5,) * channels)
    if name == "bfloat16":
        # Whatever normalises by itself must know that blue is first.
        normalization = Normalization((0.3, 0.4, 0.6), (0.5, 0.4, 0.5), "BGR")
    return Card(
        name, (side, side, channels), ("a", "b", "ç"), normalization, architecture=architecture
    )


def _model(name, made):
    if name == "ensemble":
        return writing.ensemble({each: made[each] for each in ("resnet8", "bfloat16")})
    architecture, side, channels, dtype, forms = (_SMALL | _LARGE)[name]
    # Only integers lose what training has not settled.
    epochs = 4 if "litert_int8" in forms else 2
    student = trained_students.trained(architecture, side, channels, dtype, epochs)
    return writing.student(student, _card(name, architecture, side, channels))


@contextlib.contextmanager
def _inside(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class _Written:
    """The tests of a group of models, `made`, each in its formats."""

    made = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = class_folder.make(cls)
        cls.models, cls.written, cls.pictures = {}, {}, {}
        for size in {each[1:3] for each in cls.made.values()}:
            cls._write_those_of(size)

    @classmethod
    def _write_those_of(cls, size):
        ours = {name: each[4] for name, each in cls.made.items() if each[1:3] == size}
        images, labels = trained_students.images(60, *size)
        started = {names.FORMATS[form].runtime for forms in ours.values() for form in forms}
        with processes.Runtimes(started, images) as running:
            pictures = Pictures(images, labels, "images of a test")
            calibration = Pictures(images[:40], labels[:40], "training images")
            writer = writing.Writer(cls.folder, running, pictures, calibration)
            for name, forms in ours.items():
                cls.models[name] = _model(name, cls.models)
                cls.pictures[name] = images, labels
                for form in forms:
                    cls.written[name, form] = writer.write(cls.models[name], form)

    def _expected(self, name):
        pixels = tf.cast(self.pictures[name][0], tf.float32) / 255.0
        return self.models[name].logits(pixels).numpy()

    def test_files_are_named_by_student_and_format_and_nothing_else_is_left(self):
        for (name, form), (path, _) in self.written.items():
            self.assertEqual(path, self.folder / f"{name}{names.FORMATS[form].ending}")
        paths = {path for path, _ in self.written.values()}
        beside = {cards.path_of(path) for path in paths if path.is_file()}
        self.assertEqual(set(self.folder.iterdir()), paths | beside)

    def test_they_answer_as_the_student(self):
        for (name, form), (path, found) in self.written.items():
            least = names.FORMATS[form].least_agreement
            self.assertGreaterEqual(found.agreement, least or 1.0)
            if not least:
                self.assertLess(found.largest_difference, 1e-3)
            self.assertEqual(found.images, 60)
            if path.is_file():
                self.assertEqual(found.bytes, path.stat().st_size)
            self.assertGreater(found.milliseconds, 0.0)
            right = np.mean(self._expected(name).argmax(axis=1) == self.pictures[name][1])
            self.assertAlmostEqual(found.top_1, right, delta=0.05)

    def test_what_is_measured_is_what_a_loader_finds(self):
        for (name, form), (path, found) in self.written.items():
            images, _ = self.pictures[name]
            expected = self._expected(name)
            if form in ("keras", "weights"):
                continue
            load = serving.load_student if form == "saved_model" else runtimes.load_file
            predict, card = load(path)
            logits = np.asarray(predict(images)["logits"])
            self.assertAlmostEqual(
                np.abs(logits - expected).max(), found.largest_difference, delta=1e-4
            )
            self.assertEqual(card["class_names"], ["a", "b", "ç"])
            self.assertEqual(card["measured"][form], found.facts)
            self.assertEqual(card["measured"][form]["images_from"], "images of a test")
            if form == "saved_model":
                self.assertEqual(card["photograph"], photographs.explained(card))
                continue
            self.assertNotIn("photograph", card)
            self.assertEqual(card["file_format"], form)
            batch = None if form == "onnx" else 1
            (given,) = card["inputs"].values()
            self.assertEqual(given["shape"], [batch, *images.shape[1:]])
            self.assertEqual(given["dtype"], str(images.dtype))
            for output in ("logits", "probabilities"):
                self.assertEqual(card["outputs"][output]["shape"], [batch, logits.shape[1]])


class SmallModelsTest(_Written, tf.test.TestCase):
    made = _SMALL

    def test_a_quantized_file_is_smaller_and_says_so_inside(self):
        size = {form: self.written["resnet8", form][1].bytes for form in names.FORMATS}
        self.assertLess(size["litert_float16"], 0.6 * size["litert"])
        self.assertLess(size["litert_int8"], 0.4 * size["litert"])
        path, _ = self.written["resnet8", "litert_int8"]
        self.assertEqual(attachments.archived(path, "labels.txt"), "a\nb\nç\n")
        cards.path_of(path).rename(path.with_name("away"))
        self.addCleanup(path.with_name("away").rename, cards.path_of(path))
        _, card = runtimes.load_file(path)
        self.assertEqual((card["student"], card["file_format"]), ("resnet8", "litert_int8"))

    def test_keras_and_weights_share_a_card_and_need_not_stay_together(self):
        keras_file, weights = (self.written["resnet8", each][0] for each in ("keras", "weights"))
        card = json.loads(cards.path_of(weights).read_text())
        self.assertEqual(set(card["checksums"]), {keras_file.name, weights.name})
        self.assertEqual(set(card["measured"]), {"keras", "weights"})
        serving.exported.check(keras_file, card)

    def test_the_ensemble_averages_students_that_are_each_normalised(self):
        images = self.pictures["resnet8"][0]
        each = [self._expected(name) for name in ("resnet8", "bfloat16")]
        mean = np.mean([tf.nn.softmax(one) for one in each], axis=0)
        predict, card = serving.load_student(self.written["ensemble", "saved_model"][0])
        self.assertAllClose(predict(images)["probabilities"], mean, atol=1e-5)
        self.assertEqual(list(card["members"]), ["resnet8", "bfloat16"])
        self.assertEqual(card["members"]["bfloat16"]["mean"], [0.3, 0.4, 0.6])
        self.assertEqual(card["members"]["bfloat16"]["channels"], "BGR")
        self.assertEqual((card["mean"], card["deviation"]), ([0.0] * 3, [1.0] * 3))

    def test_the_lines_of_the_readme_load_each_file_in_python(self):
        images, _ = self.pictures["resnet8"]
        self._check_lines(image_files.encode(images[0], "PNG"), self._expected)

    def test_the_lines_of_the_readme_take_the_high_bits_of_grey(self):
        grey = self.pictures["resnet8"][0][0, :, :, 0]
        pixels = np.repeat(grey[None, :, :, None] / 255, 3, axis=-1).astype(np.float32)
        deep = 256 * grey.astype(np.uint16) + 200
        # A white image would get another answer.
        white = self.models["resnet8"].logits(tf.ones_like(pixels))
        self.assertNotAllClose(self.models["resnet8"].logits(pixels), white, atol=0.1)
        self._check_lines(
            image_files.encode(deep, "PNG"), lambda name: self.models[name].logits(pixels)
        )

    def _check_lines(self, photograph, logits):
        """Runs the lines of every format on an encoded photograph, of which logits are expected."""
        # Without loss, whatever its name says.
        photograph = {"photograph.jpg": photograph}
        folders = (self.folder, self.written["resnet8", "saved_model"][0])
        for folder in folders:
            image_files.write(folder, photograph)
            self.addCleanup((folder / "photograph.jpg").unlink)
        for name, form in (*(("resnet8", form) for form in names.FORMATS), ("bfloat16", "keras")):
            expected = tf.nn.softmax(logits(name))
            path, _ = self.written[name, form]
            facts = cards.read_student(path)
            text = loading_lines.of(form, path.name, facts)
            if form == "saved_model":
                text = (path / "README.md").read_text(encoding="utf-8")
            (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
            found = {}
            # Where the README lies.
            with _inside(path if form == "saved_model" else path.parent):
                exec(block, found)
            if "answers" in found:
                probabilities = found["answers"]["probabilities"]
            elif "probabilities" in found:
                probabilities = found["probabilities"]
            else:
                probabilities = tf.nn.softmax(found["logits"])
            self.assertLen(probabilities, 1)
            atol = 0.05 if form == "litert_int8" else 1e-2
            self.assertAllClose(probabilities, expected[:1], atol=atol)

    def test_an_ensemble_of_different_classes_is_refused(self):
        models = [self.models["resnet8"], self.models["one_channel"]]
        with self.assertRaisesRegex(ValueError, "got resnet8 and one_channel, which differ"):
            writing.ensemble(dict(enumerate(models)))

    def test_the_card_of_integers_says_what_they_were_calibrated_on(self):
        for name, form in self.written:
            path, _ = self.written[name, form]
            told = cards.read(cards.path_of(path)).get("calibrated_on")
            self.assertEqual(told, "40 training images" if form == "litert_int8" else None)

    def test_one_that_misses_its_bound_is_not_written(self):
        images, labels = self.pictures["resnet8"]
        output = pathlib.Path(self.create_tempdir().full_path)
        (output / "resnet8.int8.tflite").write_bytes(b"older")

        def broken(logits, *arguments):
            return litert.convert(lambda pixels: -logits(pixels), *arguments)

        module = mock.patch.object(writing, "litert", mock.Mock(convert=broken))
        with module, processes.Runtimes(["litert"], images) as running:
            pictures = Pictures(images, labels, "images of a test")
            few = Pictures(images[:9], labels[:9], "images of a test")
            writer = writing.Writer(output, running, pictures, few)
            for form in ("litert", "litert_int8"):
                with self.assertRaisesRegex(checking.BoundError, "^resnet8.* is not written: "):
                    writer.write(self.models["resnet8"], form)
        self.assertEqual([each.name for each in output.iterdir()], ["resnet8.int8.tflite"])
        self.assertEqual((output / "resnet8.int8.tflite").read_bytes(), b"older")


@pytest.mark.slow
class LargeModelsTest(_Written, tf.test.TestCase):
    made = _LARGE


if __name__ == "__main__":
    tf.test.main()
