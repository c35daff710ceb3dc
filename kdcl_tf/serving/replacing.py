"""What may be written where: an export where an older one is, results where no model and no run is.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterable

from kdcl_tf import files
from kdcl_tf.files import identity, run_names
from kdcl_tf.serving import cards, exported
from kdcl_tf.serving.formats import readme

__all__ = ["check_apart", "check_replaced", "keep_others", "may_replace", "owner"]

# What else an exported model has.
_OF_A_MODEL = {
    *("variables", "assets", "fingerprint.pb", cards.CLASS_NAMES, cards.CLASS_NAMES_JSON),
    *identity.FOR_PEOPLE,
}


def may_replace(
    path: str | os.PathLike, card: str = run_names.STUDENT_CARD, is_own: bool = False
) -> bool:
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
    return not names or (is_own and (exported.holds_model(path) or names <= _OF_A_MODEL))


def check_replaced(
    path: str | os.PathLike, kind: str, card: str = run_names.STUDENT_CARD, is_own: bool = False
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


def keep_others(path: pathlib.Path, new: pathlib.Path, card: str = run_names.STUDENT_CARD) -> None:
    """Brings what a user has put into an export's folder into the one that replaces it.

    Args:
      path: the folder of the export that is replaced; it need not be there.
      new: the folder that replaces it, with all that is exported, in the same folder.
      card: the name of the card of such exports.

    Raises:
      OSError: for a file that can be neither linked nor copied, naming it.
    """
    sums = exported.known_checksums(path)
    own = {card, *exported.MARKS, *sums} if sums else {card, *exported.MARKS, *_OF_A_MODEL}
    if card == run_names.STUDENT_CARD:
        own |= set(identity.FOR_PEOPLE)
    if _is_of_files(path / identity.README_BESIDE):
        own.discard(identity.README_BESIDE)
    for folder, folders, names in os.walk(path):
        inside = pathlib.Path(folder).relative_to(path)
        # Without a card, all of a folder that exports have is taken for the export's.
        folders[:] = [each for each in folders if sums or inside.parts or each not in own]
        for name in (*names, *(each for each in folders if os.path.islink(path / inside / each))):
            target = new / inside / name
            if (inside / name).as_posix() not in own and not os.path.lexists(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                _bring(path / inside / name, target)


def _is_of_files(path):
    """Whether a README tells of files that were exported into a folder, not of the folder's model."""
    with contextlib.suppress(OSError, ValueError):
        return path.read_text(encoding="utf-8").startswith(readme.MARK)
    return False


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

    It is an exported model's when it is a card, one of the models that are read, a file of any model,
    or in the folder of one; and a run's when the run has, or will have, a file of its name.  Of a link,
    what it names counts, and the link itself.

    Args:
      output, models: as for `check_apart`.
    """
    read = [place for model in models for place in run_names.places(model)]
    if any(_is_of_model(place, read) for place in run_names.places(output)):
        return "an exported model"
    run = run_names.run_of(output)
    return f"the run in {run}" if run else ""


def _is_of_model(place, read):
    if place in read or (place.is_file() and cards.is_card(place)):
        return True
    if any(model in place.parents and exported.holds_model(model) for model in read):
        return True
    return any(
        (folder / exported.MODEL).exists()
        or place.relative_to(folder).as_posix() in _checksums_in(folder)
        for folder in place.parents
    )


def _checksums_in(folder):
    """Of the card in any folder around a file; what cannot be read there is none."""
    with contextlib.suppress(OSError):
        return exported.known_checksums(folder)
    return {}
