"""Exports the students of a run from its newest checkpoint, complete or not.

kdcl-export --workdir=runs/my_run                         # SavedModels
kdcl-export --workdir=runs/my_run --format=keras --student=resnet32 --output=models
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from absl import flags

from kdcl_tf.programs import command_line

if TYPE_CHECKING:
    import keras

    from kdcl_tf.classification.settings import Settings
    from kdcl_tf.serving.cards import Card

FORMATS = ("saved_model", "keras", "weights")


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines what to export, in which format and where to."""
    flags.DEFINE_string("workdir", None, "Folder of a run of kdcl-train.", flag_values)
    flags.DEFINE_string("student", None, "Name of one student; by default all.", flag_values)
    flags.DEFINE_enum(
        "format",
        "saved_model",
        FORMATS,
        "saved_model: takes uint8 images, and needs only TensorFlow. keras: takes normalised "
        "images, for further training, and needs only Keras. weights: for the student that "
        "kdcl_tf.students.build makes.",
        flag_values,
    )
    flags.DEFINE_string(
        "output", None, "Folder to write to; by default WORKDIR/students.", flag_values
    )


def main(flag_values: flags.FlagValues) -> None:
    """Restores the run's students and writes them."""
    with command_line.user_errors():
        if not flag_values["workdir"].value:
            raise ValueError("expected --workdir, the folder of a run; got none")
        workdir = pathlib.Path(flag_values["workdir"].value).expanduser()
        settings = settings_of(workdir)
    command_line.import_tensorflow()
    with command_line.user_errors():
        found, students = restore(workdir, settings)
        names = chosen(flag_values["student"].value, students)
        output = pathlib.Path(flag_values["output"].value or workdir / "students").expanduser()
        output.mkdir(parents=True, exist_ok=True)
        for name in names:
            print(write(students[name], name, flag_values["format"].value, output, found[name]))


def settings_of(workdir: pathlib.Path) -> Settings:
    """The `Settings` of a run, from the identity in its newest checkpoint.

    Raises:
      ValueError: when the folder is no run, or a run of another program or version.
    """
    from kdcl_tf.classification import flags as classification_flags
    from kdcl_tf.training import manifests, ownership
    from kdcl_tf.training.workdir import read_result

    ownership.check_one_run(workdir, read_result(workdir))
    newest = manifests.newest(workdir / "checkpoints", manifests.sealed_facts)
    if newest is None:
        raise ValueError(
            f"expected the folder of a run of kdcl-train; got {workdir}, which has no checkpoint"
        )
    path, facts = newest
    values = flags.FlagValues()
    classification_flags.define_flags(values)
    try:
        settings = facts["identity"]["settings"].items()
        values(["kdcl-train", *(f"--{name}={text}" for name, text in settings)])
    except flags.Error as error:
        raise ValueError(
            f"expected {path} to have flags of this version of kdcl-train; got others: {error}"
        ) from error
    return classification_flags.settings_from_flags(values)


def restore(
    workdir: pathlib.Path, settings: Settings
) -> tuple[dict[str, Card], dict[str, keras.Model]]:
    """`({name: Card}, {name: student})` from the newest checkpoint, without the run's data.

    Raises:
      ValueError: when there is no checkpoint, or it is damaged or of another format.
    """
    from kdcl_tf.classification import factory
    from kdcl_tf.serving.cards import Card
    from kdcl_tf.training import keeping
    from kdcl_tf.training.checkpoint import SavedCheckpoint

    checkpoint = SavedCheckpoint(
        workdir / "checkpoints", lambda line: print(line, file=sys.stderr, flush=True)
    )
    facts = checkpoint.card["students"]
    best, kept = keeping.positions(checkpoint)
    more = {"epoch": best or checkpoint.epoch, "identity": checkpoint.identity}
    found = {name: Card.from_facts({**each["card"], **more}) for name, each in facts.items()}
    any_card = next(iter(found.values()))
    students = factory.create_students(settings, any_card.num_classes, any_card.image_shape)
    for name, student in students.items():
        checkpoint.assign(student.variables, kept.get(name) or facts[name]["variables"])
    if best:
        told = f"exported: epoch {best}, the best of {settings.keep_by} on the validation set"
        print(told, file=sys.stderr, flush=True)
    return found, students


def chosen(student: str | None, students: Iterable[str]) -> list[str]:
    """The names of the students to export: the one given, or all.

    Raises:
      ValueError: for a student that the run does not have.
    """
    if student and student not in students:
        raise ValueError(
            f"expected --student to be one of {', '.join(students)}; got {student}"
        )
    return [student] if student else list(students)


def write(
    student: keras.Model, name: str, form: str, output: pathlib.Path, card: Card
) -> pathlib.Path:
    """Writes one student in one of `FORMATS`, and returns its path.

    Beside a file is its card, `<name>.json`; a SavedModel has it inside, as `student.json`.
    """
    from kdcl_tf.serving import cards, saved_model

    if form == "saved_model":
        return saved_model.export_student(student, output / name, card=card)
    if form == "keras":
        path = saved_model.save_keras(student, output / f"{name}.keras")
    else:
        path = saved_model.save_weights(student, output / f"{name}.weights.h5")
    cards.write(card, path)
    return path


def cli() -> None:
    """Entry point of `kdcl-export`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
