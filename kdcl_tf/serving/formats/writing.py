"""Writes an exported model in any format, once it has been checked in its own runtime."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf import files
from kdcl_tf.files import identity, moments
from kdcl_tf.serving import answering, card_facts, cards, keras_files, saved_model
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import attachments, checking, litert, onnx_models
from kdcl_tf.serving.formats.names import ENSEMBLE, FORMATS
from kdcl_tf.serving.formats.pictures import Pictures
from kdcl_tf.serving.formats.processes import Runtimes

__all__ = ["Model", "Writer", "ensemble", "student"]

_BATCH = 64
# Facts that the students of a run have in common, and their ensemble with them.
_OF_ALL = ("epoch", moments.STEP, "kept", "identity", "left_out")


@dataclasses.dataclass(frozen=True)
class Model:
    """What is exported.

    Attributes:
      card: its facts.
      logits: its function of pixels.
      for_integers: gives its function of grey levels.
      student: the keras.Model; None of an ensemble.
    """

    card: Card
    logits: answering.Logits
    for_integers: Callable[[], answering.Logits]
    student: keras.Model | None = None


def student(model: keras.Model, card: Card) -> Model:
    """A student as what is exported."""
    card = saved_model.with_cost(card, model)
    return Model(
        card,
        answering.of_student(model, card.normalization),
        lambda: answering.of_grey_levels(model, card.normalization),
        model,
    )


def ensemble(members: Mapping[str, Model]) -> Model:
    """The average of students' probabilities as one model, each student under its own card.

    Args:
      members: by name, at least one, all of the same classes and size of images.

    Raises:
      ValueError: when classes or sizes differ.
    """
    name = ENSEMBLE
    first, *others = (member.card for member in members.values())
    for card in others:
        same = card.class_names == first.class_names and card.image_shape == first.image_shape
        if not same:
            raise ValueError(
                f"expected students of the same classes and images for the ensemble; got "
                f"{first.student} and {card.student}, which differ"
            )
    kept = {key: value for key, value in first.more.items() if key in _OF_ALL}
    for cost in ("parameters", "multiply_adds"):
        each = [member.card.more.get(cost) for member in members.values()]
        if None not in each:
            kept[cost] = sum(each)
    card = dataclasses.replace(
        first,
        student=name,
        architecture="",
        # Each student is normalised inside.
        normalization=type(first.normalization)(
            (0.0,) * first.image_shape[-1], (1.0,) * first.image_shape[-1]
        ),
        more={**kept, "members": {name: _member(each.card) for name, each in members.items()}},
    )
    return Model(
        card,
        answering.averaged([each.logits for each in members.values()]),
        lambda: answering.averaged([each.for_integers() for each in members.values()]),
    )


def _member(card):
    return {"architecture": card.architecture, **card.normalization.as_card()}


class Writer:
    """Writes models to one folder.

    Args:
      output: the folder, which is there.
      runtimes: processes of all formats that are going to be written.
      pictures: those on which the runtimes run.
      calibration: images to calibrate int8 with, one or more.
    """

    def __init__(
        self,
        output: pathlib.Path,
        runtimes: Runtimes,
        pictures: Pictures,
        calibration: Pictures | None = None,
    ):
        self._output, self._runtimes = output, runtimes
        self._pictures, self._calibration = pictures, calibration
        self._expected = {}

    def write(self, model: Model, form: str) -> tuple[pathlib.Path, checking.Measured]:
        """Writes a model in one of `FORMATS`, with its card.

        Returns:
          (path, what was measured).

        Raises:
          BoundError: when the file misses the bound of its format; then nothing is written.
          ValueError: when a converter refuses.
          OSError: when it cannot be written.
        """
        card = _card_in(model.card, form)
        if form == "litert_int8" and self._calibration:
            images = self._calibration
            card = card.with_more(calibrated_on=f"{len(images.images):,} {images.source}")
        path = self._output / f"{card.student}{FORMATS[form].ending}"
        found = []

        def check(partial):
            found.append(self._check(partial, model, form, path.name))
            return card.with_more(measured={form: found[0].facts})

        if form == "saved_model":
            saved_model.export_function(model.logits, path, card=card, check=check)
            return path, found[0]
        self._write_file(model, form, card, path, check)
        with files.undone(lambda: _discard_without_card(path)):
            cards.write(card.with_more(measured={form: found[0].facts}), path)
        return path, found[0]

    def _write_file(self, model, form, card, path, check):
        if form == "keras":
            keras_files.save_keras(model.student, path, check)
        elif form == "weights":
            keras_files.save_weights(model.student, path, check)
        else:
            content = self._converted(model, form, card)
            with files.replaced_file(path) as partial:
                partial.write_bytes(content)
                check(partial)

    def _converted(self, model, form, card):
        """The content of a LiteRT or ONNX file, with its card and class names inside."""
        texts = {
            attachments.CARD: json.dumps(identity.sealed(card.facts), indent=2),
            attachments.LABELS: "".join(f"{name}\n" for name in card.class_names),
        }
        if form == "onnx":
            return onnx_models.convert(model.logits, card.image_shape, texts)
        kind = {"litert": "float32"}.get(form, form.removeprefix("litert_"))
        logits = model.for_integers() if kind == "int8" else model.logits
        images = self._calibration.images if self._calibration else None
        content = litert.convert(logits, card.image_shape, kind, images)
        # A module of the extra `export`.
        from kdcl_tf.serving.formats import phone_metadata

        content = phone_metadata.with_metadata(content, card, attachments.LABELS)
        return attachments.with_archive(content, texts)

    def _check(self, partial, model, form, name):
        card = model.card
        student = card.student
        if student not in self._expected:
            self._expected[student] = self._logits(model.logits)
        facts = {
            **card.normalization.as_card(),
            "architecture": card.architecture,
            "classes": card.num_classes,
            "shape": card.image_shape,
        }
        expected, labels = self._expected[student], self._pictures.labels
        found = checking.checked(
            partial, form, self._runtimes, expected, labels, name=name, **facts
        )
        return dataclasses.replace(found, images_from=self._pictures.source)

    def _logits(self, function):
        """The model's own logits of the images, `[N, num_classes]`."""
        images = self._pictures.images
        spec = tf.TensorSpec([None, *images.shape[1:]], tf.uint8)
        serve = tf.function(
            lambda images: function(tf.cast(images, tf.float32) / 255.0),
            input_signature=[spec],
            autograph=False,
        )
        starts = range(0, len(images), _BATCH)
        return np.concatenate([serve(images[start : start + _BATCH]).numpy() for start in starts])


def _discard_without_card(path):
    """Takes away a file whose card could not be written: it would seem to be of another hand."""
    if not cards.path_of(path).exists():
        path.unlink(missing_ok=True)


def _card_in(card: Card, form: str) -> Card:
    """The card of a model in a format, with what only that format has."""
    if not FORMATS[form].is_phone and form != "onnx":
        return card
    channels = card.image_shape[-1]
    # A file for phones takes one image at a time.
    batch = 1 if FORMATS[form].is_phone else None
    given = {"dtype": "float32", "shape": [batch, card.num_classes]}
    return card.with_more(
        file_format=form,
        inputs={
            "images": {
                "dtype": "uint8",
                "shape": [batch, *card.image_shape],
                "channels": card_facts.CHANNELS.get(channels, f"{channels} channels"),
                "range": [0, 255],
                # `mean` and `deviation` are applied inside the file.
                "is_normalized": False,
            }
        },
        outputs={"logits": given, "probabilities": given},
    )
