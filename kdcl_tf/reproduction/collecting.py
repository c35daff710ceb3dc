"""Copies complete runs to where they are published: their JSON alone, checked against itself.

A run is published with its log and its result.  Both say how many epochs, steps and images there
were, and a run in which they disagree, or which did something else than was planned, is refused.
So is one that was tested on other images than the runs beside it, or had another teacher.
"""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kdcl_tf import files
from kdcl_tf.files import identity
from kdcl_tf.reproduction import analyses, plan, same_images
from kdcl_tf.reproduction.analyses import Analysis
from kdcl_tf.reproduction.plan import Run
from kdcl_tf.serving import exported
from kdcl_tf.training import ownership
from kdcl_tf.training.run_files import read_log, read_result
from kdcl_tf.training.settings import as_text

# Training and test images of data sets whose size is known, however few of them a run takes.
_IMAGES = {"cifar100": (50_000, 10_000)}
# What says where on a machine a run was.
_LOCAL = ("places",)


class NotComplete(Exception):
    """A run that has not come to its end. The message says how far it is."""


def collect(run: Run, folder: pathlib.Path, beside: Sequence[Mapping[str, Any]] = ()) -> None:
    """Copies the log and the result of a complete run, if they hold.

    Args:
      run: as planned.
      folder: where the copies go; what is there of an earlier version of the run is replaced.
      beside: the results of other runs, with which it must have the images in common.

    Raises:
      NotComplete: when there is no result yet.
      ValueError: when the run is damaged, or is not what it claims, or not what was planned.
    """
    result = read_result(run.workdir)
    log = read_log(run.workdir)
    if result is None:
        raise NotComplete(f"{_name(run)}: {len(log)} of {run.settings.epochs} epochs")
    try:
        ownership.check_settings(run.workdir, result, run.settings, plan.FREE_SETTINGS)
        found = [*faults(result, log), *_of_plan(run, result), *_of_same_images(result, beside)]
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        found = [
            "expected a log and a result of kdcl-train; got some without what these have "
            f"({type(error).__name__}: {error})"
        ]
    if found:
        raise ValueError(f"{_name(run)}: {'; '.join(found)}")
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(each) + "\n" for each in log)
    files.write_text(folder / "log.jsonl", lines)
    public = {name: value for name, value in result.items() if name not in _LOCAL}
    files.write_text(folder / "result.json", json.dumps(identity.sealed(public), indent=2) + "\n")


def _name(run):
    return f"{run.workdir.parent.parent.name}, {run.row}, seed {run.seed}"


def _of_plan(run, result):
    """Whether a run had the settings that its result tells, and the planned teacher."""
    planned = run.settings
    told = {name: as_text(value) for name, value in result["settings"].items()}
    had = {**dict.fromkeys(planned.as_flags(), "none"), **planned.default_flags(), **told}
    for name, (text, was) in plan.departures(run, had).items():
        yield f"expected --{name}={text}; the result has {was}"
    if run.teacher is None:
        return
    path = pathlib.Path(planned.teacher)
    expected, got = analyses.student_of(path), analyses.student_of(pathlib.Path(had["teacher"]))
    if got != expected:
        yield f"expected the teacher {expected}; got {got}"
        return
    known = result["identity"]["data"]["teacher"]
    if path.is_dir() and exported.digest(path, known) != known:
        yield f"its teacher is not the student that is in {expected}"


def _of_same_images(result, beside):
    """Whether a run had the classes and the images of the runs beside it."""
    for told in filter(None, (same_images.changes(result, each) for each in beside)):
        yield f"it is not of the same {result['data']['name']} as the other runs: {told}"
        return


def faults(result: Mapping[str, Any], log: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What a log and a result say that cannot both be so, in words; nothing for a sound run.

    Args:
      result: the contents of `result.json`.
      log: the lines of `log.jsonl`.
    """
    settings, data = result["settings"], result["data"]
    yield from _of_images(settings, data)
    epochs = [each["epoch"] for each in log]
    if epochs != list(range(1, settings["epochs"] + 1)):
        yield f"expected the epochs 1 to {settings['epochs']}, each once; the log has {epochs}"
        return
    per_epoch = math.ceil(data["num_train"] / settings["batch_size"])
    wrong = [each["epoch"] for each in log if each["step"] != each["epoch"] * per_epoch]
    if wrong:
        yield f"expected {per_epoch} steps in every epoch; not so in epoch {wrong[0]}"
    if (result["epochs"], result["steps"]) != (log[-1]["epoch"], log[-1]["step"]):
        yield f"the result is of step {result['steps']}, the log ends at {log[-1]['step']}"
    yield from _of_speed(log, data["num_train"])
    seconds = sum(each["seconds"] for each in log)
    if abs(result["seconds"] - seconds) > 0.1:
        yield f"the result is of {result['seconds']} s, the log of {seconds:.1f} s"
    yield from _of_last_epoch(result, log[-1])


def _of_images(settings, data):
    """Whether a run had the images that its settings and its data set give it."""
    classes = data["num_classes"]
    given = settings["train_per_class"], settings["holdout_per_class"]
    held_out = given[1] * classes
    if data["num_held_out"] != held_out:
        yield f"expected {held_out} held-out images; got {data['num_held_out']}"
    known = _IMAGES.get(data["name"])
    wanted = given[0] * classes or (known and known[0] - held_out)
    if wanted and data["num_train"] != wanted:
        yield f"expected {wanted} training images; got {data['num_train']}"
    if known and data["num_test"] != known[1]:
        yield f"expected {known[1]} test images; got {data['num_test']}"


def _of_speed(log, images):
    """Whether speed times time is the number of images, as closely as both were rounded."""
    for each in log:
        seconds, speed = each["seconds"], each["images_per_second"]
        if abs(seconds * speed - images) > 0.05 * seconds + 0.0005 * speed + 1:
            yield (
                f"epoch {each['epoch']} took {seconds} s at {speed} images/s, "
                f"{seconds * speed:.0f} images; expected {images}"
            )
            return


def _of_last_epoch(result, last):
    """Whether the result is that of the last epoch, over all test images."""
    pairs = [("ensemble_accuracy", result["ensemble_accuracy"], "test_ensemble_accuracy")]
    for name, weight in result["general_weights"].items():
        pairs.append((f"{name}'s weight", weight, f"general_weight_{name}"))
    for name, student in result["students"].items():
        pairs += [
            (f"{name}'s {measure.replace('_', ' ')}", student[measure], f"test_{name}_{measure}")
            for measure in ("accuracy", "top_5_accuracy", "cross_entropy")
            if measure in student
        ]
        pairs.append((f"{name}'s training accuracy", student["train_accuracy"], f"{name}_accuracy"))
        hits = student["accuracy"] * result["data"]["num_test"]
        if abs(hits - round(hits)) > 0.01:
            yield f"{name} is right on {hits:.2f} test images, which is no whole number"
    for told, value, key in pairs:
        if last.get(key) != value:
            yield f"{told} is {value} in the result, {last.get(key)} in the last line of the log"


def collect_analysis(
    analysis: Analysis, runs: Sequence[Run], folder: pathlib.Path, target: pathlib.Path
) -> None:
    """Copies the numbers of an analysis, with the paths of students below the folder of runs.

    Args:
      analysis: whose JSON file of `kdcl-evaluate` is copied.
      runs: those that are published.
      folder: the folder of the folders of runs.
      target: the file to write.

    Raises:
      ValueError: when the file is damaged, is not of the students that are there, or is of a run
        that is not among `runs`.
    """
    path = analyses.output(analysis, folder)
    rows = [run.row for run in analyses.chosen(analysis, runs)]
    missing = [row for row in analysis.rows if row not in rows]
    if missing:
        raise ValueError(f"{path}: expected runs that are published; not so {', '.join(missing)}")
    told = analyses.fault(analysis, runs, folder)
    if told:
        raise ValueError(f"{path} {told}: tools/analyse.py makes it again")
    found = json.loads(path.read_text())
    names = [analyses.student_of(pathlib.Path(each)) for each in found["students"]]
    target.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(target, json.dumps({**found, "students": names}) + "\n")


def size(folder: pathlib.Path) -> int:
    """The bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
