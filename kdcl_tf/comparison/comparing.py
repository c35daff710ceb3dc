"""Runs a comparison to its end: its runs, one after the other, and what they show."""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import tqdm

from kdcl_tf import files
from kdcl_tf.classification.settings import Settings
from kdcl_tf.comparison import arms, findings as findings_lib
from kdcl_tf.reproduction.plan import Run
from kdcl_tf.reproduction.runner import RunFailed, Runner
from kdcl_tf.training import manifests
from kdcl_tf.training.run_files import missing_exports, read_result
from kdcl_tf.training.workdir import Workdir

# A comparison reads results alone, and needs neither exports nor what they are made from.
_GONE = ", which is gone or not the run's"
_AGAIN = ": kdcl-export --workdir={} exports it again"

__all__ = ["RunFailed", "compare", "places", "prepare"]


def prepare(
    settings: Settings, seeds: int, workdir: pathlib.Path, data_dir: str | None = None
) -> list[Run]:
    """The runs of a comparison, in a folder that can hold it.

    Args:
      settings: of the cohort.
      seeds: how many, from the settings' on.
      workdir: is made; gets `cohort/seed<n>`, `alone/seed<n>`, `comparison.json` and
        `comparison.txt`.
      data_dir: where TFDS keeps its data sets; None for its default.

    Raises:
      ValueError, OSError: when the folder holds something else, or cannot be written to.
    """
    arms.check(settings, workdir)
    Workdir(workdir).discard_if_empty()
    return arms.runs(settings, seeds, workdir, data_dir)


def compare(
    settings: Settings,
    runs: Sequence[Run],
    workdir: pathlib.Path,
    arguments: Sequence[str] = (),
    at_once: int = 1,
) -> str:
    """Completes the runs, each in a process of its own, and writes what they show.

    Args:
      settings, workdir: as in `prepare`, which returned the runs.
      runs: those that are complete are not run again, others continue.
      arguments: further flags of every run.
      at_once: how many runs train beside each other.

    Returns:
      The table, of all seeds that are complete, and where everything is.

    Raises:
      RunFailed: naming each run that failed, or two that were trained on different data.
    """
    with _Bar(runs) as bar:
        Runner(runs, arguments, bar.say, bar.look, at_once).run()
    try:
        arms.check_data(workdir)
    except ValueError as error:
        raise RunFailed(str(error)) from error
    results = _results(workdir)
    found = findings_lib.findings(
        results[arms.ALONE], results[arms.COHORT], arms.counterparts(settings)
    )
    found["settings"] = settings.as_flags()
    table = findings_lib.table(found)
    files.write_text(workdir / "comparison.json", json.dumps(found, indent=2) + "\n")
    files.write_text(workdir / "comparison.txt", table + "\n")
    first = next(run for run in runs if run.row == arms.COHORT)
    head = "SavedModels" if len(found["seeds"]) == 1 else f"SavedModels of seed {first.seed}"
    lines = places(results[arms.COHORT][first.seed], first.workdir, head)
    return "\n".join(["", table, *lines, f"numbers: {workdir / 'comparison.json'}"])


def places(result: Mapping[str, Any], path: pathlib.Path, head: str = "SavedModels") -> list[str]:
    """Lines that say where the models and the plot of a run are.

    Args:
      result: the contents of the run's `result.json`.
      path: the folder of the run.
      head: what the list of models is called.
    """
    gone = missing_exports(path, result)
    told = _GONE + _AGAIN.format(path) * bool(manifests.saved(path / "checkpoints"))
    models = [
        f"  {path / name}{told * (name in gone)}"
        for name in (student["saved_model"] for student in result["students"].values())
    ]
    plot = path / "accuracy.png"
    return ["", f"{head}:", *models, *([f"plot: {plot}"] if plot.exists() else [])]


def _results(workdir):
    """`{arm: {seed: result}}` of all seeds that the folder has complete in both arms.

    Those of an earlier command with more seeds are among them.
    """
    found = {arm: {} for arm in (arms.ALONE, arms.COHORT)}
    for arm, path, seed in arms.present(workdir):
        result = read_result(path)
        if result is not None:
            found[arm][seed] = result
    seeds = found[arms.ALONE].keys() & found[arms.COHORT].keys()
    return {arm: {seed: results[seed] for seed in sorted(seeds)} for arm, results in found.items()}


class _Bar:
    """A bar over the epochs of all runs, on a terminal; elsewhere only lines."""

    def __init__(self, runs):
        self._runs = runs
        self._bar = tqdm.tqdm(
            total=sum(run.settings.epochs for run in runs),
            unit="epoch",
            disable=not sys.stderr.isatty(),
            dynamic_ncols=True,
        )
        self._bar.update(self._done())
        # The time left is told by what this process has seen.
        self._bar.initial = self._bar.n

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bar.close()

    def say(self, line):
        self.look()
        self._bar.write(line, file=sys.stdout)
        sys.stdout.flush()

    def look(self):
        self._bar.update(self._done() - self._bar.n)

    def _done(self):
        return sum(_epochs(run.workdir / "log.jsonl") for run in self._runs)


def _epochs(log):
    try:
        return log.read_bytes().count(b"\n")
    except OSError:
        return 0
