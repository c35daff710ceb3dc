"""Tests of kdcl_tf.serving."""

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import re
import subprocess
import sys
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data, serving, students
from kdcl_tf.files import identity
from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving import answering, card_facts, cards, exported, photographs, saved_model
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import beside
from kdcl_tf.students import precision
from tests.students.plain_layers import move_statistics

# A process in which neither this package nor Keras can be imported.  TensorFlow asks where
# Keras is, so it must seem to be there.
_ELSEWHERE = """
import importlib.machinery, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("kdcl_tf", "keras"):
            return importlib.machinery.ModuleSpec(name, self, origin="/absent/__init__.py")

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        raise ModuleNotFoundError(f"{module.__name__} is not installed here")

sys.meta_path.insert(0, Absent())
import numpy as np, tensorflow as tf
for folder in sys.argv[2:]:
    loaded = tf.saved_model.load(folder)
    predict = loaded.signatures["serving_default"]
    outputs = predict(images=tf.constant(np.load(sys.argv[1])))
    np.savez(folder + ".npz", **{name: value.numpy() for name, value in outputs.items()})
assert not {"kdcl_tf", "keras"} & set(sys.modules)
"""


_VARIABLES = "variables/variables.data-00000-of-00001"


def _student(dtype="float32", name="resnet8", size=8):
    """Untrained, with moving statistics that are not those of a fresh layer."""
    keras.utils.set_random_seed(1)
    student = students.build(name, 10, (size, size, 3), dtype=dtype)
    move_statistics(student)
    return student


def _branch():
    branches = students.build_branches("resnet8", 10, (8, 8, 3), copies=(2,))
    move_statistics(branches["resnet8_2"])
    return branches["resnet8_2"]


class _Probabilities(keras.Model):
    """A `call` of its own, which only its numbers tell of."""

    def __init__(self, student):
        super().__init__()
        self.student = student
        self(np.zeros([1, *student.input_shape[1:]], np.float32))

    def call(self, images):
        return tf.exp(tf.nn.log_softmax(self.student(images)))


class _Pooling(keras.Model):
    """A subclass, which takes images of any size."""

    first = keras.layers.GlobalAveragePooling2D

    def __init__(self):
        super().__init__(name="own")
        self.reduced, self.dense = self.first(), keras.layers.Dense(10)
        self(np.zeros([1, 8, 8, 3], np.float32))

    def call(self, images):
        return self.dense(self.reduced(images))


class _Flattening(_Pooling):
    """A subclass, which takes images of one size."""

    first = keras.layers.Flatten


class ServingTest(tf.test.TestCase, parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dataset = data.load("digits", image_size=8)

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _export(self, student, name="resnet8"):
        card = Card.of(student, self.dataset)
        return serving.export_student(student, self.folder / name, card=card)

    def test_fractions_give_what_whole_numbers_give(self):
        predict, _ = serving.load_student(self._export(_student()))
        images = self.dataset.test.images[:3]
        whole = predict(images)
        for kind in (np.float64, np.float32):
            fractions = predict(images.astype(kind) / 255.0)
            for name in ("logits", "probabilities"):
                self.assertAllClose(fractions[name], whole[name], atol=1e-5)

    def test_fractions_need_not_be_whole_numbers_of_grey_levels(self):
        student = _student()
        predict, _ = serving.load_student(self._export(student))
        pixels = self.dataset.test.images[:3].astype(np.float32) / 255.0 + 0.3 / 255.0
        expected = student(self.dataset.normalization.apply(pixels * 255.0), training=False)
        self.assertAllClose(predict(pixels)["logits"], expected, atol=1e-5)

    @parameterized.parameters("float32", "mixed_bfloat16")
    def test_it_takes_any_number_of_uint8_images(self, dtype):
        predict, _ = serving.load_student(self._export(_student(dtype)))
        student = _student("float32")
        three = self.dataset.test.images[:3]
        for count in (3, 1, 0):
            outputs = predict(three[:count])
            self.assertEqual(set(outputs), {"logits", "probabilities"})
            expected = student(self.dataset.normalization.apply(three), training=False)[:count]
            self.assertAllClose(outputs["logits"], expected, rtol=1e-5, atol=1e-5)
            self.assertAllClose(outputs["probabilities"], tf.nn.softmax(expected), atol=1e-5)
            for value in outputs.values():
                self.assertEqual(value.dtype, tf.float32)
                self.assertEqual(value.shape, (count, 10))

    @parameterized.parameters(
        (lambda images: np.repeat(images, 4, axis=1), r"got uint8 \[3, 32, 8, 3\]: scale them"),
        (lambda images: images[0], r"got uint8 \[8, 8, 3\]: give a batch of one"),
        (lambda images: images.astype(np.float32), r"from 0 to 255: divide grey levels"),
    )
    def test_what_it_would_answer_wrongly_is_refused(self, changed, message):
        predict, _ = serving.load_student(self._export(_student()))
        message = r"^expected images as uint8 \[B, 8, 8, 3\].*" + message
        with self.assertRaisesRegex(ValueError, message):
            predict(changed(self.dataset.test.images[:3]))

    def test_its_signatures_take_one_size_and_any_number(self):
        loaded = tf.saved_model.load(str(self._export(_student())))
        for name, given, kind in (
            ("serving_default", "images", tf.uint8),
            ("pixels", "pixels", tf.float32),
        ):
            signature = loaded.signatures[name]
            (_, inputs) = signature.structured_input_signature
            self.assertEqual(inputs[given].shape, [None, 8, 8, 3])
            for shape in ([2, 16, 8, 3], [2, 8, 8, 1], [8, 8, 3]):
                with self.assertRaises(tf.errors.InvalidArgumentError):
                    signature(**{given: tf.zeros(shape, kind)})

    def test_an_export_for_any_size_is_held_to_its_card(self):
        class AnySize(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])
            def serve(self, images):
                logits = tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2])
                return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

        old, path = AnySize(), self.folder / "old"
        tf.saved_model.save(old, str(path), signatures={"serving_default": old.serve})
        card = Card.of(_student(), self.dataset)
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

    @pytest.mark.slow
    def test_a_process_with_only_tensorflow_predicts_the_same(self):
        images = self.dataset.test.images[:5]
        np.save(self.folder / "images.npy", images)
        paths = [
            str(self._export(_student(dtype, "wrn_10_1"), dtype))
            for dtype in ("float32", "mixed_bfloat16")
        ]
        command = [sys.executable, "-I", "-c", _ELSEWHERE, str(self.folder / "images.npy"), *paths]
        subprocess.run(command, check=True, cwd=self.folder, capture_output=True, timeout=100)
        # Of both: what is exported computes in float32.
        student = _student("float32", "wrn_10_1")
        expected = student(self.dataset.normalization.apply(images), training=False)
        for path in paths:
            outputs = np.load(f"{path}.npz")
            self.assertAllClose(outputs["logits"], expected, rtol=1e-5, atol=1e-5)
            self.assertAllClose(outputs["probabilities"].sum(axis=1), np.ones(5))

    def test_the_card_and_the_names_of_classes(self):
        path = self._export(_student())
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
        student, path = _student(), self.folder / "resnet8"
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

    def test_a_card_of_an_older_version_has_its_class_names_beside_it(self):
        path = self._export(_student())
        card = json.loads((path / "student.json").read_text())
        card = {name: fact for name, fact in card.items() if name not in card_facts.WRITTEN}
        names = card.pop("class_names")
        (path / "student.json").write_text(json.dumps(card))
        self.assertEqual(serving.load_student(path)[1], {**card, "class_names": names})

    def test_one_that_a_killed_process_put_aside_is_found(self):
        path = self._export(_student())
        path.rename(self.folder / f".aside-0123abcd-{path.name}")
        self.assertEqual(serving.load_student(path)[1]["student"], "resnet8")

    def test_an_export_replaces_an_older_one_and_what_a_crash_left(self):
        crashed = self.folder / ".partial-0123abcd-resnet8"
        crashed.mkdir()
        (crashed / "rubbish").write_text("")
        first = self._export(_student())
        (first / "saved_model.pb").write_bytes(b"damaged")
        self._export(_student())
        self.assertEqual([path.name for path in self.folder.iterdir()], ["resnet8"])
        self.assertGreater((first / "saved_model.pb").stat().st_size, 10)
        self.assertFalse((first / "rubbish").exists())

    def test_what_a_user_has_put_beside_it_stays_and_changes_no_digest(self):
        student = _student()
        path = self._export(student)
        before = exported.digest(path)
        (path / "photograph.jpg").write_bytes(b"mine")
        (path / "assets.extra").mkdir()
        (path / "assets.extra" / "requests").write_bytes(b"warm")
        self.assertEqual(exported.digest(path), before)
        self._export(student)
        self.assertEqual((path / "photograph.jpg").read_bytes(), b"mine")
        self.assertEqual((path / "assets.extra" / "requests").read_bytes(), b"warm")
        serving.load_student(path)
        self.assertNotIn("photograph.jpg", exported.known_card(path)["checksums"])

    def test_an_export_keeps_a_readme_that_its_user_has_changed(self):
        path, student = self._export(_student()), _student()
        written = (path / "README.md").read_text()
        (path / "README.md").write_text(f"{written}\nOn the shelf since Monday.\n")
        for _ in range(2):
            self._export(student)
            self.assertIn("since Monday", (path / "README.md").read_text())
            self.assertStartsWith((path / "README.kdcl.md").read_text(), written.splitlines()[0])
            serving.load_student(path)
        (path / "README.md").unlink()
        self._export(student)
        self.assertEqual(sorted(each.name for each in path.glob("README*")), ["README.md"])

    def test_an_export_keeps_the_readme_of_files_in_its_folder(self):
        student, path = _student(), self._export(_student())
        (path / "resnet8.onnx").write_bytes(b"model")
        cards.write(Card.of(student, self.dataset), path / "resnet8.onnx")
        beside.write(path)
        told = (path / "README.kdcl.md").read_text()
        self.assertIn("`resnet8.onnx`", told)
        names = {each.name for each in path.iterdir()}
        for _ in range(2):
            self._export(student)
            self.assertEqual((path / "README.kdcl.md").read_text(), told)
            self.assertEqual({each.name for each in path.iterdir()}, names)
            self.assertNotIn("resnet8.onnx", (path / "README.md").read_text())

    def test_an_export_replaces_nothing_that_is_no_student(self):
        photos = self.folder / "resnet8"
        photos.mkdir()
        (photos / "photo.jpg").write_text("")
        with self.assertRaisesRegex(FileExistsError, "got something else, which is kept"):
            self._export(_student())
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
            self._export(_student())
        self.assertEqual({each.name: each.read_text() for each in other.iterdir()}, files)

    def test_a_run_mends_its_own_export_that_has_lost_its_card(self):
        student, path = _student(), self._export(_student())
        (path / "student.json").unlink()
        with self.assertRaisesRegex(FileExistsError, "got something else"):
            self._export(student)
        card = Card.of(student, self.dataset)
        logits = answering.of_student(student, card.normalization)
        saved_model.export_function(logits, path, card=card)
        self.assertEqual(serving.load_student(path)[1]["student"], "resnet8")

    def test_a_run_mends_whatever_is_left_of_its_own_export(self):
        student, path = _student(), self.folder / "resnet8"
        card = Card.of(student, self.dataset)
        logits = answering.of_student(student, card.normalization)
        saved_model.export_function(logits, path, card=card)
        names = {each.name for each in path.iterdir()}
        for name in ("saved_model.pb", "student.json"):
            (path / name).unlink()
        saved_model.export_function(logits, path, card=card)
        self.assertEqual({each.name for each in path.iterdir()}, names)

    def test_a_readme_beside_a_card_that_is_gone_is_kept_unless_it_is_as_ours(self):
        student, path = _student(), self.folder / "resnet8"
        card = Card.of(student, self.dataset)
        logits = answering.of_student(student, card.normalization)
        for text in (None, None, "mine"):
            if text:
                (path / "README.md").write_text(text)
            (path / "student.json").unlink(missing_ok=True)
            saved_model.export_function(logits, path, card=card)
            self.assertEqual((path / "README.kdcl.md").exists(), text is not None)
        self.assertEqual((path / "README.md").read_text(), "mine")

    def test_numpys_numbers_are_numbers_of_a_card(self):
        student, pixels = _student(), np.random.default_rng(0).random((5, 8, 8, 3), np.float32)
        of_pixels = data.Normalization(pixels.mean((0, 1, 2)), pixels.std((0, 1, 2)))
        card = dataclasses.replace(
            Card.of(student, self.dataset),
            image_shape=np.array([8, 8, 3]),
            normalization=of_pixels,
            more={"accuracy": np.float32(0.5), "by_class": np.array([0.25, 0.75])},
        )
        path = serving.export_student(student, self.folder / "resnet8", card=card)
        _, found = serving.load_student(path)
        self.assertEqual((found["accuracy"], found["by_class"]), (0.5, [0.25, 0.75]))
        self.assertAllClose(found["mean"], pixels.mean((0, 1, 2)))

    def test_students_of_other_channels_than_photographs_have_are_given_no_bytes(self):
        for channels in (1, 2, 4):
            student = students.build("resnet8", 10, (8, 8, channels))
            card = Card(
                "resnet8", (8, 8, channels), tuple("abcdefghij"), data.Normalization((0.5,), (1.0,))
            )
            path = serving.export_student(student, self.folder / f"of_{channels}", card=card)
            loaded = tf.saved_model.load(str(path))
            self.assertEqual("photograph" in loaded.signatures, channels == 1)
            self.assertEqual("photograph" in exported.known_card(path), channels == 1)
            readme = (path / "README.md").read_text()
            self.assertEqual('signatures["photograph"]' in readme, channels == 1)
            (block,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
            if channels > 1:
                found = {}
                exec(block.replace('load(".")', f"load({str(path)!r})"), found)
                self.assertEqual(found["answers"]["logits"].shape, (1, 10))

    @parameterized.parameters(
        (
            {"class_names": ("cat", "dog")},
            r"expected logits \[B, 2\], one for each class name of the card; got a student of "
            r"\[None, 10\]: ",
        ),
        ({"class_names": (*"abcdefghi", "j\nk")}, r"class names: expected text .*; got 'j\\nk'"),
        ({"class_names": (*"abcdefghi", "")}, "class names: expected text .*; got ''"),
        (
            {"normalization": data.Normalization((0.5,) * 2, (0.5,) * 3)},
            "expected a mean for each of the card's 3 channels, or one for all; got 2: ",
        ),
        (
            {"normalization": data.Normalization((0.5,), (0.5,) * 4)},
            "expected a deviation for each of the card's 3 channels, or one for all; got 4: ",
        ),
        (
            {"class_names": range(10)},
            "class names: expected text; got 0, which is of int: pass '0'",
        ),
        (
            {"more": {"by": object()}},
            "expected a card of facts that JSON can hold; got another: .*",
        ),
    )
    def test_a_card_that_is_not_of_the_student_is_refused(self, change, message):
        student = _student()
        card = dataclasses.replace(Card.of(student, self.dataset), **change)
        with self.assertRaisesRegex(ValueError, f"^{message}") as caught:
            serving.export_student(student, self.folder / "resnet8", card=card)
        self.assertNotIn("\n", str(caught.exception))
        self.assertEmpty(list(self.folder.iterdir()))

    @parameterized.parameters("a.keras", "a.weights.h5", "a.onnx", "a.int8.tflite")
    def test_the_name_of_a_file_is_refused_before_anything_is_written(self, name):
        student = _student()
        card, path = Card.of(student, self.dataset), self.folder / name
        logits = answering.of_student(student, card.normalization)
        for export in (
            lambda: serving.export_student(student, path, card=card),
            lambda: saved_model.export_function(logits, path, card=card),
        ):
            message = (
                f"^expected the path of a folder, .*; got {path}, the name of a file: leave out"
            )
            with self.assertRaisesRegex(ValueError, message) as caught:
                export()
            self.assertNotIn("\n", str(caught.exception))
            self.assertEmpty(list(self.folder.iterdir()))

    def test_a_dot_in_the_name_of_a_folder_makes_no_file_of_it(self):
        path = self._export(_student(), "resnet8.v1.5")
        self.assertEqual(serving.load_student(path)[1]["student"], "resnet8")

    def test_a_student_that_gives_no_logits_is_refused(self):
        student = _student()
        card = Card.of(student, self.dataset)
        soft = keras.Model(
            student.input, keras.layers.Dense(10, activation="softmax")(student.output)
        )
        own = keras.Model(student.input, keras.layers.Softmax()(student.output))
        half = keras.layers.Activation("softmax", dtype="mixed_bfloat16")(student.output)
        one = keras.Model(student.input, keras.layers.Dense(1)(student.output))
        for model, message in (
            (
                soft,
                "the student ends in a softmax; an export needs logits: build it with classifier_",
            ),
            (own, "the student ends in a softmax; an export needs logits: "),
            (keras.Model(student.input, half), "the student ends in a softmax; an export needs"),
            (
                _Probabilities(student),
                "the student gives probabilities: .*; an export needs logits",
            ),
            (one, "the student gives one logit; an export needs one for each class"),
            (lambda images: images, "the student must be a keras.Model; got function"),
        ):
            with self.assertRaisesRegex(ValueError, f"^{message}") as caught:
                serving.export_student(model, self.folder / "soft", card=card)
            self.assertNotIn("\n", str(caught.exception))
        self.assertEmpty(list(self.folder.iterdir()))

    @parameterized.parameters((16, 16, 3), (8, 8, 1), (8, 16, 3))
    def test_a_card_of_other_images_than_the_students_is_refused(self, *shape):
        normalization = data.Normalization((0.5,), (1.0,))
        card = Card("a", shape, tuple("abcdefghij"), normalization)
        message = (
            rf"^expected a student of the card's images, \[None, {', '.join(map(str, shape))}\]; got "
            r"one of \(None, 8, 8, 3\): give the card the size of the student's images$"
        )
        for student in (_student(), _Flattening()):
            with self.assertRaisesRegex(ValueError, message):
                serving.export_student(student, self.folder / "a", card=card)
        self.assertEmpty(list(self.folder.iterdir()))

    def test_a_student_of_images_of_any_size_is_exported_for_the_cards(self):
        images = np.random.default_rng(0).integers(0, 256, [3, 16, 12, 3], np.uint8)
        normalization = data.Normalization((0.5,), (0.25,))
        inputs = keras.Input((None, None, 3))
        pooled = keras.layers.GlobalMaxPooling2D()(keras.layers.Conv2D(4, 5)(inputs))
        student = keras.Model(inputs, keras.layers.Dense(10)(pooled))
        card = Card("a", (16, 12, 3), tuple("abcdefghij"), normalization)
        for each in (student, _Pooling()):
            path = serving.export_student(each, self.folder / "a", card=card)
            predict, _ = serving.load_student(path)
            wanted = each((images / 255.0 - 0.5) / 0.25, training=False)
            self.assertAllClose(predict(images)["logits"], wanted, atol=1e-5)
        small = dataclasses.replace(card, image_shape=(4, 4, 3))
        with self.assertRaisesRegex(ValueError, "images, .None, 4, 4, 3.; got one of .None, None"):
            serving.export_student(student, self.folder / "a", card=small)

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
        path = self._export(_student())
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
        serving.load_student(self._export(_student()))

    def test_an_export_of_an_older_version_is_read_with_a_line(self):
        path = self._export(_student())
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
            path = self._export(_student())
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

    @pytest.mark.slow
    def test_keras_files_give_the_same_models_where_this_package_is_not_installed(self):
        made = {
            "float32": _student(),
            "half": _student("mixed_bfloat16", "wrn_10_1"),
            "keras": _student(name="keras:MobileNetV3Small", size=32),
            "branch": _branch(),
        }
        folder = self.folder / "models"
        folder.mkdir()
        for name, student in made.items():
            serving.save_keras(student, folder / f"{name}.keras")
            images = np.random.default_rng(3).normal(size=[4, *student.input_shape[1:]])
            np.save(folder / f"{name}.npy", images.astype(np.float32))
        self.assertLen(list(folder.iterdir()), 2 * len(made))
        program = (
            "import sys, numpy as np\n"
            "sys.modules['kdcl_tf'] = None\n"
            "import keras\n"
            "for name in sys.argv[1:]:\n"
            "    student = keras.saving.load_model(f'{name}.keras')\n"
            "    assert student.variable_dtype == student.compute_dtype == 'float32'\n"
            "    np.save(f'{name}.logits.npy', student(np.load(f'{name}.npy')))\n"
        )
        command = [sys.executable, "-I", "-c", program, *made]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name, student in made.items():
            expected = precision.in_float32(student)(np.load(folder / f"{name}.npy"))
            scale = float(tf.reduce_max(tf.abs(expected)))
            self.assertGreater(scale, 0.0)
            logits = np.load(folder / f"{name}.logits.npy")
            self.assertAllClose(logits / scale, expected / scale, rtol=0.0, atol=2e-6)

    def test_the_home_of_the_user_is_found_in_every_path(self):
        student = _student()
        card = Card.of(student, self.dataset)
        with mock.patch.dict(os.environ, HOME=str(self.folder)):
            written = [
                serving.export_student(student, "~/resnet8", card=card),
                serving.save_keras(student, "~/resnet8.keras"),
                serving.save_weights(student, "~/resnet8.weights.h5"),
            ]
            self.assertEqual(serving.load_student("~/resnet8")[1]["student"], "resnet8")
        names = ["resnet8", "resnet8.keras", "resnet8.weights.h5"]
        self.assertEqual(written, [self.folder / name for name in names])
        self.assertCountEqual([path.name for path in self.folder.iterdir()], names)

    def test_a_weights_file_fits_a_student_of_the_same_name(self):
        student = _student()
        path = serving.save_weights(student, self.folder / "resnet8.weights.h5")
        again = students.build("resnet8", 10, (8, 8, 3))
        again.load_weights(path)
        for one, two in zip(again.variables, student.variables, strict=True):
            self.assertAllEqual(one, two)
        self.assertEqual([each.name for each in self.folder.iterdir()], ["resnet8.weights.h5"])


if __name__ == "__main__":
    tf.test.main()
