"""Tests of kdcl_tf.serving.exported."""

import pathlib

import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.serving import exported


class _Doubler(tf.Module):
    def __init__(self):
        super().__init__()
        self.factor = tf.Variable(tf.fill([64], 2.0))

    @tf.function(input_signature=[tf.TensorSpec([64], tf.float32)])
    def double(self, numbers):
        return self.factor * numbers


class ExportedTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.card = self.folder / "card.json"

    def test_a_card_is_read(self):
        self.card.write_text('{"student": "resnet8", "mean": [0.5]}')
        self.assertEqual(exported.read_card(self.card, ("mean",))["student"], "resnet8")

    @parameterized.parameters(
        ("", "Expecting value"),
        ("[1]", "wanted an object of JSON"),
        ("[" * 100_000, "recursion"),
        ('{"student": "resnet8"}', "it has no mean, deviation"),
    )
    def test_a_damaged_card(self, text, message):
        self.card.write_text(text)
        with self.assertRaisesRegex(ValueError, f"^{self.card} is no card.*{message}.*again$"):
            exported.read_card(self.card, ("student", "mean", "deviation"))

    def test_a_model_is_loaded(self):
        tf.saved_model.save(_Doubler(), str(self.folder))
        doubler = exported.load(self.folder)
        self.assertAllEqual(doubler.double(tf.ones([64])), tf.fill([64], 2.0))

    @parameterized.parameters("saved_model.pb", "variables/variables.data-00000-of-00001")
    def test_a_damaged_model(self, name):
        tf.saved_model.save(_Doubler(), str(self.folder))
        path = self.folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with self.assertRaisesRegex(ValueError, f"^{self.folder} is a SavedModel that cannot be l"):
            exported.load(self.folder)


if __name__ == "__main__":
    tf.test.main()
