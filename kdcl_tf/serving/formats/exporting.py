"""Writes students in all formats that are asked for, and tells which files could not be written."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kdcl_tf.files import streams
from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving import cards
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import beside, names as formats, writing
from kdcl_tf.serving.formats.checking import BoundError
from kdcl_tf.serving.formats.pictures import Pictures
from kdcl_tf.serving.formats.processes import Runtimes
from kdcl_tf.serving.formats.writing import Model, Writer

__all__ = ["models_of", "write_all"]


def models_of(
    student: str | None, students: Mapping[str, keras.Model], found: Mapping[str, Card]
) -> list[Model]:
    """What to export: the student of that name, the ensemble of all, or each.

    Args:
      student: a name, "ensemble" or None.
      students, found: from `restoring.restore`.
    """
    chosen = [student] if student and student in students else list(students)
    models = {name: writing.student(students[name], found[name]) for name in chosen}
    return [writing.ensemble(models)] if student == formats.ENSEMBLE else list(models.values())


def write_all(
    models: Sequence[Model],
    forms: Sequence[str],
    output: pathlib.Path,
    pictures: Pictures,
    calibration: Pictures | None,
) -> tuple[list[tuple[str, Any]], list[str]]:
    """Writes each model in each format, and what lies beside them, and prints each path.

    Returns:
      (`(file, measured)` of those that were written, a line for each that was not).
    """
    rows, missed = [], []
    started = [formats.FORMATS[form].runtime for form in forms]
    with Runtimes(started, pictures.images) as runs:
        writer = Writer(output, runs, pictures, calibration)
        for model in models:
            for form in forms:
                try:
                    # Converters tell of every step that they take.
                    with streams.without_notices():
                        path, found = writer.write(model, form)
                except ValueError as error:
                    missed.append(_missed(error, output, model, form))
                    continue
                print(path, flush=True)
                rows.append((path.name, found))
                # After each, since a later one may take long, or be interrupted.
                beside.write(output)
    return rows, missed


def _missed(error, output, model, form):
    """Why a file is not written, and that one of before stays where it was, if there is one."""
    path = output / f"{model.card.student}{formats.FORMATS[form].ending}"
    # What a converter or Keras refuses names no file.
    told = "" if isinstance(error, BoundError) else f"{path.name} is not written: "
    stays = f" ({path}, of an earlier export, stays{_lost(path)})" if path.exists() else ""
    return f"{told}{error}{stays}"


def _lost(path):
    """What a file that stays has lost, if the student's other file has taken the card of both."""
    try:
        facts = cards.read_beside(path)
    except DamageError:
        return ""  # Whoever loads it is told.
    return ", without its card" if path.name not in facts.get("checksums", [path.name]) else ""
