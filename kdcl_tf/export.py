"""Exports the students of a run from its newest checkpoint, complete or not.

kdcl-export --workdir=runs/my_run                         # SavedModels
kdcl-export --workdir=runs/my_run --format=keras --student=resnet32 --output=models
kdcl-export --workdir=runs/my_run --format=litert_int8,onnx --student=ensemble
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from kdcl_tf import files
from kdcl_tf.classification import restoring
from kdcl_tf.files import extras
from kdcl_tf.files.identity import DamageError
from kdcl_tf.programs import command_line
from kdcl_tf.serving.formats import names as formats

if TYPE_CHECKING:
    import keras

    from kdcl_tf.classification.settings import Settings
    from kdcl_tf.serving.cards import Card
    from kdcl_tf.serving.formats.pictures import Pictures
    from kdcl_tf.serving.formats.writing import Model

ENSEMBLE = "ensemble"
_OF_IMAGES = ("images", "test_images", "calibration", "calibration_images", "dataset", "data_dir")


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines what to export, in which formats, where to, and how it is checked."""
    flags.DEFINE_string("workdir", None, "Folder of a run of kdcl-train.", flag_values)
    flags.DEFINE_string(
        "student",
        None,
        "Name of one student; by default all. ensemble: one model, which averages the "
        "probabilities of all.",
        flag_values,
    )
    flags.DEFINE_list(
        "format",
        ["saved_model"],
        "One or several of: "
        + "; ".join(f"{name}: {each.summary}" for name, each in formats.FORMATS.items())
        + "; all: all of them.",
        flag_values,
    )
    flags.DEFINE_string(
        "output", None, "Folder to write to; by default WORKDIR/students.", flag_values
    )
    _define_image_flags(flag_values)


def _define_image_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "images",
        None,
        "Folder of images to check the files with; images whose classes are known lie in folders "
        "named after them; by default the run's test images, or images of noise where no format is "
        "of LiteRT or ONNX.",
        flag_values,
    )
    flags.DEFINE_integer(
        "test_images",
        256,
        "How many of these images to check with; 0 for all.",
        0,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "calibration",
        None,
        "Folder of images to calibrate litert_int8 with; by default the run's training images.",
        flag_values,
    )
    flags.DEFINE_integer(
        "calibration_images", 200, "How many images to calibrate with.", 1, flag_values=flag_values
    )
    flags.DEFINE_string(
        "dataset",
        None,
        "Where the run's data is now, if it was moved, as in kdcl-train, such as folder:PATH; it "
        "must be the same data.",
        flag_values,
    )
    flags.DEFINE_string(
        "data_dir", None, "Where TFDS keeps the run's data, if not at its default.", flag_values
    )


def main(flag_values: flags.FlagValues) -> None:
    """Restores the run's students, writes them, and prints what was measured of the files."""
    values = command_line.values_of(define_flags, flag_values)
    with command_line.user_errors():
        if not values["workdir"]:
            raise ValueError("expected --workdir, the folder of a run; got none")
        forms = chosen_formats(values)
        _check_flags(flag_values, forms)
        workdir = pathlib.Path(values["workdir"]).expanduser()
        settings = restoring.settings_of(workdir)
        check_student(values["student"], settings.student_names)
    command_line.import_tensorflow(decodes=True)
    _leave_gpus()
    from kdcl_tf.serving.formats import beside, checking

    with command_line.user_errors():
        output = pathlib.Path(values["output"] or workdir / "students").expanduser()
        found, students = restoring.restore(workdir, settings)
        restoring.check_epoch(workdir, output, found)
        output.mkdir(parents=True, exist_ok=True)
        files.check_writable(output)
        models = models_of(values["student"], students, found)
        is_own = restoring.is_own(workdir, output)
        beside.check(output, [model.card for model in models], forms, is_own)
        folder = values["images"] or values["calibration"]
        with command_line.quiet_reading(
            f"folder:{folder}" if folder else values["dataset"] or settings.dataset
        ):
            pictures, calibration = images(values, forms, settings, next(iter(found.values())))
        rows, missed = write_all(models, forms, output, pictures, calibration)
    if rows:
        print(f"\n{checking.table(rows)}")
    if missed:
        command_line.fail("; ".join(missed))


def _leave_gpus():
    """Has the student itself computed by CPUs, as its files are in their runtimes.

    A GPU may round products to 10 bits, which no bound of a format allows for.
    """
    import tensorflow as tf

    # Where TensorFlow has started already, its devices stay.
    with contextlib.suppress(RuntimeError):
        tf.config.set_visible_devices([], "GPU")


def chosen_formats(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The formats to write.

    Raises:
      ValueError: for one that is not known or not installed, or a folder that is not there.
    """
    try:
        forms = formats.chosen(values["format"], values["student"] == ENSEMBLE)
    except ValueError as error:
        raise ValueError(f"--format: {error}") from error
    extras.require(*formats.packages(forms))
    for name in ("images", "calibration"):
        if values[name] and not pathlib.Path(values[name]).expanduser().is_dir():
            raise ValueError(f"expected --{name} to be a folder; got {values[name]}, which is none")
    return forms


def _check_flags(flag_values, forms):
    """Raises ValueError for a flag that is not read for these formats."""
    given = {name for name in _OF_IMAGES if flag_values[name].value != flag_values[name].default}
    calibrates = "litert_int8" in forms
    is_checked = any(formats.FORMATS[each].needs_images for each in forms)
    reads_own = (is_checked and "images" not in given) or (
        calibrates and "calibration" not in given
    )
    expected = {}
    if "images" not in given and not is_checked:
        expected["test_images"] = (
            "--test_images with --images or a format of LiteRT or ONNX, since other files are checked "
            "with images of noise"
        )
    for name in () if calibrates else ("calibration", "calibration_images"):
        expected[name] = f"litert_int8 among --format with --{name}, since only that is calibrated"
    for name in () if reads_own else ("dataset", "data_dir"):
        expected[name] = (
            f"--{name} where the run's own images are read, for a format of LiteRT or ONNX without "
            "--images"
        )
    for name, told in expected.items():
        if name in given:
            raise ValueError(
                f"expected {told}; got --format={','.join(forms)}"
                f"{' --images' * ('images' in given)}: leave out --{name}"
            )


def images(
    values: Mapping[str, Any], forms: Sequence[str], settings: Settings, card: Card
) -> tuple[Pictures, Pictures | None]:
    """(images to check with, images to calibrate with or None); see `run_images.pictures`."""
    from kdcl_tf.classification import run_images

    calibrates = "litert_int8" in forms
    try:
        return run_images.pictures(
            run_images.Wanted(
                values["images"],
                values["test_images"],
                any(formats.FORMATS[each].needs_images for each in forms),
                values["calibration"],
                values["calibration_images"] if calibrates else 0,
            ),
            dataclasses.replace(settings, dataset=values["dataset"] or settings.dataset),
            card,
            values["data_dir"],
        )
    except run_images.NotFoundError as error:
        raise ValueError(
            f"{error}; restore it, pass --dataset or --data_dir, or give other images by "
            "--images=FOLDER"
            f"{' and --calibration=FOLDER' * calibrates}"
        ) from error


def check_student(student: str | None, students: Iterable[str]) -> None:
    """Raises ValueError for a student that the run does not have."""
    known = (*students, ENSEMBLE)
    if student and student not in known:
        raise ValueError(f"expected --student to be one of {', '.join(known)}; got {student}")


def models_of(
    student: str | None, students: Mapping[str, keras.Model], found: Mapping[str, Card]
) -> list[Model]:
    """What to export: the student of that name, the ensemble of all, or each.

    Args:
      student: a name, "ensemble" or None.
      students, found: from `restoring.restore`.
    """
    from kdcl_tf.serving.formats import writing

    chosen = [student] if student in students else list(students)
    models = {name: writing.student(students[name], found[name]) for name in chosen}
    return [writing.ensemble(models)] if student == ENSEMBLE else list(models.values())


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
    from kdcl_tf.serving.formats import beside
    from kdcl_tf.serving.formats.processes import Runtimes
    from kdcl_tf.serving.formats.writing import Writer

    rows, missed = [], []
    started = [formats.FORMATS[form].runtime for form in forms]
    with Runtimes(started, pictures.images) as runs:
        writer = Writer(output, runs, pictures, calibration)
        for model in models:
            for form in forms:
                try:
                    # Converters tell of every step that they take.
                    with command_line.without_notices():
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
    from kdcl_tf.serving.formats.checking import BoundError

    path = output / f"{model.card.student}{formats.FORMATS[form].ending}"
    # What a converter or Keras refuses names no file.
    told = "" if isinstance(error, BoundError) else f"{path.name} is not written: "
    stays = f" ({path}, of an earlier export, stays{_lost(path)})" if path.exists() else ""
    return f"{told}{error}{stays}"


def _lost(path):
    """What a file that stays has lost, if the student's other file has taken the card of both."""
    from kdcl_tf.serving import cards

    try:
        facts = cards.read_beside(path)
    except DamageError:
        return ""  # Whoever loads it is told.
    return ", without its card" if path.name not in facts.get("checksums", [path.name]) else ""


def cli() -> None:
    """Entry point of `kdcl-export`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
