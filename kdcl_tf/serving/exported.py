"""Exported models on disk: finds, checks and loads them, and names the damaged in one line.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kdcl_tf import files
from kdcl_tf.files import identity, run_names
from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving import cards

__all__ = [
    "check",
    "check_apart",
    "check_replaced",
    "digest",
    "digests",
    "find_students",
    "holds_model",
    "keep_others",
    "known_card",
    "load",
    "may_replace",
    "named_in",
    "owner",
    "runs_in",
    "students_of",
]

_MODEL = "saved_model.pb"
_CARD = "student.json"
# Of all kinds of exported models.
_CARDS = (_CARD, "detector.json")
# What an exported model is known by: a student whose model is missing still has its card.
_MARKS = (_MODEL, _CARD)
# What else an exported model has.
_OF_A_MODEL = {
    *("variables", "assets", "fingerprint.pb", cards.CLASS_NAMES, cards.CLASS_NAMES_JSON),
    *identity.FOR_PEOPLE,
}


def holds_model(path: str | os.PathLike) -> bool:
    """Whether a folder is an exported model, whole or damaged.

    A folder that a killed process left renamed aside is put back first.
    """
    path = pathlib.Path(path)
    files.recover(path.parent)
    return any((path / name).exists() for name in _MARKS)


def may_replace(path: str | os.PathLike, card: str = _CARD, is_own: bool = False) -> bool:
    """Whether an export may be written to a folder: a new or empty one, or one of an older export.

    A SavedModel alone is not enough, since anybody may have written it: an export, whole or damaged,
    has its card.  A folder that a killed process left renamed aside is put back first.

    Args:
      path: of the folder.
      card: the name of the card of such exports.
      is_own: whether the folder is known to be for this export, as those in a run are: then what
        is left of a model may be replaced, too, with its card or without.
    """
    path = pathlib.Path(path)
    files.recover(path.parent)
    if not os.path.lexists(path) or cards.has_card(path, card):
        return True
    if not path.is_dir():
        return False
    names = {each.name for each in path.iterdir()}
    return not names or (is_own and (holds_model(path) or names <= _OF_A_MODEL))


def check_replaced(
    path: str | os.PathLike, kind: str, card: str = _CARD, is_own: bool = False
) -> None:
    """Refuses to write an export where something else is.

    Args:
      path, card, is_own: as for `may_replace`.
      kind: what is exported, such as "student".

    Raises:
      FileExistsError: unless `may_replace`.
    """
    if not may_replace(path, card, is_own):
        raise FileExistsError(
            f"expected a new folder, or an exported {kind} to replace, at {path}; got something "
            "else, which is kept: choose another folder"
        )


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
    found = sorted({path.parent for name in _MARKS for path in folder.glob(f"[!.]*/{name}")})
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
    """Names a run in a folder of runs, for the end of a message; "" for others."""
    folder = pathlib.Path(path)
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
        each for each in _students_in(folder, ensembles) if not (each / "detector.json").exists()
    ]
    if endings:
        found += sorted(each for each in folder.glob("[!.]*") if each.name.endswith(endings))
    told = f"; it is a folder of exports: pass one of them, such as {found[0]}" if found else ""
    return runs_in(folder) or told


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


def check_apart(
    output: pathlib.Path | None, models: Iterable[str | os.PathLike] = (), flag: str = "output"
) -> None:
    """Refuses to write results where a card, a model or a file of a run is.

    Args:
      output: a file that is going to be written, or None.
      models: that are read: folders or files.
      flag: that names the file.

    Raises:
      ValueError: when the file has an `owner`.
    """
    told = output and owner(output, models)
    if told:
        raise ValueError(
            f"expected --{flag} to be a file of its own; got {output}, which belongs to {told}: "
            "pass another"
        )


def owner(output: pathlib.Path, models: Iterable[str | os.PathLike] = ()) -> str:
    """Whose a file is that is going to be written, in words; "" where it is nobody's.

    It is an exported model's when it is a card, one of the models that are read, or in the folder of
    any; and a run's when the run has, or will have, a file of its name.

    Args:
      output, models: as for `check_apart`.
    """
    place = pathlib.Path(os.path.realpath(output))
    is_taken = place.is_file() and cards.is_card(place)
    for model in map(os.path.realpath, models):
        is_taken |= place == pathlib.Path(model)
        is_taken |= pathlib.Path(model) in place.parents and holds_model(model)
    if is_taken or any(map(_is_model, place.parents)):
        return "an exported model"
    run = run_names.run_of(place)
    return f"the run in {run}" if run else ""


def _is_model(folder):
    # A list of what was detected in student.jpg is called like a card.
    return (folder / _MODEL).exists() or any(cards.has_card(folder, card) for card in _CARDS)


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
    sums = _checksums(path)
    written = {name: sums[name] for name in identity.FOR_PEOPLE if name in sums}
    own = (sums.keys() | set(_CARDS)) - set(identity.FOR_PEOPLE)
    if sums:
        there = {name: path / name for name in own if (path / name).is_file()}
        yield identity.digest_of({**identity.checksums_at(there), **written})
    found = identity.checksums(path)
    if written:
        found = {name: each for name, each in found.items() if name not in identity.FOR_PEOPLE}
    yield identity.digest_of({**found, **written})


def _checksums(path):
    """The checksums in the card of an exported model; {} for one that is missing or damaged."""
    for name in _CARDS:
        with contextlib.suppress(DamageError, FileNotFoundError):
            return cards.read(path / name).get("checksums", {})
    return {}


def keep_others(path: pathlib.Path, new: pathlib.Path, card: str = _CARD) -> None:
    """Brings what a user has put into an export's folder into the one that replaces it.

    Args:
      path: the folder of the export that is replaced; it need not be there.
      new: the folder that replaces it, with all that is exported, in the same folder.
      card: the name of the card of such exports.

    Raises:
      OSError: for a file that can be neither linked nor copied, naming it.
    """
    sums = _checksums(path)
    own = {card, *_MARKS, *sums} if sums else {card, *_MARKS, *_OF_A_MODEL}
    if card == _CARD:
        own |= set(identity.FOR_PEOPLE)
    for folder, folders, names in os.walk(path):
        inside = pathlib.Path(folder).relative_to(path)
        # Without a card, all of a folder that exports have is taken for the export's.
        folders[:] = [each for each in folders if sums or inside.parts or each not in own]
        for name in (*names, *(each for each in folders if os.path.islink(path / inside / each))):
            target = new / inside / name
            if (inside / name).as_posix() not in own and not os.path.lexists(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                _bring(path / inside / name, target)


def _bring(old, new):
    """Gives a file, whatever it is, a second name; where file systems have none, a copy."""
    try:
        os.link(old, new, follow_symlinks=False)
    except (OSError, NotImplementedError):
        try:
            shutil.copy2(old, new, follow_symlinks=False)
        except (OSError, shutil.Error) as error:
            raise OSError(
                f"{old} is not of the export and cannot be kept ({error}): move it away"
            ) from error


def load(path: str | os.PathLike) -> Any:
    """`tf.saved_model.load`, with any of its errors as a DamageError.

    Args:
      path: the folder of a SavedModel.

    Raises:
      DamageError: when it cannot be loaded, naming the folder.
    """
    import tensorflow as tf

    if not pathlib.Path(path, _MODEL).exists():
        raise DamageError(f"{pathlib.Path(path, _MODEL)} is missing; export it again")

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
