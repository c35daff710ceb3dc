"""Checkpoints of every variable, with a manifest that is checked before restoring.

A checkpoint is a folder `step-<n>` that is written whole, so that a process killed while it
writes leaves the one before, even one of the same step.  Variables are saved as a flat list:
saving the model object would lose moving statistics, and Keras's own backup loses seed states
and the inside of an epoch.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from kdcl_tf import files
from kdcl_tf.files.identity import DamageError, Identity
from kdcl_tf.training import manifests

_VARIABLES = "variables"

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
      card: JSON-able facts that stand in every checkpoint, see `SavedCheckpoint`.
      identity: of the run, which stands in every checkpoint, too.

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
        identity: Identity | None = None,
    ):
        self._folder = pathlib.Path(folder)
        self._keep, self._card = keep, dict(card or {})
        self._identity = identity.facts if identity else {}
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
        # One graph, since as many ops as there are variables would take as long as a short epoch.
        self._all_finite = tf.function(lambda: _is_finite(self._every_copy()), autograph=False)

    def save(self, step: int, progress: Mapping[str, Any]) -> None:
        """Writes `step-<step>` with a JSON-able `progress` beside the variables.

        What is left of checkpoints after that step, which a run was taken back from, goes with
        those that are older than the newest `keep`.
        """
        files.clean(self._folder)
        path = manifests.folder_of(self._folder, step)
        with files.replaced_folder(path) as partial:
            self._checkpoint.write(str(partial / _VARIABLES))
            facts = {
                "identity": self._identity,
                "progress": progress,
                "card": self._card,
                "variables": self._manifest,
            }
            manifests.write(partial, facts)
        saved = manifests.saved(self._folder)
        kept = saved[: saved.index(path) + 1][-self._keep :] if self._keep else []
        for each in saved:
            if each not in kept:
                files.remove(each)

    def restore(self, say: Callable[[str], Any] = print) -> dict[str, Any] | None:
        """Restores the newest checkpoint that is whole; returns its `progress`, or None.

        Args:
          say: called with a line for each damaged checkpoint that is passed over.

        Raises:
          ValueError: when it holds other variables than these, naming the first, when all
            are damaged, or when it has another format.
        """
        found = manifests.newest(self._folder, say=say)
        if found is None:
            return None
        path, facts = found
        self._check(path, facts["variables"])
        with files.literal_path(path) as folder:
            self._checkpoint.read(str(folder / _VARIABLES)).assert_consumed()
        return facts["progress"]

    def first_not_finite(self) -> Any:
        """The first variable that has a NaN or an infinity, or None.

        Looks at the copies of this process, one by one: their sum would be a question to all
        workers, and a worker that has found one asks no more.
        """
        if self._all_finite():
            return None
        return next(
            variable for variable in self.variables if not _is_finite(self._copies(variable))
        )

    def _copies(self, variable):
        """The values of a variable on the devices of this process."""
        copies = self._strategy.experimental_local_results(variable.value)
        return [tf.convert_to_tensor(copy) for copy in copies]

    def _every_copy(self):
        return [copy for variable in self.variables for copy in self._copies(variable)]

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


def _is_finite(values):
    """A bool scalar, whether tensors have neither a NaN nor an infinity."""
    found = [tf.reduce_all(tf.math.is_finite(each)) for each in values if each.dtype.is_floating]
    return tf.reduce_all([True, *found])


class SavedCheckpoint:
    """The newest checkpoint of a run that is whole, read without the model it was saved from.

    Args:
      folder: `checkpoints/` of a run.
      say: called with a line for each damaged checkpoint that is passed over.

    Attributes:
      card: as given to `Checkpoints`.
      identity: the facts of the run's `Identity`.
      epoch: how many epochs the run had completed.
      step: how many steps of the next epoch it had taken.
      log: the records of the epochs so far.
      left_out: `{split: images}` that could not be decoded so far.

    Raises:
      ValueError: when there is none, or all are damaged, or it has another format.
    """

    def __init__(self, folder: str | pathlib.Path, say: Callable[[str], Any] = print):
        folder = pathlib.Path(folder)
        found = manifests.newest(folder, say=say)
        if found is None:
            raise ValueError(f"{folder.parent} has no checkpoint yet")
        self._folder, facts = found
        self._files = facts["files"]
        self.card, self.identity = facts["card"], facts["identity"]
        progress = facts["progress"]
        self.epoch, self.step = progress["epoch"], progress.get("step", 0)
        self.log = progress.get("log", [])
        self.left_out = progress.get("left_out", {})

    def assign(self, variables: Sequence, positions: Sequence[int]) -> None:
        """Gives variables their saved values.

        Args:
          variables: Keras variables.
          positions: of each in the list that was saved.

        Raises:
          DamageError: when a run that goes on has removed the checkpoint, or replaced it by one
            that may keep another epoch.
          ValueError: when a value is missing, or has another shape.
        """
        try:
            with files.literal_path(self._folder) as folder:
                reader = tf.train.load_checkpoint(str(folder / _VARIABLES))
                for variable, position in zip(variables, positions, strict=True):
                    variable.assign(reader.get_tensor(f"{position:05d}/.ATTRIBUTES/VARIABLE_VALUE"))
        except (tf.errors.NotFoundError, tf.errors.DataLossError) as error:
            raise self._replaced() from error
        # The evaluation of an epoch may have kept it since; all else is as before it.
        if "kept" in self.card and not self._is_there():
            raise self._replaced()

    def _is_there(self):
        """Whether its folder still has what was read."""
        try:
            return manifests.sealed_facts(self._folder)["files"] == self._files
        except DamageError:
            return False

    def _replaced(self):
        return DamageError(
            f"checkpoint {self._folder} was removed or replaced while it was read, by a run that "
            "goes on: try again, or when the run has ended"
        )


def all_variables(model: Any) -> list:
    """Every variable that a run of a compiled model must save, each once.

    Weights, moving statistics, seeds, the optimizer's, and the metrics of an epoch that has
    begun.
    """
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    # A cohort may have one for each student.
    optimizers = (getattr(model, "student_optimizers", None) or {"": model.optimizer}).values()
    of_optimizers = [variable for each in optimizers for variable in each.variables]
    variables = [*model.variables, *of_optimizers, *metrics]
    return list({id(variable): variable for variable in variables}.values())
