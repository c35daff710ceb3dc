"""Exports the students of a run from its newest checkpoint, complete or not.

kdcl-export --workdir=runs/my_run                         # SavedModels
kdcl-export --workdir=runs/my_run --format=keras --student=resnet32 --output=models
"""

import pathlib

from absl import flags

from kdcl_tf.programs import command_line

FORMATS = ("saved_model", "keras", "weights")


def define_flags(flag_values):
    """Defines what to export, how and where to."""
    flags.DEFINE_string("workdir", None, "A run of kdcl-train.", flag_values)
    flags.DEFINE_string("student", None, "One student's name; by default all.", flag_values)
    flags.DEFINE_enum(
        "format",
        "saved_model",
        FORMATS,
        "saved_model takes uint8 images and needs only TensorFlow; keras and weights take "
        "normalised images and are for training on: keras, in float32, needs only Keras, and "
        "weights fit the student that kdcl_tf builds.",
        flag_values,
    )
    flags.DEFINE_string("output", None, "Folder; by default WORKDIR/students.", flag_values)


def main(flag_values):
    """Restores the run's students and writes them."""
    with command_line.user_errors():
        if not flag_values["workdir"].value:
            raise ValueError("wanted --workdir, the folder of a run")
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


def settings_of(workdir):
    """The `Settings` of a run, from its `flags.txt`.

    Raises:
      ValueError: when the folder is no run, or one of another version.
    """
    from kdcl_tf.classification import flags as classification_flags

    path = workdir / "flags.txt"
    if not path.exists():
        raise ValueError(f"{workdir} is no run of kdcl-train: it has no flags.txt")
    values = flags.FlagValues()
    classification_flags.define_flags(values)
    try:
        values(["kdcl-train", f"--flagfile={path}"])
    except flags.Error as error:
        raise ValueError(f"{path} is not of this version of kdcl-train: {error}") from error
    return classification_flags.settings_from_flags(values)


def restore(workdir, settings):
    """`({name: Card}, {name: student})` of the newest checkpoint, without the run's data.

    Raises:
      ValueError: when there is none, or it is damaged or of another format.
    """
    from kdcl_tf.classification import factory
    from kdcl_tf.serving.cards import Card
    from kdcl_tf.training.checkpoint import SavedCheckpoint

    checkpoint = SavedCheckpoint(workdir / "checkpoints")
    facts = checkpoint.card["students"]
    found = {name: Card.from_facts(each["card"]) for name, each in facts.items()}
    any_card = next(iter(found.values()))
    students = factory.create_students(settings, any_card.num_classes, any_card.image_shape)
    for name, student in students.items():
        checkpoint.assign(student.variables, facts[name]["variables"])
    return found, students


def chosen(student, students):
    """The names to export.

    Raises:
      ValueError: for a student that the run does not have.
    """
    if student and student not in students:
        raise ValueError(f"unknown --student={student}: the run has {', '.join(students)}")
    return [student] if student else list(students)


def write(student, name, form, output, card):
    """Writes one student in one of `FORMATS`; returns its path.

    A file gets a neighbour, `<name>.json`, with what a SavedModel has in its `student.json`.
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


def cli():
    """Entry point of `kdcl-export`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
