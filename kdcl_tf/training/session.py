"""One run of a task, from settings to results: what every program that trains does alike."""

from __future__ import annotations

import dataclasses
import math
import shutil
from typing import Any

from kdcl_tf import files, students
from kdcl_tf.data import bad_images
from kdcl_tf.data.bad_images import BadImageError
from kdcl_tf.distribution import machine, products, strategies
from kdcl_tf.distribution.cluster import Cluster
from kdcl_tf.distribution.workers import Workers
from kdcl_tf.files.identity import Identity, digest_of
from kdcl_tf.training import manifests
from kdcl_tf.training.checkpoint import Checkpoints, all_variables
from kdcl_tf.training.loop import Loop
from kdcl_tf.training.settings import of_machine
from kdcl_tf.training.task import Task
from kdcl_tf.training.workdir import Workdir

# What a result tells of what trained the run.
_USED = ("peak_memory_gib", "machine", "normalized_parts", "dependent_replicas", "processes")


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
      steps_per_loop: as for `Loop`.
      keep_checkpoints: how many of the newest checkpoints stay.

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
        steps_per_loop: int = 1,
        keep_checkpoints: int = 2,
    ):
        self.task, self.workdir = task, workdir
        settings = task.settings
        # First, since no TensorFlow op may run before workers know each other.
        strategy = strategies.create(settings.strategy, cluster, tpu)
        self.workers = Workers(strategy)
        # Other workers have no checkpoint of their own.
        task.begun = self.workers.answer_of_chief(workdir.begun)
        task.load()
        self.workers.check_same("data", task.dataset.summary())
        self.workers.check_same("weights to start from", task.sources())
        task.identity = Identity(settings.as_flags(), task.digest())
        # The summary counts; the same counts may be of other images, classes or teachers.
        parts = {name: digest_of(part) for name, part in task.identity.data.items()}
        self.workers.check_same("data", parts)
        self._check_data()
        _check_sizes(task, strategy)
        with strategy.scope():
            task.build(strategy)
        variables = [*all_variables(task.model), *(task.kept.variables if task.kept else [])]
        checkpoints = Checkpoints(
            workdir.path / "checkpoints",
            variables,
            keep=keep_checkpoints if self.workers.is_chief else 0,
            strategy=strategy,
            card=task.card(),
            identity=task.identity,
        )
        self.loop = Loop(
            task, settings, strategy, workdir, checkpoints, checkpoint_seconds, steps_per_loop
        )
        if self.workers.is_chief and not workdir.complete_result:
            _check_room(workdir.path, [] if self._is_trained else variables, keep_checkpoints)

    @property
    def _is_trained(self):
        """Whether only the export is left, or nothing at all."""
        return len(self.loop.log) == self.task.settings.epochs

    def train(self) -> dict[str, Any] | None:
        """Trains, exports and draws; returns what `result.json` holds.

        Of several workers only the chief does more than train; the others return None.  A run
        that is complete is not run again.

        Raises:
          Interrupted, Divergence: as `Loop.run`.
          BadImageError: at an image that cannot be decoded.
        """
        complete = self.workdir.complete_result if self.workers.is_chief else None
        # A worker's own folder does not tell, and the chief trains no more.
        if self.workers.from_chief(b"complete" if complete else b""):
            if complete:
                self.workdir.restore_records(self.task.settings)
            return complete
        if self.workers.is_chief:
            trained = self._trained_identity().settings if self._is_trained else None
            self.workdir.record(self.task.settings, trained)
            self.task.announce(self.workdir)
            settings = self.task.settings
            slow = products.remark(settings.precision)
            if not strategies.has_accelerators():
                slow += machine.remark()
            for line in [
                *settings.remarks(self.loop.steps_per_epoch),
                *(() if self._is_trained else self.loop.remarks),
                *slow,
                *self.task.plan(),
            ]:
                print(line, flush=True)
        begun = len(self.loop.log)
        if self.task.begun is None:
            self._check_images()
        with bad_images.told_in_one_line():
            self.loop.run()
        if self.task.kept:
            self.task.kept.restore()
        if not self.workers.is_chief:
            return None
        self.workdir.check_present()
        trained = len(self.loop.log) > begun
        if not trained:
            self._take_over()
        result = {**self._result(trained), **self._used(trained)}
        self.task.draw(self.workdir)
        self.workdir.write_result(result)
        return result

    def _check_images(self):
        """Lets every worker check the images that it reads; a bad one ends them all."""
        own = None
        try:
            with bad_images.told_in_one_line():
                self.task.check_images(self.workers.share)
        except BadImageError as error:
            own = error
        found = self.workers.from_all(str(own or "").encode())
        if own:
            raise own
        for index, told in enumerate(found):
            if told:
                raise BadImageError(f"worker {index}: {told.decode()}")

    def _result(self, trained: bool) -> dict[str, Any]:
        """The exported epoch's numbers: the last, or one that a validation set has chosen.

        Never the best on the test set.
        """
        log = self.loop.log
        last, exported = log[-1], self.task.exported(log)
        # Another machine may have trained than exports.
        trained_on = of_machine(self.task.identity.settings)
        return {
            **self.task.finish(self.workdir, exported),
            "exported_epoch": exported["epoch"],
            "parameters": students.parameter_count(self.task.model),
            "epochs": last["epoch"],
            "steps": last["step"],
            "seconds": round(sum(each["seconds"] for each in log), 1),
            "images_per_second": last["images_per_second"],
            "settings": {**dataclasses.asdict(self.task.settings), **trained_on},
            "data": self._data(trained),
            "places": self._places(),
            "identity": self.task.identity.facts,
            "format": self.task.identity.format,
            "versions": dict(self.task.identity.versions),
        }

    def _places(self):
        """Where data and trained networks were; stays out of what is published."""
        settings = self.task.settings
        return {**settings.places(), **settings.place_of_data(self.task.data_dir)}

    def _take_over(self):
        """Takes what trained a run that this process only exports from what is known of it."""
        self.task.identity = self._trained_identity()
        data = (self.workdir.result or {}).get("data", self.loop.before)
        self.task.left_out_before = data.get("left_out", {})

    def _data(self, trained):
        """The data set's summary; images may have been mended, or broken, since it was trained on."""
        found = self.task.dataset.summary()
        if trained:
            return found
        if self.workdir.result:
            return self.workdir.result["data"]
        found.pop("left_out", None)
        if left_out := self.task.left_out():
            found["left_out"] = left_out
        if "bad_images" in found:
            found["bad_images"] = self.loop.log[-1]["bad_images"]
        return found

    def _trained_identity(self):
        """The run's identity, with the versions and on the devices that have trained it."""
        now = self.task.identity
        before = (self.workdir.result or self.task.begun or {}).get("identity", {})
        return dataclasses.replace(
            now,
            settings={**now.settings, **of_machine(before.get("settings", {}))},
            versions=before.get("versions", now.versions),
        )

    def _used(self, trained):
        """What has trained the run; of a process that only exported, as known from before."""
        if trained:
            return self.loop.used()
        before = {**self.loop.used_before, **(self.workdir.result or {})}
        return {name: before[name] for name in _USED if name in before}

    def _check_data(self):
        """Refuses other data than the run was begun with, on all workers at once."""
        versions = self.workers.answer_of_chief(lambda: self.workdir.check_data(self.task.identity))
        if versions and self.workers.is_chief:
            print(f"this run was begun with other versions: {versions}", flush=True)


def _check_room(folder, variables, keep):
    """Tries, before hours of training, what will be written at its end.

    Args:
      folder: of the run.
      variables: that its checkpoints have; none where it saves no more.
      keep: how many checkpoints stay; one more is there until the oldest is removed.

    Raises:
      OSError: when a folder cannot be written to, or has no room for two checkpoints, or for one
        where as many are there as stay.
    """
    for name in ("checkpoints", "students", "tensorboard"):
        path = folder / name
        if path.exists():
            files.check_writable(path)
    # It may be a link to another disk.
    checkpoints = folder / "checkpoints"
    count = 1 if len(manifests.saved(checkpoints)) >= keep else 2
    needed = count * sum(math.prod(each.shape) * each.value.dtype.size for each in variables)
    place = checkpoints if checkpoints.exists() else folder
    free = shutil.disk_usage(place).free
    if free < needed:
        told = "another checkpoint needs" if count == 1 else "two checkpoints need"
        raise OSError(
            f"the disk of {place} has {free / 2**20:.0f} MiB free; {told} "
            f"{needed / 2**20:.0f} MiB: free some space, or pass another --workdir"
        )


def _check_sizes(task, strategy):
    """Refuses data that leaves a device without the images that it needs."""
    size, least = task.settings.batch_size, task.least_images
    strategies.check_batches(strategy, len(task.dataset.train), size, least)
    if least:
        for name, images in task.evaluated().items():
            strategies.check_split(strategy, name, images)
