"""Students as SavedModels, which take uint8 images and need only TensorFlow."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf import files, students
from kdcl_tf.cohort.membership import input_shape
from kdcl_tf.data.sources import source
from kdcl_tf.files import identity
from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving import answering, cards, exported, images as images_lib, photographs, replacing
from kdcl_tf.serving.formats import readme
from kdcl_tf.students import cost, normalization, precision

__all__ = [
    "export_function",
    "export_student",
    "load_student",
    "save_keras",
    "save_weights",
    "with_cost",
]


class _ServedStudent(tf.Module):
    """A function of pixels that takes images.

    `serve` takes images as uint8, `serve_pixels` as floats in 0..1, which distorted and noisy
    images need, and `serve_photograph` the bytes of one encoded image.  The LiteRT converter
    takes `serve` alone, by its name.
    """

    def __init__(self, logits, image_shape, scaled_to):
        super().__init__()
        # A closure holds the Keras model: only TensorFlow's own loader finds the variables of one
        # that is an attribute.  Session loaders and the LiteRT converter need them as they are
        # listed below.
        self._logits = logits
        shape = [None, *image_shape]
        whole = tf.TensorSpec(shape, tf.uint8, name="images")
        self.serve = tf.function(self._serve, input_signature=[whole], autograph=False)
        fractions = tf.TensorSpec(shape, tf.float32, name="pixels")
        self.serve_pixels = tf.function(
            self._serve_pixels, input_signature=[fractions], autograph=False
        )
        self._shapes = tuple(image_shape), tuple(scaled_to)
        encoded = tf.TensorSpec([], tf.string, name="photograph")
        if photographs.are_taken(image_shape):
            self.serve_photograph = tf.function(
                self._serve_photograph, input_signature=[encoded], autograph=False
            )
        self.weights = list(self.serve.get_concrete_function().variables)

    def _serve(self, images):
        return self._serve_pixels(tf.cast(images, tf.float32) / 255.0)

    def _serve_photograph(self, photograph):
        return self._serve(photographs.pixels(photograph, *self._shapes)[None])

    def _serve_pixels(self, pixels):
        # TensorFlow's oneDNN convolution misshapes an empty batch, so pad it by one image.  Not
        # by `tf.pad`: with a computed amount, images of one channel do not convert to LiteRT.
        count = tf.shape(pixels)[0]
        empty = tf.cast(count == 0, tf.int32)
        pixels = tf.concat([pixels, tf.zeros([empty, *pixels.shape[1:]])], axis=0)
        return answering.answers(self._logits(pixels)[:count])


def export_student(
    student: keras.Model, path: str | os.PathLike, *, card: cards.Card
) -> pathlib.Path:
    """Writes a student as a SavedModel, which loads where `kdcl_tf` is not installed.

    TensorFlow Serving and other languages load it, `saved_model_cli` runs it, and
    `tf.lite.TFLiteConverter.from_saved_model(path)` converts it.  It computes in float32,
    whatever precision the student was trained in.

    Its signature `serving_default` takes `images`, uint8 `[B, H, W, C]` with any B, 0 too, and
    the card's H, W and C, and gives `logits` and `probabilities`, float32 `[B, num_classes]`;
    the signature `pixels` takes `pixels`, the same as float32 in 0..1, and gives the same; the
    signature `photograph` takes `photograph`, a scalar string, the bytes of one JPEG or PNG of
    any size, which it resizes as evaluation does, but does not turn upright, and gives the same
    with B = 1.  A student of other images than grey or RGB ones has no such signature.
    Beside it are `class_names.txt`, a line for each class, `class_names.json`, a list of them,
    `README.md`, for people, and `student.json`, the card, with the checksums of all other files.

    Args:
      student: a built keras.Model of normalised images that gives logits `[B, num_classes]`, without
        a softmax, which the export computes.
      path: the folder, written whole; its name does not end as one of a file does, such as `.keras`.
        It replaces an older export, of which other files than its own are kept, and a README.md
        that was changed by hand; ours is README.kdcl.md then.
      card: the student's, which gives the size and the normalisation of its images.

    Returns:
      The path.

    Raises:
      FileExistsError: when the path is neither an exported student nor an empty folder: a SavedModel
        of another hand has no card, and is kept.
      ValueError: when the path has the name of a file; when the student gives no logits, such as
        one that ends in a softmax; when the card is not of the student: it has another size of
        images, not as many class names as there are logits, names that are empty or no plain line
        of text, or not a mean and a deviation for each channel, or one for all.
    """
    path = pathlib.Path(path).expanduser()
    _check_name(path)
    replacing.check_replaced(path, "student")
    logits = answering.of_student(student, card.normalization)
    _check_images(card, student)
    return export_function(logits, path, card=with_cost(card, student))


def export_function(
    logits: answering.Logits,
    path: str | os.PathLike,
    *,
    card: cards.Card,
    check: Callable[[pathlib.Path], cards.Card] | None = None,
) -> pathlib.Path:
    """Writes a function of pixels as `export_student` writes a student.

    It replaces any exported model and what is left of one, also without its card: it is for a
    folder that is known to be for this export, as those in a run are.

    Args:
      logits: see `serving.answering`.
      path, card: as there.
      check: is given the SavedModel's path before it has its final name, and returns the card
        to write; what it raises leaves nothing written.

    Raises:
      FileExistsError: when the path exists and is no exported model.
      ValueError: as there.
    """
    path = pathlib.Path(path).expanduser()
    _check_name(path)
    replacing.check_replaced(path, "student", is_own=True)
    _check_card(card)
    served = _ServedStudent(logits, card.image_shape, card.scaled_to)
    _check_classes(card, served.serve.get_concrete_function().structured_outputs["logits"].shape)
    signatures = {"serving_default": served.serve, "pixels": served.serve_pixels}
    if photographs.are_taken(card.image_shape):
        signatures["photograph"] = served.serve_photograph
    with files.replaced_folder(path) as partial:
        tf.saved_model.save(served, str(partial), signatures=signatures)
        card = check(partial) if check else card
        if "photograph" in signatures:
            # Of whichever card is written: the check makes its own.
            card = card.with_more(photograph=photographs.explained(card.facts))
        text = readme.of_saved_model(card.facts)
        readme_of_user = _readme_of_user(path, text)
        name = identity.README_BESIDE if readme_of_user else identity.README
        files.write_text(partial / name, text)
        cards.write(card, partial)
        # Not among the checksums, so that the next export tells it from ours, too.
        if readme_of_user:
            (partial / identity.README).write_bytes(readme_of_user)
        replacing.keep_others(path, partial)
    return path


def _readme_of_user(path, ours):
    """The README of an export that its user has changed; None for ours.

    Where the card is gone or damaged, only one that is as the new one counts as ours.
    """
    sums = exported.known_card(path).get("checksums", {})
    with contextlib.suppress(OSError):
        found = (path / identity.README).read_bytes()
        is_ours = found == ours.encode() or (
            identity.checksums_of([path / identity.README])[identity.README]
            == sums.get(identity.README)
        )
        return None if is_ours else found
    return None


def _check_name(path):
    """Raises ValueError for the name of a file, whose card would lie beside it and not in it."""
    if cards.path_of(path).parent != path:
        raise ValueError(
            f"expected the path of a folder, for a SavedModel; got {path}, the name of a file: leave "
            "out its ending, or write .keras with save_keras, .weights.h5 with save_weights, and "
            "others with kdcl-export"
        )


def _check_card(card):
    """Raises ValueError for class names or a normalisation that nothing could use."""
    source.check_class_names(card.class_names)
    try:
        json.dumps(card.facts)
    except TypeError as error:
        raise ValueError(
            f"expected a card of facts that JSON can hold; got another: {error}: change the card's more"
        ) from error
    channels = card.image_shape[-1]
    for name, numbers in card.normalization.as_card().items():
        if name in ("mean", "deviation") and np.shape(numbers) not in ((channels,), (1,)):
            raise ValueError(
                f"expected a {name} for each of the card's {channels} channels, or one for all; got "
                f"{len(numbers)}: change the card's normalization"
            )


def _check_images(card, student):
    """Raises ValueError unless a student takes images of a card's size."""
    if not _takes(student, (None, *card.image_shape)):
        raise ValueError(
            f"expected a student of the card's images, {[None, *card.image_shape]}; got one of "
            f"{input_shape(student)}: give the card the size of the student's images"
        )


def _takes(student, shape):
    """Whether a student takes images of a shape `(None, H, W, C)`."""
    own = [tf.TensorShape(each.shape) for each in getattr(student, "inputs", None) or []]
    if len(own) > 1 or not all(each.is_compatible_with(shape) for each in own):
        return False
    if own and own[0][1:].is_fully_defined():
        return True
    # What tells no size, or says that it takes any, may still fail for this one.
    try:
        student.compute_output_spec(keras.KerasTensor(shape))
    except Exception:  # Whatever layers raise, theirs or a stranger's.
        return False
    return True


def _check_classes(card, shape):
    """Raises ValueError unless logits of a shape are one for each class of a card."""
    if not shape.is_compatible_with([None, card.num_classes]):
        raise ValueError(
            f"expected logits [B, {card.num_classes}], one for each class name of the card; got a "
            f"student of {shape.as_list()}: give the card a name for each logit, in their order"
        )


def with_cost(card: cards.Card, student: keras.Model) -> cards.Card:
    """The card with the student's `parameters` and, where they can be counted, `multiply_adds`."""
    more = {"parameters": students.parameter_count(student)}
    # A layer of the user's may be of a kind that is not counted, or the model no functional one.
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        more["multiply_adds"] = cost.multiply_adds(student)
    return card.with_more(**more)


def load_student(
    path: str | os.PathLike,
) -> tuple[Callable[..., dict[str, tf.Tensor]], dict[str, Any]]:
    """Loads an exported student.

    Returns:
      `(predict, card)`: `predict(images)` takes `[B, H, W, C]`, uint8 or floats in 0..1, and
      gives `{"logits", "probabilities"}`; it raises ValueError for images of another size, type
      or range.  `predict(images, check_range=False)` takes floats of any range, for images that
      were distorted or made noisy.  `card` is `student.json` without its checksums, `class_names`
      included.

    Raises:
      ValueError: when the folder is no student that `export_student` wrote.
      DamageError: when its card or one of its files is missing or not what was written, or the
        card has not as many classes as there are logits.  Of an export of an older version,
        without checksums, it is said on stderr that only TensorFlow has checked it.
    """
    path = pathlib.Path(path).expanduser()
    card_path = cards.path_of(path)
    if not exported.holds_model(path) or not card_path.exists():
        raise ValueError(
            "expected an exported student, a folder with saved_model.pb and student.json such as "
            f"WORKDIR/students/NAME; got {path}, which is {_kind_of(path)}"
        )
    facts = cards.read_student(path)
    exported.check(path, facts)
    loaded = exported.load(path)
    shape = loaded.signatures["serving_default"].structured_outputs["logits"].shape
    if not shape.is_compatible_with([None, facts["num_classes"]]):
        # An older version did not compare them.
        raise DamageError(
            f"{path} is not what its card tells of: expected logits of {facts['num_classes']} "
            f"classes; got {shape.as_list()}; export it again"
        )
    card = {name: fact for name, fact in facts.items() if name not in ("checksums", "checksum")}

    def predict(images, check_range=True):
        images = images_lib.checked(images, card["image_shape"], check_range)
        # The closure holds `loaded`, because a signature does not keep its variables alive.
        if images.dtype == tf.uint8:
            return loaded.signatures["serving_default"](images=images)
        return loaded.signatures["pixels"](pixels=images)

    return predict, card


def _kind_of(path: pathlib.Path) -> str:
    """What a path is that is no exported student, in words."""
    if path.name.endswith((".keras", ".weights.h5")):
        return "a file for further training: export the student as saved_model"
    if exported.students_of(path):
        return f"a run: its students are {path / 'students'}/NAME"
    if path.is_dir():
        return f"a folder without student.json{exported.named_in(path)}"
    return "a file" if path.exists() else "not there"


def save_keras(
    student: keras.Model,
    path: str | os.PathLike,
    check: Callable[[pathlib.Path], Any] | None = None,
) -> pathlib.Path:
    """Writes a `.keras` file of the student, which takes normalised images.

    The file has float32 and Keras's own layers, whatever the student was trained with, so that
    it loads where `kdcl_tf` is not installed.

    Args:
      student: a built keras.Model.
      path: of the file.
      check: is given the file before it has its final name; what it raises leaves nothing
        written.

    Returns:
      The path.

    Raises:
      ValueError: when Keras cannot build the student again from its configuration.
    """
    path = pathlib.Path(path).expanduser()
    stock = normalization.with_stock_normalization(precision.in_float32(student))
    with files.replaced_file(path) as partial:
        keras.saving.save_model(stock, partial)
        if check:
            check(partial)
    return path


def save_weights(
    student: keras.Model,
    path: str | os.PathLike,
    check: Callable[[pathlib.Path], Any] | None = None,
) -> pathlib.Path:
    """Writes a `.weights.h5` file, to load into a student that is built by the same name.

    Args:
      student, path, check: as in `save_keras`.

    Returns:
      The path.
    """
    path = pathlib.Path(path).expanduser()
    with files.replaced_file(path) as partial:
        student.save_weights(partial)
        if check:
            check(partial)
    return path
