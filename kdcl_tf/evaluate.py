"""Scores exported students, and runs the paper's analyses on them.

kdcl-evaluate --workdir=runs/my_run
kdcl-evaluate --model=runs/my_run/students/resnet32 --dataset=folder:photos
kdcl-evaluate --analysis=noise --workdir=runs/alone,runs/cohort --student=resnet32
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from kdcl_tf import data, files
from kdcl_tf.evaluation.flags import define_flags
from kdcl_tf.programs import command_line, streams
from kdcl_tf.serving import exported
from kdcl_tf.training import flags as training_flags

if TYPE_CHECKING:
    from kdcl_tf.evaluation.analyses import Analysis

_OF_A_SPLIT = ("scores", "confusion", "categories", "noise", "spread")
_OF_IMAGES = (*_OF_A_SPLIT, "overfitting")
# `{flag: the analyses that read it}`, of the flags that say what is analysed or written.
_READ_BY = {
    "dataset": _OF_IMAGES,
    "test_share": _OF_IMAGES,
    "images": _OF_IMAGES,
    "match_classes": _OF_IMAGES,
    "skip_bad_images": _OF_IMAGES,
    "tfrecord_image_key": _OF_IMAGES,
    "tfrecord_label_key": _OF_IMAGES,
    "split": _OF_A_SPLIT,
    "mistakes": ("confusion",),
    "noise_step": ("noise",),
    "noise_max": ("noise",),
    "noise_draws": ("noise",),
    "seed": ("noise",),
    "plot": tuple(each for each in (*_OF_IMAGES, "loss_gap") if each != "scores"),
}


def main(flag_values: flags.FlagValues) -> None:
    """Loads students and data, analyses them, prints and writes the findings."""
    values = command_line.values_of(define_flags, flag_values)
    with command_line.user_errors():
        paths = student_paths(values["workdir"], values["model"], values["student"])
        _check_flags(flag_values)
        check_analysis(values, paths)
        output, plot = output_files(values, paths)
        values["rules"] = training_flags.image_rules(flag_values)
    command_line.import_tensorflow(decodes=True)
    prepare = _prepare_logs if values["analysis"] == "loss_gap" else _prepare_students
    from kdcl_tf.data.bad_images import BadImageError

    with command_line.user_errors():
        run = prepare(values, paths)
    try:
        found = run()
    except BadImageError as error:
        command_line.fail(str(error))
    print(found.text)
    if output:
        with command_line.user_errors():
            _write(found, values["analysis"], paths, output, plot)


def _prepare_students(
    values: Mapping[str, Any], paths: Sequence[pathlib.Path]
) -> Callable[[], Analysis]:
    """Loads students and data for an analysis on images, and returns the analysis to call."""
    from kdcl_tf.evaluation import analyses, datasets, loaded, shares

    noise = analyses.Noise(
        values["noise_step"], values["noise_max"], values["noise_draws"], values["seed"]
    )
    students = _students(values, paths)
    name = values["dataset"] or students[0].card.get("dataset")
    if not name:
        raise ValueError(datasets.UNKNOWN)
    reading = _reading(values)
    data.check_keys(name, *(each or "" for each in reading["keys"].values()))
    datasets.check_alike(students, name, reading["rules"], reading["keys"])
    split_by = shares.common(students, name, values["test_share"])
    dataset, split = _images(values, students, name, split_by)
    if values["analysis"] == "noise":
        loaded.check_channels(students, dataset)
    students = [loaded.fitted(each, dataset, values["match_classes"]) for each in students]
    for each in students:
        if told := loaded.among_more(each, dataset):
            print(told, file=sys.stderr)
    size = values["batch_size"]
    if values["analysis"] == "overfitting":
        found = datasets.trained_on(students, dataset, not values["dataset"], **reading, **split_by)
        trained_on = {name: _first(each, values["images"]) for name, each in found.items()}
        return lambda: analyses.overfitting(students, trained_on, size)
    return {
        "scores": lambda: analyses.table_of_scores(students, split, size),
        "categories": lambda: analyses.categories(students, split, size, dataset.class_names),
        "confusion": lambda: analyses.confusion(
            students, split, size, dataset.class_names, values["mistakes"]
        ),
        "noise": lambda: analyses.noise(students, split, size, noise),
        "spread": lambda: analyses.spread(students, split, size),
    }[values["analysis"]]


def _students(values, paths):
    """Loads the students, and says of those of a run which epochs they are of."""
    from kdcl_tf.evaluation import loaded

    # LiteRT tells what it computes with.
    with streams.without_libraries():
        students = loaded.load_students(paths)
    if values["workdir"]:
        loaded.check_places(students)
        if told := loaded.told_of_epochs(students):
            print(told, file=sys.stderr)
    return students


def _reading(values):
    """How the images of a data set are read."""
    from kdcl_tf.evaluation import datasets

    keys = {name: values[name] for name in datasets.TFRECORD_KEYS}
    same = {name: values[name] for name in ("data_dir", "skip_bad_images", "rules")}
    return {**same, "keys": keys}


def _images(values, students, name, split_by):
    """(the data set, the images of it that are analysed), and says what was read.

    Raises:
      ValueError: when it has no such split, or is not what the students' runs had.
    """
    from kdcl_tf.evaluation import datasets, shares

    needs_train = values["split"] == "train" or values["analysis"] == "overfitting"
    if values["split"] == "test" and not needs_train and "test_share" not in split_by:
        # The test images are the same without a validation set, which is made of training images.
        split_by = {}
    with command_line.quiet_reading(name):
        dataset = datasets.load_dataset(
            students[0].card, name, **_reading(values), **split_by, needs_train=needs_train
        )
    split = _split(values, dataset, name)
    if dataset.told:
        warnings = "".join(shares.warning(each, split_by, dataset) for each in students)
        print(dataset.told + warnings, file=sys.stderr)
    if not values["dataset"]:
        datasets.check_unchanged(students, dataset)
        if values["split"] == "train":
            # What the run held out is an image of this split like the others.
            datasets.trained_on(students, dataset, True, **_reading(values), **split_by)
    return dataset, split


def _split(values, dataset, name):
    """The images that are analysed: the first of a split, as many as wanted."""
    split = getattr(dataset, values["split"])
    if split is None:
        raise ValueError(
            f"--split=validation: expected a data set with a validation set; got {name}, which was"
            " not split with --validation_share and has no val/ beside test/"
        )
    return split.take(slice(values["images"])) if values["images"] else split


def _first(dataset, images):
    """The data set with the first images alone to train and to test on; 0 for all."""
    if not images:
        return dataset
    splits = {name: getattr(dataset, name).take(slice(images)) for name in ("train", "test")}
    return dataclasses.replace(dataset, **splits)


def _prepare_logs(values: Mapping[str, Any], _: Any) -> Callable[[], Analysis]:
    """Compares the losses in the logs of runs at once, and returns a function of the result."""
    from kdcl_tf.evaluation import analyses
    from kdcl_tf.training import ownership
    from kdcl_tf.training.run_files import read_log, read_result

    paths = [_absolute(each) for each in values["workdir"]]
    # Runs are named by where their paths differ, as far up as needed.
    common = os.path.commonpath([path.parent for path in paths])
    results = {path: read_result(path) for path in paths}
    logs = {str(path.relative_to(common)): read_log(path, results[path]) for path in paths}
    # A loss on other images, or of other classes, is no more or less by what the students learned.
    ownership.check_same_data(results, ("classes", "test"))
    found = analyses.loss_gap(logs, values["student"])
    return lambda: found


def student_paths(
    workdirs: Sequence[str], models: Sequence[str], student: str | None = None
) -> list[pathlib.Path]:
    """The folders of the students to analyse.

    Raises:
      ValueError: when not exactly one of workdirs and models is given, a run has no such student,
        or one is named twice.
    """
    if bool(workdirs) == bool(models):
        raise ValueError(
            f"expected exactly one of --workdir and --model; got {'both' if models else 'neither'}"
        )
    if models and student is not None:
        raise ValueError(
            f"expected --student={student} with --workdir, of whose students it names one; got "
            f"--model={','.join(models)}: leave out --student"
        )
    named = [_absolute(each) for each in models or workdirs]
    twice = [str(path) for path in dict.fromkeys(named) if named.count(path) > 1]
    if twice:
        raise ValueError(
            f"expected each of --{'model' if models else 'workdir'} once; got {twice[0]} twice"
        )
    return named if models else [path for run in workdirs for path in _exported(run, student)]


def _absolute(path):
    """The path from the root; what a link is called and lies beside stays."""
    return pathlib.Path(os.path.abspath(os.path.expanduser(path)))


def _exported(workdir: str, student: str | None) -> list[pathlib.Path]:
    run = _absolute(workdir)
    paths = exported.students_of(run)
    if not paths:
        raise ValueError(
            "expected a run of kdcl-train that is complete, or one that kdcl-export has exported; "
            f"got --workdir={workdir}, which has no exported students{exported.runs_in(run)}"
        )
    if student is None:
        return paths
    found = [path for path in paths if path.name == student]
    if not found:
        known = ", ".join(path.name for path in paths)
        raise ValueError(f"expected --student to be one of {known} of {workdir}; got {student}")
    return found


def _check_flags(flag_values):
    """Raises ValueError for a flag that the analysis does not read."""
    analysis = flag_values["analysis"].value
    for flag, readers in _READ_BY.items():
        if analysis not in readers and flag_values[flag].value != flag_values[flag].default:
            raise ValueError(
                f"expected --{flag} with --analysis={' or '.join(readers)}; got "
                f"--analysis={analysis}: leave out --{flag}"
            )


def check_analysis(values: Mapping[str, Any], paths: Sequence[pathlib.Path]) -> None:
    """Raises ValueError for flags that the analysis cannot use, before TensorFlow is imported."""
    analysis = values["analysis"]
    if values["dataset"]:
        data.validate_name(values["dataset"])
        data.check_shares(values["dataset"], values["test_share"] or 0, 0)
    if analysis == "loss_gap" and not (values["student"] and len(values["workdir"]) > 1):
        raise ValueError(
            "expected two or more runs and a student for --analysis=loss_gap, which compares the "
            f"logs of runs with the first's; got {len(values['workdir'])} runs and "
            f"student {values['student'] or 'none'}: pass --workdir=BASELINE,OTHER and "
            "--student=NAME"
        )
    if analysis == "categories" and len(paths) != 2:
        raise ValueError(
            f"expected two students for --analysis=categories; got {len(paths)}: pass "
            "--model=FIRST,SECOND, or a --workdir of two"
        )
    for path in filter(pathlib.Path.is_file, paths):
        _check_file(analysis, path)


def _check_file(analysis, path):
    from kdcl_tf.serving import runtimes

    runtimes.require_runtime(path)
    if analysis == "noise":
        raise ValueError(
            "expected SavedModels for --analysis=noise, whose images are no whole grey levels; got "
            f"{path}: pass WORKDIR/students/NAME"
        )


def output_files(
    values: Mapping[str, Any], paths: Sequence[pathlib.Path]
) -> tuple[pathlib.Path | None, pathlib.Path | None]:
    """`(JSON file or None, PNG or None)`, in folders that exist.

    Raises:
      ValueError: when a folder does not exist, or the JSON file has the name of a picture or table,
        or the other way round.
    """
    output, plot = (
        command_line.file_to_write("output", values["output"]),
        command_line.file_to_write("plot", values["plot"]),
    )
    exported.check_apart(output, paths)
    if plot and (plot == output or plot.suffix.lower() in (".json", ".csv", ".html")):
        raise ValueError(
            f"expected --plot to name a picture, such as {plot.with_suffix('.png').name}; got "
            f"{values['plot']}"
        )
    if output and output.suffix.lower() in (".png", ".csv", ".html"):
        raise ValueError(
            f"expected --output to name a JSON file, such as {output.with_suffix('.json').name}; got "
            f"{values['output']}"
        )
    if values["analysis"] == "scores":
        return output, None
    if output is None:
        # Beside `students/`, or beside a model that is in no run.
        beside = paths[0].parent.parent if paths[0].parent.name == "students" else paths[0].parent
        folder = beside / "analyses"
        folder.mkdir(exist_ok=True)
        output = folder / f"{values['analysis']}.json"
    return output, plot or output.with_suffix(".png")


def _write(
    found: Analysis,
    analysis: str,
    paths: Sequence[pathlib.Path],
    output: pathlib.Path,
    plot: pathlib.Path | None,
) -> None:
    """Writes the numbers and, where there is one, the plot."""
    numbers = found.numbers
    # A file of scores has nothing else in it, as it had before there were other analyses.
    if analysis != "scores":
        students = [str(path) for path in paths]
        # A student that is trained anew is in the same place.
        digests = [exported.digest(path) for path in paths]
        numbers = {
            "analysis": analysis,
            "students": students,
            "digests": digests,
            "numbers": numbers,
        }
    files.write_text(output, json.dumps(numbers, indent=2) + "\n")
    further = found.write(output) if found.write else []
    if plot:
        found.draw(plot)
        print(f"numbers: {output}; plot: {plot}")
    for path in further:
        print(f"written: {path}")


def cli() -> None:
    """Entry point of `kdcl-evaluate`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
