"""Checkpoints of every variable, with a manifest that is checked before restoring.

A checkpoint is a folder `step-<n>` that is written whole, so that a process killed while it
writes leaves the one before, even one of the same step.  Variables are saved as a flat list:
saving the model object would lose moving statistics, and Keras's own backup loses seed states
and the inside of an epoch.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from kdcl_tf import files
from kdcl_tf.training.versions import FORMAT

_MANIFEST = "manifest.json"

# Keras numbers the seed generators of a process through, whatever model they are in.
_NUMBERED = re.compile(r"\bseed_generator_\d+/")


class Checkpoints:
    """The checkpoints of one run, newest last.

    Args:
      folder: made on the first save.
      variables: Keras variables, in a fixed order.
      keep: how many of the newest stay.  With 0 none does: under several workers all must
        write, as a sum over replicas is read by all at once, but one is restored from.
      strategy: what the variables were made under; by default the one in scope.
      card: JSON-able facts that stand in every checkpoint, see `newest`.

    Attributes:
      variables: as given.
    """

    def __init__(
        self,
        folder: str | pathlib.Path,
        variables: Sequence,
        keep: int = 2,
        strategy: tf.distribute.Strategy | None = None,
        card: Mapping[str, Any] | None = None,
    ):
        self._folder = pathlib.Path(folder)
        self._keep, self._card = keep, dict(card or {})
        self.variables = variables
        self._strategy = strategy or tf.distribute.get_strategy()
        self._manifest = [
            [
                _NUMBERED.sub("seed_generator/", variable.path),
                list(variable.shape),
                str(variable.dtype),
            ]
            for variable in variables
        ]
        values = {f"{index:05d}": variable.value for index, variable in enumerate(variables)}
        self._checkpoint = tf.train.Checkpoint(**values)

    def save(self, step: int, progress: Mapping[str, Any]) -> None:
        """Writes `step-<step>` with a JSON-able `progress` beside the variables."""
        files.clean(self._folder)
        manifest = {
            "format": FORMAT,
            "progress": progress,
            "card": self._card,
            "variables": self._manifest,
        }
        with files.replaced_folder(self._folder / f"step-{step:09d}") as partial:
            self._checkpoint.write(str(partial / "variables"))
            (partial / _MANIFEST).write_text(json.dumps(manifest))
        saved = _saved(self._folder)
        for old in saved[: len(saved) - self._keep]:
            files.remove(old)

    def restore(self) -> dict[str, Any] | None:
        """Restores the newest checkpoint; returns its `progress`, or None without one.

        Raises:
          ValueError: when it holds other variables than these, naming the first, or when
            its files are damaged.
        """
        saved = _saved(self._folder)
        if not saved:
            return None
        with _told_of_damage(saved[-1]):
            manifest = _manifest_of(saved[-1])
            self._check(saved[-1], manifest["variables"])
            self._checkpoint.read(str(saved[-1] / "variables")).assert_consumed()
            return manifest["progress"]

    def first_not_finite(self):
        """The first variable that has a NaN or an infinity, or None.

        Looks at the copies of this process, one by one: their sum would be a question to all
        workers, and a worker that has found one asks no more.
        """
        for variable in self.variables:
            for copy in self._strategy.experimental_local_results(variable.value):
                value = tf.convert_to_tensor(copy)
                if value.dtype.is_floating and not tf.reduce_all(tf.math.is_finite(value)):
                    return variable
        return None

    def _check(self, folder, found):
        expected = self._manifest
        for index, (have, want) in enumerate(zip(found, expected)):
            if have != want:
                raise ValueError(
                    f"checkpoint {folder} does not fit: variable {index}: expected {want}; "
                    f"got {have}"
                )
        if len(found) != len(expected):
            raise ValueError(
                f"checkpoint {folder} does not fit: expected {len(expected)} variables; got "
                f"{len(found)}"
            )


class SavedCheckpoint:
    """The newest checkpoint of a run, read without the model that it was saved from.

    Args:
      folder: `checkpoints/` of a run.

    Attributes:
      card: as given to `Checkpoints`.

    Raises:
      ValueError: when there is none, or it is damaged or of another format.
    """

    def __init__(self, folder: str | pathlib.Path):
        saved = _saved(pathlib.Path(folder))
        if not saved:
            raise ValueError(f"{pathlib.Path(folder).parent} has no checkpoint yet")
        self._folder = saved[-1]
        with _told_of_damage(self._folder):
            self.card = _manifest_of(self._folder)["card"]

    def assign(self, variables: Sequence, positions: Sequence[int]) -> None:
        """Gives variables their saved values.

        Args:
          variables: Keras variables.
          positions: of each in the list that was saved.

        Raises:
          ValueError: when a value is missing, or has another shape.
        """
        with _told_of_damage(self._folder):
            reader = tf.train.load_checkpoint(str(self._folder / "variables"))
            for variable, position in zip(variables, positions, strict=True):
                variable.assign(reader.get_tensor(f"{position:05d}/.ATTRIBUTES/VARIABLE_VALUE"))


def _saved(folder):
    files.recover(folder)
    return sorted(folder.glob("step-*"))


def _manifest_of(folder):
    manifest = json.loads((folder / _MANIFEST).read_text())
    found = manifest.get("format", 1)
    if found != FORMAT:
        raise ValueError(
            f"checkpoint {folder} has format {found}; expected format {FORMAT}, that of this "
            "version of kdcl_tf: use the version that saved it"
        )
    return manifest


@contextlib.contextmanager
def _told_of_damage(folder):
    """Turns what reading a damaged checkpoint raises into one line."""
    try:
        yield
    except (OSError, LookupError, AttributeError, json.JSONDecodeError, tf.errors.OpError) as error:
        raise ValueError(
            f"checkpoint {folder} is damaged ({type(error).__name__}): delete it to "
            "continue from the one before"
        ) from error


def all_variables(model) -> list:
    """Every variable that a run of a compiled model must save, each once.

    Weights, moving statistics, seeds, the optimizer's, and the metrics of an epoch that has
    begun.
    """
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    variables = [*model.variables, *model.optimizer.variables, *metrics]
    return list({id(variable): variable for variable in variables}.values())
