"""What lies beside exported files for people: README.md and the names of the classes."""

from __future__ import annotations

import pathlib

from kdcl_tf import files
from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving import cards
from kdcl_tf.serving.formats import readme
from kdcl_tf.serving.formats.names import FORMATS

__all__ = ["write"]

_README = "README.md"


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
    path = folder / _README
    if not _is_ours(path):
        path = folder / "README.kdcl.md"
    files.write_text(path, readme.of_folder(found))
    names = {facts["student"]: facts["class_names"] for _, _, facts in found}
    written = [path]
    for student, classes in names.items():
        written.append(folder / f"{student}.class_names.txt")
        files.write_text(written[-1], "".join(f"{name}\n" for name in classes))
    return written


def _exported(folder):
    """`(name, format, facts)` of the files in a folder that have their cards."""
    for path in folder.iterdir():
        for form, each in FORMATS.items():
            if each.ending and path.name.endswith(each.ending) and path.is_file():
                try:
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
