"""What phones' libraries read in a LiteRT model: what its input and outputs are, and the labels.

It is written as TensorFlow Lite Metadata has it (`metadata_schema.fbs`, schema version 1.0.0), a
flatbuffer inside the model that names files in the archive at its end.  Slots below are the
places of fields in the tables of that schema.
"""

from __future__ import annotations

from collections.abc import Sequence

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from kdcl_tf.serving.cards import Card

__all__ = ["with_metadata"]

_NAME = b"TFLITE_METADATA"
_VERSION = "1.0.0"
_MODEL_IDENTIFIER, _METADATA_IDENTIFIER = b"TFL3", b"M001"

# Of enumerations and unions in the schema.
_TENSOR_AXIS_LABELS, _IMAGE_PROPERTIES, _RGB, _GREY = 2, 2, 1, 2


def with_metadata(model: bytes, card: Card, labels: str) -> bytes:
    """A LiteRT model that says what it takes and gives.

    Args:
      model: the content of a `.tflite` file with one signature, without an archive.
      card: the student's.
      labels: the name of the file in the archive that has a line for each class.
    """
    parsed = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    buffer = schema.BufferT()
    buffer.data = _metadata(card, labels, _outputs(parsed))
    parsed.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = _NAME, len(parsed.buffers) - 1
    parsed.metadata = [*(parsed.metadata or []), entry]
    builder = flatbuffers.Builder(len(model))
    builder.Finish(parsed.Pack(builder), _MODEL_IDENTIFIER)
    return bytes(builder.Output())


def _outputs(model):
    """Names of the signature's outputs, in the order in which the graph has them."""
    (signature,) = model.signatureDefs
    names = {each.tensorIndex: each.name.decode() for each in signature.outputs}
    return [names[index] for index in model.subgraphs[0].outputs]


def _metadata(card, labels, outputs):
    builder = flatbuffers.Builder(1024)
    takes = (
        f"uint8, an image scaled to {card.scaled_to[0]} x {card.scaled_to[1]} pixels and cut to "
        f"its central {card.image_shape[0]} x {card.image_shape[1]}"
    )
    given = _table(
        builder,
        {0: _text(builder, "images"), 1: _text(builder, takes), 3: _image(builder, card)},
    )
    found = [
        _table(
            builder,
            {
                0: _text(builder, name),
                1: _text(builder, f"float32, the {name} of the classes"),
                6: _vector(builder, [_labels_file(builder, labels)]),
            },
        )
        for name in outputs
    ]
    graph = _table(builder, {2: _vector(builder, [given]), 3: _vector(builder, found)})
    root = _table(
        builder,
        {
            0: _text(builder, card.student),
            1: _text(builder, f"classifies images into {card.num_classes} classes"),
            3: _vector(builder, [graph]),
            7: _text(builder, _VERSION),
        },
    )
    builder.Finish(root, _METADATA_IDENTIFIER)
    return bytes(builder.Output())


def _labels_file(builder, name):
    text = _text(builder, name)
    builder.StartObject(4)
    builder.PrependUOffsetTRelativeSlot(0, text, 0)
    builder.PrependInt8Slot(2, _TENSOR_AXIS_LABELS, 0)
    return builder.EndObject()


def _image(builder, card):
    """The content of the input: an image of the card's size."""
    height, width, channels = card.image_shape
    builder.StartObject(2)
    builder.PrependUint32Slot(0, width, 0)
    builder.PrependUint32Slot(1, height, 0)
    size = builder.EndObject()
    builder.StartObject(2)
    builder.PrependInt8Slot(0, _RGB if channels == 3 else _GREY, 0)
    builder.PrependUOffsetTRelativeSlot(1, size, 0)
    properties = builder.EndObject()
    builder.StartObject(3)
    # A union is its type and its value.
    builder.PrependUint8Slot(0, _IMAGE_PROPERTIES, 0)
    builder.PrependUOffsetTRelativeSlot(1, properties, 0)
    return builder.EndObject()


def _text(builder, text: str) -> int:
    return builder.CreateString(text)


def _vector(builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _table(builder, fields: dict[int, int]) -> int:
    """A table of which all fields are offsets, by their slots."""
    builder.StartObject(max(fields) + 1)
    for slot, offset in fields.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return builder.EndObject()
