"""What lies beside exported files for people: README.md and the names of the classes."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Sequence

from kdcl_tf import files
from kdcl_tf.files import identity, spelling
from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving import cards, replacing
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import attachments, readme
from kdcl_tf.serving.formats.names import FORMATS

__all__ = ["check", "write"]

_CLASS_NAMES = ".class_names.txt"


def check(
    folder: pathlib.Path, exported: Iterable[Card], forms: Sequence[str], is_own: bool = False
) -> None:
    """Refuses a folder in which new files would take what others need.

    All files of a student share `<student>.class_names.txt`, which phones read, and its `.keras`
    and `.weights.h5` file share a card.

    Args:
      folder: where files are going to be written, which is there.
      exported: the cards of the students.
      forms: of `FORMATS`, those that each is going to be written in.
      is_own: whether it is the folder of the students' own run, where what is left of their
        SavedModels may be replaced.

    Raises:
      ValueError: naming a file of a student of the same name that has other classes, or whose card
        would be replaced by that of another epoch or run, or by the one that a run gives
        after its end; or a file or folder of another hand that would be replaced.
    """
    endings = [FORMATS[form].ending for form in forms if FORMATS[form].ending]
    there = list(_exported(folder)) if endings else []
    for card in exported:
        paths = [folder / f"{card.student}{ending}" for ending in endings]
        for name, _, facts in there:
            if facts["student"] != card.student:
                continue
            if not _are_same(facts["class_names"], card.class_names):
                told = "whose classes differ"
            elif folder / name not in paths and any(
                cards.takes_card(card, path, folder / name) for path in paths
            ):
                told = "whose card, of another epoch or run or from before the run's end, would be lost"
            else:
                continue
            raise ValueError(
                f"expected a folder without files of another {card.student}; got {folder}, where "
                f"{name} is one, {told}: pass another --output, or delete it"
            )
        if endings:
            _check_others(card, paths)
        if "saved_model" in forms:
            _check_folder(folder / card.student, is_own)


def write(folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes the README of all exported files in a folder, and `<student>.class_names.txt`.

    A README.md of another hand is kept; ours is `README.kdcl.md` then.

    Returns:
      The paths that were written; none where the folder has no exported file.

    Raises:
      OSError: when one cannot be written.
    """
    order = list(FORMATS)
    found = sorted(
        _exported(folder), key=lambda each: (each[2]["student"], order.index(each[1]), each[0])
    )
    if not found:
        return []
    path = folder / identity.README
    if not _is_ours(path):
        path = folder / identity.README_BESIDE
    files.write_text(path, readme.of_folder(found))
    names = {facts["student"]: facts["class_names"] for _, _, facts in found}
    written = [path]
    for student, classes in names.items():
        written.append(folder / f"{student}{_CLASS_NAMES}")
        files.write_text(written[-1], _lines(classes))
    return written


def _check_others(card, paths):
    """Refuses to replace what is no card, names of other classes, and models without a card."""
    for path in paths:
        if path.exists() and not _is_exported(path):
            raise ValueError(
                f"expected no file at {path}, or one that was exported; got a file without a card: "
                "pass another --output, or move it; if an export was killed here, delete it"
            )
    for path in {cards.path_of(path) for path in paths}:
        if path.exists() and not cards.is_card(path):
            raise ValueError(
                f"expected no file at {path}, where the card of {card.student} goes, or a card; got "
                "another file: pass another --output, or move it"
            )
    names = paths[0].with_name(f"{card.student}{_CLASS_NAMES}")
    if names.exists() and not _are_same([_text(names)], [_lines(card.class_names)]):
        raise ValueError(
            f"expected no file at {names}, where the names of {card.student}'s classes go, or one of "
            "these classes; got others: pass another --output, or move it"
        )


def _is_exported(path):
    """Whether a model has a card: beside it, or, of LiteRT's and ONNX's, inside it."""
    beside = cards.path_of(path)
    if beside.exists() and cards.is_card(beside):
        return True
    holds_texts = path.suffix in cards.RUNTIME_SUFFIXES and path.is_file()
    return holds_texts and attachments.CARD.encode() in path.read_bytes()


def _check_folder(path, is_own):
    if not replacing.may_replace(path, is_own=is_own):
        raise ValueError(
            f"expected nothing at {path}, or an exported student to replace; got something else: pass "
            "another --output, or move it"
        )


def _are_same(names, others):
    """Whether names are the same, in their order, in whichever form of Unicode they are written."""
    return spelling.composed_all(names) == spelling.composed_all(others)


def _text(path):
    """A file as it is, the ends of its lines, too; what is no text is none that we wrote."""
    return path.read_bytes().decode("utf-8", errors="replace")


def _lines(classes):
    return "".join(f"{name}\n" for name in classes)


def _exported(folder):
    """`(name, format, facts)` of the files in a folder that have their cards."""
    for path in folder.iterdir():
        for form, each in FORMATS.items():
            if each.ending and path.name.endswith(each.ending) and path.is_file():
                try:
                    if not cards.is_card(cards.path_of(path)):
                        continue
                    facts = cards.read_student(path)
                except (DamageError, OSError):
                    continue
                # A card that two files share may be of another export than one of them.
                if path.name in facts.get("checksums", [path.name]):
                    yield path.name, form, facts


def _is_ours(path):
    try:
        return path.read_text(encoding="utf-8").startswith(readme.MARK)
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
