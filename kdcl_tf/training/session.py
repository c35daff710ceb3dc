"""One run of a task, from settings to results: what every program that trains does alike."""

from __future__ import annotations

import dataclasses
import resource
from typing import Any

from kdcl_tf import students
from kdcl_tf.data import bad_images
from kdcl_tf.distribution import strategies
from kdcl_tf.distribution.cluster import Cluster
from kdcl_tf.distribution.workers import Workers
from kdcl_tf.training.checkpoint import Checkpoints, all_variables
from kdcl_tf.training.loop import Loop
from kdcl_tf.training.task import Task
from kdcl_tf.training.versions import FORMAT, versions
from kdcl_tf.training.workdir import Workdir

_CHECKPOINTS_KEPT = 2


class Session:
    """A run, set up and checked; `train` then does the long work.

    The set-up loads the task's data, compares it between workers, builds the task's model
    under the strategy, and restores the newest checkpoint.

    Args:
      task: a `Task` of the settings, not loaded yet.
      workdir: `Workdir`, whose `check` has passed.
      cluster: the machines of `--strategy=multi_worker`.  A worker that is not the chief
        leaves nothing in its workdir.
      tpu: name of the TPU of `--strategy=tpu`.
      checkpoint_seconds: the most time between two checkpoints inside an epoch.

    Attributes:
      task, workdir, workers: of the run.
      loop: the `Loop` that trains the task.

    Raises:
      ValueError, OSError: for data, settings, a model or a checkpoint that do not fit, in one
        line.
    """

    def __init__(
        self,
        task: Task,
        workdir: Workdir,
        cluster: Cluster | None = None,
        tpu: str = "local",
        checkpoint_seconds: float = 600.0,
    ):
        self.task, self.workdir = task, workdir
        settings = task.settings
        # First, since no TensorFlow op may run before workers know each other.
        strategy = strategies.create(settings.strategy, cluster, tpu)
        self.workers = Workers(strategy)
        task.load()
        self.workers.check_same("data", task.dataset.summary())
        _check_sizes(task, strategy)
        with strategy.scope():
            task.build(strategy)
        checkpoints = Checkpoints(
            workdir.path / "checkpoints",
            all_variables(task.model),
            keep=_CHECKPOINTS_KEPT if self.workers.is_chief else 0,
            strategy=strategy,
            card=task.card(),
        )
        self.loop = Loop(task, settings, strategy, workdir, checkpoints, checkpoint_seconds)

    def train(self) -> dict[str, Any] | None:
        """Trains, exports and draws; returns what `result.json` holds.

        Of several workers only the chief does more than train; the others return None.  A run
        that is complete is not run again.

        Raises:
          Interrupted, Divergence: as `Loop.run`.
          BadImageError: at an image that cannot be decoded.
        """
        if self.workdir.result:
            return self.workdir.result
        if self.workers.is_chief:
            self.workdir.record(self.task.settings)
            self.task.announce(self.workdir)
        with bad_images.told_in_one_line():
            if self.workers.is_chief and not self.workdir.log:
                self.task.check_images()
            self.loop.run()
        if not self.workers.is_chief:
            return None
        result = self._result()
        self.task.draw(self.workdir)
        self.workdir.write_result(result)
        return result

    def _result(self) -> dict[str, Any]:
        """The last epoch's numbers: never the best, which would be chosen on the test set."""
        log = self.workdir.log
        last = log[-1]
        return {
            **self.task.finish(self.workdir, last),
            "parameters": students.parameter_count(self.task.model),
            "epochs": last["epoch"],
            "steps": last["step"],
            "seconds": round(sum(each["seconds"] for each in log), 1),
            "images_per_second": last["images_per_second"],
            # Linux counts in KiB.
            "peak_memory_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
            "settings": dataclasses.asdict(self.task.settings),
            "data": self.task.dataset.summary(),
            "format": FORMAT,
            "versions": versions(),
        }


def _check_sizes(task, strategy):
    """Refuses data that leaves a device without images."""
    settings = task.settings
    strategies.check_batches(
        strategy, len(task.dataset.train), settings.batch_size, task.accumulation_steps
    )
    for name, images in task.evaluated().items():
        strategies.check_split(strategy, name, images)
