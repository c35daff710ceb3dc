"""Exported models on disk: finds, checks and loads them, and names the damaged in one line.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from kdcl_tf import files
from kdcl_tf.files import identity, run_names
from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving import cards

__all__ = [
    "MARKS",
    "MODEL",
    "check",
    "digest",
    "digests",
    "find_students",
    "holds_model",
    "known_card",
    "known_checksums",
    "load",
    "named_in",
    "runs_in",
    "students_of",
]

MODEL = "saved_model.pb"
# What an exported model is known by: a student whose model is missing still has its card.
MARKS = (MODEL, run_names.STUDENT_CARD)


def holds_model(path: str | os.PathLike) -> bool:
    """Whether a folder is an exported model, whole or damaged.

    A folder that a killed process left renamed aside is put back first.
    """
    path = pathlib.Path(path)
    files.recover(path.parent)
    return any((path / name).exists() for name in MARKS)


def students_of(run: str | os.PathLike, ensembles: bool = True) -> list[pathlib.Path]:
    """The folders of a run's exported students, sorted by name; empty for what is no run.

    Args:
      run: its folder.
      ensembles: whether those that were exported as one model count, too, which have no weights
        of one student.
    """
    return _students_in(pathlib.Path(run) / "students", ensembles)


def _students_in(folder, ensembles):
    files.recover(folder)
    # A hidden folder is an export that was not finished.
    found = sorted({path.parent for name in MARKS for path in folder.glob(f"[!.]*/{name}")})
    return [each for each in found if ensembles or not _is_ensemble(each)]


def _is_ensemble(path):
    return bool(known_card(path).get("members"))


def known_card(student: str | os.PathLike) -> dict[str, Any]:
    """The facts of an exported student's card; {} for one that is missing or damaged.

    Whoever takes the student is told what is wrong.
    """
    try:
        return cards.read(cards.path_of(student))
    except (DamageError, FileNotFoundError):
        return {}


def runs_in(path: str | os.PathLike) -> str:
    """Names a run in a folder of runs, or the run whose students a folder has; "" for others.

    Args:
      path: a folder that is no run itself, at the end of a message.
    """
    folder = pathlib.Path(path)
    if folder.name == "students" and _students_in(folder, True):
        return f"; it has the students of a run: pass the run, {folder.parent}"
    return _runs_below(folder)


def _runs_below(folder):
    found = sorted(folder.glob("cohort/seed*")) or sorted(folder.glob("seed*"))
    return f"; it is a folder of runs: pass one of them, such as {found[0]}" if found else ""


def named_in(path: str | os.PathLike, endings: tuple[str, ...] = (), ensembles: bool = True) -> str:
    """Names what may be passed of a folder that was passed instead, for the end of a message.

    Args:
      path: a folder that is neither an exported student nor a run with some.
      endings: of names of files that may be passed, too, such as ".onnx".
      ensembles: as for `students_of`.

    Returns:
      As `runs_in` of a folder of runs; of one that has exported students, or such files, the first of
      them; "" for others.
    """
    folder = pathlib.Path(path)
    found = [
        each
        for each in _students_in(folder, ensembles)
        if not (each / run_names.DETECTOR_CARD).exists()
    ]
    if endings:
        found += sorted(each for each in folder.glob("[!.]*") if each.name.endswith(endings))
    told = f"; it is a folder of exports: pass one of them, such as {found[0]}" if found else ""
    return _runs_below(folder) or told


def find_students(path: str | os.PathLike, ensembles: bool = True) -> list[pathlib.Path]:
    """The folders of the exported students that a path stands for.

    Args:
      path: a student's folder, such as WORKDIR/students/NAME, or a run.
      ensembles: as for `students_of`.

    Returns:
      That folder alone, or those of all the run's students; empty when there is neither.
    """
    path = pathlib.Path(path)
    return [path] if holds_model(path) else students_of(path, ensembles)


def check(student: str | os.PathLike, facts: Mapping[str, Any]) -> None:
    """Compares the files of an exported student with the checksums in its card.

    Says on stderr when an older version wrote the export, which has none.

    Args:
      student: a folder, or a file, of which only its own checksum counts; it may have been renamed
        together with its card.
      facts: of its card.

    Raises:
      DamageError: when a file is missing or is not what was written, or the card is not of it.
    """
    path = pathlib.Path(student)
    if "checksums" not in facts:
        print(
            f"{path} cannot be checked for damage: an older version exported it, without checksums",
            file=sys.stderr,
        )
        return
    sums = facts["checksums"]
    if not path.is_dir():
        if path.name not in sums and _is_one_of(path, sums):
            return
        if path.name not in sums:
            # Another file of a student of that name was exported here, and its card written anew.
            raise DamageError(
                f"{path} is no file of the card beside it, which is of {' and '.join(sums)}: "
                "export it again, or give it a folder of its own"
            )
        # Two files of one student share a card, and one of them may have been moved elsewhere.
        sums = {path.name: sums[path.name]}
    found = identity.damage(path if path.is_dir() else path.parent, sums)
    if found:
        raise DamageError(f"{path} is damaged: {found}; export it again")


def _is_one_of(path, sums):
    try:
        return set(identity.checksums_of([path]).values()) <= set(sums.values())
    except OSError:
        return False


def digest(path: str | os.PathLike, known: str = "") -> str:
    """The SHA-256 of an exported model, a folder or a file: of its files' names and contents.

    What is for people counts as it was written, whatever they have added; files that they have put
    beside do not count.

    Args:
      path: of the model.
      known: a digest that was recorded before.  One of an earlier version, which counted every file
        in the folder, is given back if it is of the files that are there.

    Raises:
      OSError: when it cannot be read.
    """
    found = digests(path)
    first = next(found)
    return first if known in ("", first) else next((each for each in found if each == known), first)


def digests(path: str | os.PathLike) -> Iterator[str]:
    """`digest`, and then what earlier versions took for it."""
    path = pathlib.Path(path).expanduser()
    if not path.is_dir():
        yield identity.digest_of(identity.checksums_of([path]))
        return
    sums = known_checksums(path)
    written = {name: sums[name] for name in identity.FOR_PEOPLE if name in sums}
    own = (sums.keys() | set(run_names.CARDS)) - set(identity.FOR_PEOPLE)
    if sums:
        there = {name: path / name for name in own if (path / name).is_file()}
        yield identity.digest_of({**identity.checksums_at(there), **written})
    found = identity.checksums(path)
    if written:
        found = {name: each for name, each in found.items() if name not in identity.FOR_PEOPLE}
    yield identity.digest_of({**found, **written})


def known_checksums(path: pathlib.Path) -> Mapping[str, str]:
    """The checksums in the card of an exported model; {} for one that is missing or damaged.

    Raises:
      OSError: when it is there and cannot be read.
    """
    for name in run_names.CARDS:
        with contextlib.suppress(DamageError, FileNotFoundError):
            return cards.read(path / name).get("checksums", {})
    return {}


def load(path: str | os.PathLike) -> Any:
    """`tf.saved_model.load`, with any of its errors as a DamageError.

    Args:
      path: the folder of a SavedModel.

    Raises:
      DamageError: when it cannot be loaded, naming the folder.
    """
    import tensorflow as tf

    if not pathlib.Path(path, MODEL).exists():
        raise DamageError(f"{pathlib.Path(path, MODEL)} is missing; export it again")

    try:
        with files.literal_path(path) as folder:
            return tf.saved_model.load(str(folder))
    # Depending on the damage the error is TensorFlow's, Python's or protobuf's.
    except Exception as error:
        said = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise DamageError(
            f"{path} is a SavedModel that cannot be loaded, as if it were cut short ({said}): "
            "export it again"
        ) from error
