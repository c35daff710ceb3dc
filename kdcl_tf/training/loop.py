"""The training loop of every program: runs a model's own `train_step`, and can resume anywhere.

It is not `fit`, because Keras's loop cannot start inside an epoch and fails under multi-worker
strategies.  The step that it runs is the same.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import tensorflow as tf

from kdcl_tf.data.bad_images import BadImageError
from kdcl_tf.distribution import machine, statistics, strategies
from kdcl_tf.distribution.pace import Pace
from kdcl_tf.distribution.replicas import Replicas
from kdcl_tf.distribution.workers import Workers
from kdcl_tf.files.identity import DamageError
from kdcl_tf.training import processes, progress, schedules
from kdcl_tf.training.checkpoint import Checkpoints
from kdcl_tf.training.interruption import SIGNALS, Interrupted, Interruption
from kdcl_tf.training.progress import Progress, Stopwatch
from kdcl_tf.training.settings import TrainingSettings
from kdcl_tf.training.task import Task
from kdcl_tf.training.workdir import Workdir

_REQUESTS = tf.TensorSpec([len(SIGNALS) + 1], tf.int64)


class Divergence(Exception):
    """A loss or a variable is NaN or infinite."""


class Loop:
    """Trains the model of a task, from wherever its workdir stands.

    Args:
      task: loaded and built.
      settings: how long and how fast to train.
      strategy: what the model was built under.
      workdir: where the log is written.
      checkpoints: `Checkpoints` of all the model's variables.
      checkpoint_seconds: the most time between two checkpoints inside an epoch.
      steps_per_loop: how many steps are taken in one graph, between which nothing is asked of
        Python; 0 for 1 on CPUs and about a second's worth elsewhere.

    Attributes:
      steps_per_epoch: batches of an epoch, the last partial one included.
      remarks: lines on the number of replicas, and on how the run goes on with it, for a person.
      log: the records of all epochs so far, as in `log.jsonl`.  Of several workers the chief's
        has them.
      before: the progress that the newest checkpoint has.
      used_before: `used` of the process that the run continues, as far as it is known.

    Raises:
      ValueError: when the newest checkpoint does not fit.
    """

    def __init__(
        self,
        task: Task,
        settings: TrainingSettings,
        strategy: tf.distribute.Strategy,
        workdir: Workdir,
        checkpoints: Checkpoints,
        checkpoint_seconds: float = 600.0,
        steps_per_loop: int = 1,
    ):
        self._task, self._settings = task, settings
        self._strategy, self._workdir, self._checkpoints = strategy, workdir, checkpoints
        self._checkpoint_seconds = checkpoint_seconds
        self.steps_per_epoch = task.steps_per_epoch(settings.batch_size)
        self._schedules = schedules.by_record(settings, self.steps_per_epoch)
        self._workers = Workers(strategy)
        self._replicas = Replicas(strategy, task.model)
        self._interruption = Interruption()
        of_task = (task.normalized, task.trained, task.accumulation_steps)
        others = statistics.dependences(*of_task)
        advised = statistics.dependences(*of_task, once_synchronized=True)
        replicas = strategy.num_replicas_in_sync
        self._parts = statistics.parts(strategy, task.normalized)
        # On whose number the run depends even where batches are normalised as a whole.
        self._dependent = replicas if others else 1
        self._saved_at = time.monotonic()
        self._pace = Pace(steps_per_loop, self._workers)
        # Whether the first whole epoch of its kind is still to come, which tells how long one takes.
        self._tells_end = True
        # The variables of the newest checkpoint, metrics of a begun epoch included.
        # Of a run that is complete nothing is restored, and its log is left as it is.
        is_told = bool(self._workers.is_chief and self._workdir.complete_result)
        restored = self._restore(is_told)
        self._progress = restored or {"epoch": 0, "step": 0, "seconds": 0.0, "log": []}
        self.log = self._progress["log"]
        self.before = self._progress
        run = (task.begun or {}).get("identity")
        self.used_before = processes.used_before(restored, run) if restored else {}
        if restored:
            self._restore_log()
        elif self._workers.is_chief and not is_told:
            # Found after the first epoch, a damaged one would cost it.
            _ = self._workdir.log
        self.remarks = [
            *statistics.remark(self._parts, replicas, advised if self._parts > 1 else others),
            *statistics.change(
                self._progress.get("parts"),
                self._parts,
                self._progress.get("replicas"),
                self._dependent,
            ),
        ]

    def used(self) -> dict[str, Any]:
        """What has trained the run, for its result: see `machine.used` and `processes`."""
        used = machine.used(self.used_before)
        strategy = self._settings.strategy
        own = processes.this(used["machine"], strategy, self._parts, self._dependent)
        return {
            **used,
            **{name: own[name] for name in ("normalized_parts", "dependent_replicas")},
            "processes": processes.joined(self.used_before.get("processes", ()), own),
        }

    def run(self) -> None:
        """Trains to the last epoch.

        Raises:
          Interrupted: after a signal, when everything is saved.
          Divergence: when a loss or variable is NaN or infinite, naming student and step.
          BadImageError: when no image of an epoch can be decoded.
        """
        begun, step, seconds = (self._progress[key] for key in ("epoch", "step", "seconds"))
        # 1. The data order is a function of the epoch, so the rest of it is a slice.
        images = self._task.images
        done = begun * images + min(step * self._settings.batch_size, images)
        self._bar = Progress(self._settings.epochs * images, done, self._workers.is_chief)
        if 0 < done < self._settings.epochs * images:
            self._bar.say(f"continuing at epoch {begun + 1}, step {step} of {self.steps_per_epoch}")
        # 2. Epoch by epoch; the log drops what it had of an epoch that is run again.
        self._writer = tf.summary.create_noop_writer()
        if self._workers.is_chief:
            folder = self._workdir.path / "tensorboard"
            self._writer = tf.summary.create_file_writer(str(folder))
        try:
            with self._interruption:
                for epoch in range(begun, self._settings.epochs):
                    began, left = time.monotonic(), self._settings.epochs - epoch - 1
                    self._run_epoch(epoch, step, seconds)
                    if left and step == 0 and self._tells_end:
                        took = self._pace.usual_time(time.monotonic() - began, self.steps_per_epoch)
                        self._bar.say(progress.ending(took, left))
                        self._tells_end = False
                    step, seconds = 0, 0.0
        finally:
            self._bar.close()
            self._writer.close()
        # No worker leaves while another still needs all of them.
        self._workers.total([0])

    def _restore(self, is_told):
        """Restores the chief's newest checkpoint in all workers, whose folders may differ."""
        restore = (lambda: None) if is_told else self._checkpoints.restore
        progress = self._workers.answer_of_chief(restore)
        if progress:
            self._workers.copy_from_chief(self._checkpoints.variables)
        return progress

    def _restore_log(self):
        """Makes `log.jsonl` what it was at the checkpoint, if it was lost or damaged since."""
        if not self._workers.is_chief:
            return
        try:
            is_same = self._workdir.log == self.log
        except DamageError as error:
            print(f"{error}: it is written again from the checkpoint", flush=True)
            is_same = False
        if not is_same:
            self._workdir.write_log(self.log)

    def _run_epoch(self, epoch, first_step, seconds):
        """`seconds` were spent on this epoch before the run was stopped inside it."""
        self._bar.start_epoch(epoch + 1, self._settings.epochs)
        watch = Stopwatch()
        watch.seconds = seconds
        frozen = self._task.begin_epoch(epoch)
        self._pace.begin_epoch(makes=frozen is not None)
        if frozen is not None:
            self._replicas.renew(frozen)
            self._tells_end = True
        if first_step == 0:
            self._task.model.reset_metrics()
        with watch:
            self._train_epoch(epoch, first_step, watch)
        self._replicas.align()
        self._check_variables(epoch, self.steps_per_epoch)
        steps = (epoch + 1) * self.steps_per_epoch
        record = {
            "epoch": epoch + 1,
            "step": steps,
            # Of the epoch's last step: the optimizer already stands at the next.
            **{name: float(each(steps - 1)) for name, each in self._schedules.items()},
            "seconds": round(watch.seconds, 3),
            "images_per_second": round(self._task.images / watch.seconds, 1),
            **self._replicas.metrics(),
            **self._task.end_epoch(self._replicas),
        }
        if (epoch + 1) % self._settings.evaluate_every == 0 or epoch + 1 == self._settings.epochs:
            # An evaluation that fails, at a damaged image say, must not cost the epoch.
            self._save(epoch, self.steps_per_epoch, watch.seconds)
            record.update(self._task.evaluate(self._replicas))
            if self._task.kept:
                self._task.kept.offer(record)
        self._task.exchange(self._workers)
        record.update(self._task.problems())
        # Once more, for the metrics: JSON cannot express infinity.
        self._check_variables(epoch, self.steps_per_epoch)
        self._log(record)
        self._save(epoch + 1, 0, 0.0)
        self._stop_if_asked(epoch + 1, 0, self._workers.total(self._requests()))

    def _train_epoch(self, epoch, first_step, watch):
        size = self._settings.batch_size
        batches = strategies.distribute(
            self._strategy, lambda share: self._task.epoch(epoch, size, first_step, share)
        )
        iterator, images = iter(batches), self._task.images
        means, requests = np.zeros([len(self._task.model.watched)], np.float32), ()
        trained, step, unread = first_step, first_step, []
        began = time.perf_counter() - watch.seconds
        while step < self.steps_per_epoch:
            count = min(self._pace.steps, self.steps_per_epoch - step)
            started = time.perf_counter()
            taken = self._steps_function(iterator)(iterator, count, self._requests(), means)
            means, step = taken.means, step + count
            unread.append((step - count, count, taken))
            # What several steps gave is read while the next are computed.
            waits = count > 1 and step < self.steps_per_epoch
            while len(unread) > waits:
                trained, requests = self._read(epoch, trained, *unread.pop(0))
            self._pace.look(time.perf_counter() - started, count)
            if self._workers.count == 1:
                # With no other worker to agree with, a signal that came meanwhile counts.
                requests = self._requests()
            if any(requests) and step < self.steps_per_epoch:
                for each in unread:
                    trained, _ = self._read(epoch, trained, *each)
                unread.clear()
                self._replicas.align()
                self._check_variables(epoch, step)
                self._save(epoch, step, time.perf_counter() - began)
                self._stop_if_asked(epoch, step, requests)
        if not trained:
            raise BadImageError(f"none of the {images} training images can be decoded")

    def _steps_function(self, iterator):
        task = self._task
        return self._replicas.steps_function(
            iterator,
            _REQUESTS,
            self._pace.steps > 1,
            task.left if task.leaves_out_images else None,
            max(1, task.least_images),
        )

    def _read(self, epoch, trained, begun, count, taken):
        """Counts steps that were taken after step `begun`, and refuses what went wrong in them.

        Returns:
          (steps of the epoch that were trained on, requests of all workers).
        """
        taken = taken._replace(**{name: each.numpy() for name, each in taken._asdict().items()})
        if taken.few >= 0:
            raise BadImageError(
                f"images that cannot be decoded leave {taken.few} of a step on a device, fewer than "
                f"--accumulation_steps={self._task.accumulation_steps}: mend or remove them, or "
                "pass fewer steps to a new --workdir"
            )
        if taken.faulty >= 0:
            # A mean that is NaN stays NaN, so the first step that shows one is the culprit.
            what = self._task.diverged(taken.means[1:])
            raise self._divergence(what, epoch, begun + int(taken.faulty) + 1)
        size, images = self._settings.batch_size, self._task.images
        self._bar.advance(min((begun + count) * size, images) - begun * size, taken.means[0])
        return trained + int(taken.trained), taken.requests

    def _requests(self):
        """Which signals have come, and whether the chief says that a checkpoint is due."""
        late = time.monotonic() - self._saved_at > self._checkpoint_seconds
        signals = [self._interruption.signal == each for each in SIGNALS]
        return np.array([*signals, late and self._workers.is_chief], np.int64)

    def _check_variables(self, epoch, step):
        """Keeps a checkpoint from holding NaN that only the next step's loss would show."""
        variable = self._checkpoints.first_not_finite()
        if not any(self._workers.total([variable is not None])):
            return
        if variable is None:
            raise self._divergence("a variable of another worker", epoch, step)
        what = f"variable {variable.path}{self._task.owner(variable)}"
        raise self._divergence(what, epoch, step)

    def _divergence(self, what, epoch, step):
        return Divergence(
            f"{what} is not finite at step {epoch * self.steps_per_epoch + step} "
            f"(epoch {epoch + 1}, step {step}): try a lower --learning_rate or a longer warm-up in "
            "a new --workdir; checkpoints from before it, if there are any, stay"
        )

    def _log(self, record):
        if not self._workers.is_chief:
            return
        self.log = [each for each in self.log if each["epoch"] < record["epoch"]] + [record]
        self._workdir.log_epoch(record)
        with self._writer.as_default(step=record["step"]):
            for name, value in record.items():
                # None: it could not be measured.
                if name not in ("epoch", "step") and value is not None:
                    tf.summary.scalar(name, value)
        summary = self._task.summary(record)
        if summary:
            self._bar.say(f"epoch {record['epoch']}: {summary}")

    def _save(self, epoch, step, seconds):
        self._task.exchange(self._workers)
        if self._workers.is_chief:
            self._workdir.check_present()
        reached = {
            "epoch": epoch,
            "step": step,
            "seconds": seconds,
            "log": self.log,
            "parts": self._parts,
            "replicas": self._dependent,
            "used": self.used(),
            "left_out": self._task.left_out(),
        }
        self._checkpoints.save(epoch * self.steps_per_epoch + step, reached)
        self._saved_at = time.monotonic()

    def _stop_if_asked(self, epoch, step, requests):
        asked = [each for each, request in zip(SIGNALS, requests) if request]
        if asked:
            where = self._workdir.path if self._workers.is_chief else "the workdir of worker 0"
            moment = f"at epoch {epoch + 1}, step {step} of {self.steps_per_epoch}"
            if epoch == self._settings.epochs:
                moment = "after the last epoch, before the export"
            raise Interrupted(
                asked[0],
                f"stopped by {asked[0].name} {moment}; all is saved in {where}: the same command "
                "continues",
            )
