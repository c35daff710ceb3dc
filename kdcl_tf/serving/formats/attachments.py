"""The card and the class names inside LiteRT and ONNX files, which so tell what they are.

A `.tflite` file may end with a ZIP archive, where phones' libraries look for labels, and an ONNX
file has named texts.  Importing this module imports nothing but the standard library.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from typing import Any

from kdcl_tf.files import run_names
from kdcl_tf.files.identity import DamageError

__all__ = ["CARD", "LABELS", "archived", "facts_of", "with_archive"]

# Names in the archive, and of the texts of an ONNX file.
CARD = run_names.STUDENT_CARD
LABELS = "labels.txt"

# The same archive at any time of day: a file's checksum depends on what is in it alone.
_TIME = (1980, 1, 1, 0, 0, 0)


def with_archive(model: bytes, texts: Mapping[str, str]) -> bytes:
    """A LiteRT model with an archive of texts at its end, which interpreters pass over.

    Args:
      model: the content of a `.tflite` file without an archive.
      texts: `{name: text}`.
    """
    buffer = io.BytesIO()
    buffer.write(model)
    # Appended, so that offsets count from the start of the file, as strict readers want them.
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), text.encode())
    return buffer.getvalue()


def archived(path: str | os.PathLike, name: str) -> str | None:
    """A text in the archive at the end of a `.tflite` file, or None where there is none.

    Raises:
      DamageError: when it cannot be read.
    """
    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name).decode() if name in archive.namelist() else None
    # Damage may claim another version of ZIP, a password or another compression.
    except Exception as error:
        raise DamageError(f"{name} inside {path} is damaged ({error}): export it again") from error


def facts_of(path: str | os.PathLike, text: str) -> dict[str, Any]:
    """The facts of a card that was found inside the file at `path`.

    Raises:
      DamageError: when they are no JSON object.
    """
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamageError(
            f"the card inside {path} is damaged ({error}): export it again"
        ) from error
    if not isinstance(facts, dict):
        raise DamageError(f"the card inside {path} is damaged: export it again")
    return facts
