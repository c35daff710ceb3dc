"""Students, written as SavedModels."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Callable

import keras
import tensorflow as tf

from kdcl_tf import files, students
from kdcl_tf.files import identity
from kdcl_tf.serving import answering, cards, exported, photographs, replacing
from kdcl_tf.serving.formats import readme
from kdcl_tf.serving.saved_model import checks
from kdcl_tf.serving.saved_model.served import ServedStudent
from kdcl_tf.students import cost

__all__ = ["export_function", "export_student", "with_cost"]


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
    checks.check_path(path)
    replacing.check_replaced(path, "student")
    logits = answering.of_student(student, card.normalization)
    checks.check_images(card, student)
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
    checks.check_path(path)
    replacing.check_replaced(path, "student", is_own=True)
    checks.check_card(card)
    served = ServedStudent(logits, card.image_shape, card.scaled_to)
    checks.check_classes(
        card, served.serve.get_concrete_function().structured_outputs["logits"].shape
    )
    with files.replaced_folder(path) as partial:
        tf.saved_model.save(served, str(partial), signatures=served.signatures)
        card = check(partial) if check else card
        if "photograph" in served.signatures:
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


def with_cost(card: cards.Card, student: keras.Model) -> cards.Card:
    """The card with the student's `parameters` and, where they can be counted, `multiply_adds`."""
    more = {"parameters": students.parameter_count(student)}
    # A layer of the user's may be of a kind that is not counted, or the model no functional one.
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        more["multiply_adds"] = cost.multiply_adds(student)
    return card.with_more(**more)
