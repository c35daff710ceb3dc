"""Tests of kdcl_tf.serving.formats.attachments."""

import pathlib
import tempfile
import zipfile

from absl.testing import absltest, parameterized

from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving.formats import attachments


class AttachmentsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "model.tflite"

    def test_texts_come_after_the_model_and_are_read_again(self):
        model = bytes(range(256)) * 5
        texts = {attachments.CARD: '{"a": 1}', attachments.LABELS: "chat\nñandú\n"}
        content = attachments.with_archive(model, texts)
        self.assertEqual(content[: len(model)], model)
        self.assertEqual(content, attachments.with_archive(model, texts))
        self.path.write_bytes(content)
        for name, text in texts.items():
            self.assertEqual(attachments.archived(self.path, name), text)
        self.assertIsNone(attachments.archived(self.path, "other"))
        with zipfile.ZipFile(self.path) as archive:
            self.assertIsNone(archive.testzip())
            self.assertEqual(archive.read("labels.txt").decode().splitlines(), ["chat", "ñandú"])

    def test_a_model_without_an_archive_has_no_texts(self):
        self.path.write_bytes(b"model")
        self.assertIsNone(attachments.archived(self.path, attachments.CARD))

    def test_a_damaged_archive_is_told(self):
        content = attachments.with_archive(b"model", {attachments.CARD: '{"a": 1}'})
        self.path.write_bytes(content.replace(b'"a": 1', b'"a": 2'))
        with self.assertRaisesRegex(DamageError, "student.json inside .* is damaged"):
            attachments.archived(self.path, attachments.CARD)

    @parameterized.parameters((6, 0xFF), (8, 1), (10, 99))
    def test_an_archive_that_claims_what_none_has_is_told(self, place, value):
        # In the list at its end: a later version of ZIP, that it is encrypted, a compression.
        content = bytearray(attachments.with_archive(b"model", {attachments.CARD: "{}"}))
        content[content.rindex(b"PK\x01\x02") + place] = value
        self.path.write_bytes(content)
        with self.assertRaisesRegex(DamageError, "student.json inside .* is damaged"):
            attachments.archived(self.path, attachments.CARD)

    @parameterized.parameters("{", "[1]", "\x00")
    def test_a_card_that_is_no_object_is_told(self, text):
        with self.assertRaisesRegex(DamageError, "the card inside model.tflite is damaged"):
            attachments.facts_of("model.tflite", text)
        self.assertEqual(attachments.facts_of("", '{"a": 1}'), {"a": 1})


if __name__ == "__main__":
    absltest.main()
