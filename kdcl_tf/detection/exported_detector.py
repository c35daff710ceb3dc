"""A detector that was exported: where it is and what its card says.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf.data.normalization import Normalization
from kdcl_tf.files import run_names
from kdcl_tf.serving import cards, exported
from kdcl_tf.training.run_files import check_export

__all__ = ["CARD", "ExportedDetector", "find"]

# Name of the file that says what a detector is, beside its SavedModel.
CARD = run_names.DETECTOR_CARD


@dataclasses.dataclass(frozen=True)
class ExportedDetector:
    """An exported detector.

    Attributes:
      path: its folder.
      card: of `detector.json`.
    """

    path: pathlib.Path
    card: Mapping[str, Any]

    @property
    def normalization(self) -> Normalization:
        """Of the images that it was trained on."""
        return Normalization.from_card(self.card)


def find(run: str | os.PathLike, option: str, facts: Sequence[str]) -> ExportedDetector:
    """Finds an exported detector, whose files are as they were written.

    Args:
      run: a complete run of `kdcl-detect`, or its folder `detector`.
      option: what names it to the user, such as `model`.
      facts: what its card must say.

    Raises:
      ValueError: when there is none, or one that is damaged or of another run than the one that it
        lies in, in one line.
    """
    path = folder = pathlib.Path(run).expanduser()
    if exported.holds_model(path / "detector"):
        path = path / "detector"
    if not exported.holds_model(path) or not (path / CARD).exists():
        raise ValueError(
            f"{option}={run}: expected an exported detector, a folder with {CARD} such as "
            "WORKDIR/detector, or a complete run of kdcl-detect; got none of these"
        )
    try:
        card = cards.read(path / CARD, facts)
        exported.check(path, card)
        if path != folder:
            check_export(folder, path, card)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from error
    return ExportedDetector(path, card)
