"""What a run has reached, in lines for a person."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

__all__ = ["LAST_EPOCH", "best_epoch", "of_run"]

LAST_EPOCH = "the last epoch"


def best_epoch(student: str, images: int) -> str:
    """Which epoch is exported of a run with `--keep=best`.

    Args:
      student: the one that chooses it.
      images: of the validation set, those that can be decoded.
    """
    return f"the epoch with the best accuracy of {student} on {images} validation images"


def of_run(result: Mapping[str, Any], path: pathlib.Path) -> str:
    """The end of a run for a person: a line a student, and where everything is."""
    lines = [
        f"{name}: test accuracy {_accuracies(student)}, {student['parameters']:,} parameters, "
        f"{path / student['saved_model']}"
        for name, student in result["students"].items()
    ]
    lines.append(f"ensemble: test accuracy {result['ensemble_accuracy']:.2%}")
    # Results of older versions do not tell: they are of the last epoch.
    if "exported_epoch" in result:
        epoch = f"epoch {result['exported_epoch']} of {result['epochs']}"
        lines.append(f"exported: {epoch}, {result['kept']}")
    bad = result.get("data", {}).get("bad_images")
    if bad:
        lines.append(f"{bad} images could not be decoded: {path / 'bad_images.txt'}")
    lines.append(f"plot: {path / 'accuracy.png'}; numbers: {path / 'result.json'}")
    return "\n".join(lines)


def _accuracies(student):
    """A student's accuracy, and the further ones that tell something."""
    kinds = {"balanced_accuracy": "balanced", "top_5_accuracy": "top-5"}
    further = [f"{told} {student[kind]:.2%}" for kind, told in kinds.items() if kind in student]
    return ", ".join([f"{student['accuracy']:.2%}", *further])
