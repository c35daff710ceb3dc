"""Reads finished runs that are compared, tells how they differ, and ends where they cannot be compared."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf.comparison import arms
from kdcl_tf.reproduction import same_images
from kdcl_tf.training.run_files import read_result
from kdcl_tf.training.settings import MACHINE_SETTINGS, PATH_SETTINGS

# Settings in which a cohort and its students alone may differ.
_FREE = ("method", "evaluate_every", *arms.OF_METHODS, *MACHINE_SETTINGS, *PATH_SETTINGS)

# Both the setting, and what a digest of data calls the contents.
_SOURCES = "initial_weights"


def read(arguments: Sequence[str]) -> tuple[list[pathlib.Path], list[dict[str, Any]]]:
    """The folders of finished runs of the same students on the same images, and their results.

    Args:
      arguments: their workdirs, one or more.
    """
    paths = [pathlib.Path(each) for each in arguments]
    missing = [str(path) for path in paths if not (path / "result.json").exists()]
    if missing:
        sys.exit(
            "expected the workdirs of finished runs; got no result.json in "
            f"{', '.join(missing)}: let kdcl-train finish first"
        )
    try:
        results = [read_result(path) for path in paths]
    except ValueError as error:
        sys.exit(str(error))
    for path, result in zip(paths, results):
        if "students" not in result:
            sys.exit(
                f"expected the workdirs of runs of kdcl-train; got {path}, which is of another"
            )
    for path, result in zip(paths[1:], results[1:]):
        _check_students(paths[0], results[0], path, result)
        _check_images(paths[0], results[0], path, result)
    return paths, results


def _check_students(first, before, path, result):
    """Ends where a run is of other students than the first."""
    if set(result["students"]) != set(before["students"]):
        sys.exit(
            f"expected runs of the same students as {first}, {', '.join(before['students'])}; got "
            f"{path} of {', '.join(result['students'])}"
        )


def _check_images(first, before, path, result):
    """Ends where a run is of other images than the first, or where they are not known to be the same."""
    images = [
        f"{each['data']['num_test']} test images of {each['data']['name']}"
        for each in (before, result)
    ]
    changes = same_images.changes(result, before)
    counts = [each["data"]["num_test"] for each in (before, result)]
    are_known = same_images.are_known(result, before)
    if counts[0] != counts[1] or not are_known or changes:
        too_little = not are_known and same_images.may_be_same(result, before)
        why = ", too little recorded of them to know that they are the same" * too_little
        told = changes or f"{images[1]}{why}"
        sys.exit(f"expected runs on the same images as {first}, {images[0]}; got {path}: {told}")


def differences(alone: Mapping[str, Any], cohort: Mapping[str, Any]) -> str:
    """Settings other than those of the method that differ, such as `epochs (60 and 100)`; or "".

    Args:
      alone, cohort: the contents of `result.json`; what one of them does not tell is not compared.
    """
    before, now = (each.get("settings", {}) for each in (alone, cohort))
    told = [
        f"{name} ({before[name]} and {now[name]})"
        for name in before
        if name in now and name not in _FREE and before[name] != now[name]
    ]
    # Weights are compared by their contents, wherever they lie.
    sources = [
        each.get("identity", {}).get("data", {}).get(_SOURCES, {}) for each in (alone, cohort)
    ]
    if sources[0] != sources[1]:
        told.append(f"{_SOURCES} (of {' and '.join(map(_students_of, sources))})")
    return ", ".join(told)


def _students_of(sources):
    """The students that start from weights, each with the first digits of their digest."""
    return ", ".join(f"{name} {digest[:8]}" for name, digest in sources.items()) or "no student"
