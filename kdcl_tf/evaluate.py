"""Scores exported students: top-1, top-5, negative log-likelihood and calibration.

kdcl-evaluate --workdir=runs/my_run
kdcl-evaluate --model=runs/my_run/students/resnet32 --dataset=folder:photos
"""

import json
import pathlib

from absl import flags

from kdcl_tf import command_line


def define_flags(flag_values):
    """Defines what to score, on what."""
    flags.DEFINE_string("workdir", None, "A run of kdcl-train: all its students.", flag_values)
    flags.DEFINE_string("model", None, "One exported student, a SavedModel's folder.", flag_values)
    flags.DEFINE_string(
        "dataset",
        None,
        "digits, folder:PATH or a TFDS name; by default the one trained on.",
        flag_values,
    )
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps prepared data sets.", flag_values)
    flags.DEFINE_enum("split", "test", ("test", "train"), "Which images.", flag_values)
    flags.DEFINE_integer(
        "batch_size", 256, "Images a step.", lower_bound=1, flag_values=flag_values
    )
    flags.DEFINE_string("output", None, "Also write the scores to this JSON file.", flag_values)


def main(flag_values):
    """Loads students and data, scores, prints a table."""
    with command_line.user_errors():
        paths = student_paths(flag_values["workdir"].value, flag_values["model"].value)
        output = checked_output(flag_values["output"].value)
    command_line.import_tensorflow()
    from kdcl_tf import serving
    from kdcl_tf.evaluation import served

    with command_line.user_errors():
        loaded = {path.name: serving.load_student(path) for path in paths}
        card = next(iter(loaded.values()))[1]
        name = flag_values["dataset"].value or card.get("dataset")
        with command_line.quiet_reading(name):
            dataset = served.load_dataset(card, name, flag_values["data_dir"].value)
        for name, (_, card) in loaded.items():
            served.check_fits(name, card, dataset)
    split = getattr(dataset, flag_values["split"].value)
    results = {
        name: served.score(predict, split, flag_values["batch_size"].value)
        for name, (predict, _) in loaded.items()
    }
    print(table(results))
    if output:
        from kdcl_tf.training.workdir import write_atomically

        with command_line.user_errors():
            write_atomically(output, json.dumps(results, indent=2) + "\n")


def student_paths(workdir, model):
    """The folders of the students to score.

    Raises:
      ValueError: when not exactly one of the two is given, or there is nothing.
    """
    if bool(workdir) == bool(model):
        raise ValueError("wanted exactly one of --workdir and --model")
    if model:
        return [pathlib.Path(model).expanduser().resolve()]
    folder = pathlib.Path(workdir).expanduser() / "students"
    # A hidden folder is an export that was cut short.
    paths = sorted(path.parent for path in folder.glob("[!.]*/saved_model.pb"))
    if not paths:
        raise ValueError(
            f"--workdir={workdir} has no exported students: wanted a run of kdcl-train that is "
            "complete, or one that kdcl-export has exported"
        )
    return paths


def checked_output(output):
    """The file to write to, or None.

    Raises:
      ValueError: when its folder is not there, before any work is done.
    """
    if not output:
        return None
    path = pathlib.Path(output).expanduser()
    if not path.parent.is_dir():
        raise ValueError(f"--output={output}: there is no folder {path.parent}")
    return path


def table(results):
    """The scores as aligned text."""
    width = max(len("student"), *map(len, results))
    lines = [f"{'student':{width}}   top-1   top-5     NLL     ECE  images"]
    lines += [
        f"{name:{width}}  {each['top_1']:6.2%}  {each['top_5']:6.2%}  {each['nll']:6.4f}"
        f"  {each['ece']:6.4f}  {each['examples']:6d}"
        for name, each in results.items()
    ]
    return "\n".join(lines)


def cli():
    """Entry point of `kdcl-evaluate`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
