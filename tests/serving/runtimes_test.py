"""Tests of kdcl_tf.serving.runtimes, on a model whose logits are the mean of each channel."""

import functools
import json
import operator
import pathlib
import subprocess
import sys
import tempfile
from unittest import mock

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from absl.testing import absltest, parameterized

from kdcl_tf.data.normalization import Normalization
from kdcl_tf.files import identity
from kdcl_tf.files.extras import MissingPackageError
from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving import cards, runtimes
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import attachments

_CARD = Card("means", (4, 6, 3), ("red", "green", "blue"), Normalization((0.0,) * 3, (1.0,) * 3))

# Answers of a process that imports nothing else.
_ALONE = """
import sys
import numpy as np
from kdcl_tf.serving import runtimes
images = np.full([2, 4, 6, 3], 51, np.uint8)
for path in sys.argv[1:]:
    predict, card = runtimes.load_file(path, threads=1)
    print(card["class_names"][0], predict(images)["logits"].astype(float).round(3).tolist())
assert not {"tensorflow", "keras", "onnx"} & set(sys.modules)
"""


def _means(count):
    @tf.function(input_signature=[tf.TensorSpec([count, 4, 6, 3], tf.uint8, name="images")])
    def function(images):
        logits = tf.reduce_mean(tf.cast(images, tf.float32) / 255.0, axis=[1, 2])
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    return function


@functools.cache
def _sums():
    """Files of models with two inputs; that of LiteRT has a signature for each of two functions."""
    spec = tf.TensorSpec([1, 3], tf.float32)
    module = tf.Module()
    for name in ("add", "sub"):
        function = tf.function(getattr(operator, name), input_signature=[spec] * 2)
        setattr(module, name, function)
    concrete = [module.add.get_concrete_function(), module.sub.get_concrete_function()]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(concrete, module)
    values = onnx.TensorProto.FLOAT
    given = [onnx.helper.make_tensor_value_info(name, values, [1, 3]) for name in "ab"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["a", "b"], ["c"])],
        "sum",
        given,
        [onnx.helper.make_tensor_value_info("c", values, [1, 3])],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    return {".tflite": converter.convert(), ".onnx": model.SerializeToString()}


def _images(count):
    return np.random.default_rng(0).integers(0, 256, [count, 4, 6, 3]).astype(np.uint8)


class RuntimesTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        concrete = _means(1).get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
        cls.content = {".tflite": converter.convert()}
        function = _means(None)
        model, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=17)
        cls.content[".onnx"] = model.SerializeToString()
        facts = json.dumps(identity.sealed(_CARD.facts))
        onnx.helper.set_model_props(model, {attachments.CARD: facts})
        cls.with_card = {
            ".tflite": attachments.with_archive(
                cls.content[".tflite"], {attachments.CARD: facts, attachments.LABELS: "red\n"}
            ),
            ".onnx": model.SerializeToString(),
        }

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def _write(self, content, suffix, card=None):
        path = self.folder / f"means{suffix}"
        path.write_bytes(content)
        if card:
            cards.write(card, path)
        return path

    @parameterized.product(suffix=runtimes.SUFFIXES, inside=(True, False))
    def test_it_answers_for_any_number_of_images(self, suffix, inside):
        if inside:
            path = self._write(self.with_card[suffix], suffix)
        else:
            path = self._write(self.content[suffix], suffix, _CARD)
        predict, card = runtimes.load_file(path)
        self.assertEqual(card["class_names"], ["red", "green", "blue"])
        self.assertEqual((card["num_classes"], card["image_shape"]), (3, [4, 6, 3]))
        self.assertNoCommonElements(card, ["checksum", "checksums"])
        for count in (0, 1, 5):
            images = _images(count)
            found = predict(images)
            expected = images.mean(axis=(1, 2)).reshape(count, 3) / 255.0
            np.testing.assert_allclose(found["logits"], expected, atol=1e-6)
            np.testing.assert_allclose(
                found["probabilities"].sum(axis=1), np.ones(count), atol=1e-6
            )
            self.assertEqual({each.dtype for each in found.values()}, {np.dtype(np.float32)})

    @parameterized.product(suffix=runtimes.SUFFIXES)
    def test_what_it_would_answer_wrongly_is_refused(self, suffix):
        predict, _ = runtimes.load_file(self._write(self.with_card[suffix], suffix))
        for images, told in (
            (_images(1)[0], r"got uint8 \[4, 6, 3\]: give a batch of one"),
            (_images(2)[:, :3], r"got uint8 \[2, 3, 6, 3\]: scale them to 4 x 6 pixels"),
            (_images(2)[..., :1], r"\[2, 4, 6, 1\]: the student takes images of 3 channels"),
            (_images(2) / 255.0, r"got float64 \[2, 4, 6, 3\]: give grey levels"),
        ):
            with self.assertRaisesRegex(
                ValueError, rf"^expected images as uint8 \[B, 4, 6, 3\]; .*{told}"
            ):
                predict(images)

    @parameterized.product(suffix=runtimes.SUFFIXES)
    def test_damage_is_told(self, suffix):
        path = self._write(self.with_card[suffix], suffix, _CARD)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with self.assertRaisesRegex(DamageError, "is damaged: means.* is not what was written"):
            runtimes.load_file(path)
        cards.path_of(path).unlink()
        path.write_bytes(b"\0" * 64)
        with self.assertRaisesRegex(DamageError, "its runtime cannot load it"):
            runtimes.load_file(path)

    @parameterized.product(suffix=runtimes.SUFFIXES)
    def test_a_card_of_another_model_is_refused(self, suffix):
        for shape, classes, told in (
            ((8, 8, 3), _CARD.class_names, "8, 8, 3"),
            (_CARD.image_shape, ("red", "green"), r"of 2 classes; got .* with logits \[.*, 3\]"),
        ):
            other = Card("other", shape, classes, _CARD.normalization)
            path = self._write(self.content[suffix], suffix, other)
            with self.assertRaisesRegex(
                DamageError, f"is not what its card tells of: expected .*{told}"
            ):
                runtimes.load_file(path)

    @parameterized.product(suffix=runtimes.SUFFIXES, with_card=(True, False))
    def test_a_sound_file_of_another_hand_is_not_called_damaged(self, suffix, with_card):
        path = self._write(_sums()[suffix], suffix, _CARD if with_card else None)
        message = "is not what its card tells of" if with_card else "without a card inside it or in"
        with self.assertRaisesRegex(ValueError, message) as caught:
            runtimes.load_file(path)
        self.assertNotIn("cannot load", str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))

    @parameterized.product(suffix=runtimes.SUFFIXES)
    def test_json_that_is_no_card_leaves_the_card_inside(self, suffix):
        path = self._write(self.with_card[suffix], suffix)
        cards.path_of(path).write_text('{"accuracy": 0.9}')
        self.assertEqual(runtimes.load_file(path)[1]["class_names"], ["red", "green", "blue"])

    @parameterized.product(suffix=runtimes.SUFFIXES)
    def test_what_is_no_file_of_ours_is_refused(self, suffix):
        path = self._write(self.content[suffix], suffix)
        with self.assertRaisesRegex(ValueError, "without a card inside it or in means.* beside it"):
            runtimes.load_file(path)
        with self.assertRaisesRegex(ValueError, "got .*none.onnx, which is not there"):
            runtimes.load_file(self.folder / "none.onnx")
        with self.assertRaisesRegex(ValueError, "which is a folder"):
            runtimes.load_file(self.folder)
        for name, expected in (("a.tflite", True), ("a/b.onnx", True), ("a.keras", False)):
            self.assertEqual(runtimes.is_file(name), expected)

    @parameterized.parameters((".tflite", "ai_edge_litert"), (".onnx", "onnxruntime"))
    def test_a_runtime_that_is_missing_is_named(self, suffix, package):
        path = self._write(self.with_card[suffix], suffix)
        with mock.patch.dict(sys.modules, {package: None}):
            with self.assertRaisesRegex(
                MissingPackageError,
                rf"^expected {package}, .*: run pip install 'kdcl_tf\[export\]'$",
            ):
                runtimes.load_file(path)

    def test_neither_tensorflow_nor_keras_is_imported(self):
        paths = [str(self._write(self.with_card[each], each)) for each in runtimes.SUFFIXES]
        done = subprocess.run(
            [sys.executable, "-c", _ALONE, *paths], capture_output=True, text=True, check=False
        )
        self.assertEqual(done.stdout, "red [[0.2, 0.2, 0.2], [0.2, 0.2, 0.2]]\n" * 2, done.stderr)


if __name__ == "__main__":
    absltest.main()
