"""Checkpoints of every variable, with a manifest that is checked before restoring.

A checkpoint is a folder `step-<n>` that appears in one rename, so that a process killed
while it writes leaves the one before.  Variables are saved as a flat list: saving the
model object would lose moving statistics, and Keras's own backup loses seed states and
the inside of an epoch.
"""

import json
import pathlib
import re
import shutil

import tensorflow as tf

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

    Attributes:
      variables: as given.
    """

    def __init__(self, folder, variables, keep=2, strategy=None):
        self._folder = pathlib.Path(folder)
        self._keep = keep
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

    def save(self, step, progress):
        """Writes `step-<step>` with a JSON-able `progress` beside the variables."""
        final = self._folder / f"step-{step:09d}"
        for crashed in self._folder.glob(".partial-*"):
            shutil.rmtree(crashed, ignore_errors=True)
        partial = self._folder / f".partial-{final.name}"
        partial.mkdir(parents=True)
        self._checkpoint.write(str(partial / "variables"))
        manifest = {"progress": progress, "variables": self._manifest}
        (partial / _MANIFEST).write_text(json.dumps(manifest))
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        saved = self._saved()
        for old in saved[: len(saved) - self._keep]:
            shutil.rmtree(old, ignore_errors=True)

    def restore(self):
        """Restores the newest checkpoint; returns its `progress`, or None without one.

        Raises:
          ValueError: when it holds other variables than these, naming the first, or when
            its files are damaged.
        """
        saved = self._saved()
        if not saved:
            return None
        newest = saved[-1]
        try:
            manifest = json.loads((newest / _MANIFEST).read_text())
            self._check(newest, manifest["variables"])
            self._checkpoint.read(str(newest / "variables")).assert_consumed()
        except (OSError, LookupError, json.JSONDecodeError, tf.errors.OpError) as error:
            raise ValueError(
                f"checkpoint {newest} is damaged ({type(error).__name__}): delete it to "
                "continue from the one before"
            ) from error
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

    def _saved(self):
        return sorted(self._folder.glob("step-*"))

    def _check(self, folder, found):
        wanted = self._manifest
        for index, (have, want) in enumerate(zip(found, wanted)):
            if have != want:
                raise ValueError(
                    f"checkpoint {folder} does not fit: variable {index} is {have}, wanted {want}"
                )
        if len(found) != len(wanted):
            raise ValueError(
                f"checkpoint {folder} does not fit: it has {len(found)} variables, "
                f"wanted {len(wanted)}"
            )


def all_variables(model):
    """Every variable that a run of a compiled model must save, each once.

    Weights, moving statistics, seeds, the optimizer's, and the metrics of an epoch that has
    begun.
    """
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    variables = [*model.variables, *model.optimizer.variables, *metrics]
    return list({id(variable): variable for variable in variables}.values())
