"""Tests of kdcl_tf.serving.formats.phone_metadata, read again by places in the schema's tables."""

import flatbuffers
import numpy as np
from absl.testing import absltest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from flatbuffers import number_types

from kdcl_tf.data.normalization import IMAGENET
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import litert, phone_metadata
from tests.serving.formats import means

_CARD = Card("means", means.SHAPE, ("a", "b", "c"), IMAGENET, "resized_crop")


class _Table:
    """A table of a flatbuffer, read by slots."""

    def __init__(self, content, position):
        self._table = flatbuffers.table.Table(content, position)

    def _offset(self, slot):
        return self._table.Offset(4 + 2 * slot)

    def number(self, slot, kind):
        return self._table.Get(kind, self._table.Pos + self._offset(slot))

    def text(self, slot):
        return self._table.String(self._table.Pos + self._offset(slot)).decode()

    def table(self, slot):
        position = self._table.Indirect(self._table.Pos + self._offset(slot))
        return _Table(self._table.Bytes, position)

    def tables(self, slot):
        start = self._table.Vector(self._offset(slot))
        count = self._table.VectorLen(self._offset(slot))
        return [
            _Table(self._table.Bytes, self._table.Indirect(start + 4 * each))
            for each in range(count)
        ]


class PhoneMetadataTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plain = litert.convert(means.function(), means.SHAPE, "float32")
        cls.content = phone_metadata.with_metadata(cls.plain, _CARD, "labels.txt")

    def test_it_says_what_the_model_takes_and_gives_and_where_labels_are(self):
        model = schema.Model.GetRootAsModel(self.content, 0)
        entries = {
            model.Metadata(each).Name(): model.Metadata(each).Buffer()
            for each in range(model.MetadataLength())
        }
        content = model.Buffers(entries[b"TFLITE_METADATA"]).DataAsNumpy().tobytes()
        self.assertEqual(content[4:8], b"M001")
        root = _Table(content, flatbuffers.encode.Get(flatbuffers.packer.uoffset, content, 0))
        self.assertEqual((root.text(0), root.text(7)), ("means", "1.0.0"))
        (graph,) = root.tables(3)
        (given,) = graph.tables(2)
        self.assertEqual(given.text(0), "images")
        self.assertIn("scaled to 5 x 7 pixels and cut to its central 4 x 6", given.text(1))
        image = given.table(3)
        self.assertEqual(image.number(0, number_types.Uint8Flags), 2)  # ImageProperties
        self.assertEqual(image.table(1).number(0, number_types.Int8Flags), 1)  # RGB
        size = image.table(1).table(1)
        self.assertEqual([size.number(each, number_types.Uint32Flags) for each in (0, 1)], [6, 4])
        names = [each.text(0) for each in graph.tables(3)]
        self.assertEqual(names, ["logits", "probabilities"])
        for output in graph.tables(3):
            (labels,) = output.tables(6)
            self.assertEqual(labels.text(0), "labels.txt")
            self.assertEqual(labels.number(2, number_types.Int8Flags), 2)  # TENSOR_AXIS_LABELS

    def test_the_model_answers_as_before_and_its_outputs_are_in_that_order(self):
        images = means.images(1)
        for content in (self.plain, self.content):
            interpreter = Interpreter(model_content=content)
            interpreter.allocate_tensors()
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
            interpreter.invoke()
            logits, probabilities = (
                interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()
            )
            np.testing.assert_allclose(logits, means.logits(images), atol=1e-6)
            self.assertAlmostEqual(probabilities.sum(), 1.0, delta=1e-6)


if __name__ == "__main__":
    absltest.main()
