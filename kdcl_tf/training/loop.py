"""The loop of `kdcl-train`: the cohort's own `train_step`, driven so that it can resume.

It is not `cohort.fit` because Keras's loop cannot start inside an epoch, and fails under
multi-worker strategies; the step it runs is the same.
"""

import json
import math
import signal
import time

import numpy as np
import tensorflow as tf

from kdcl_tf.training import schedules, strategies
from kdcl_tf.training.interruption import Interrupted, Interruption
from kdcl_tf.training.progress import Progress, Stopwatch
from kdcl_tf.training.replicas import Replicas
from kdcl_tf.training.workers import Workers

_EVALUATION_BATCH = 256
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_WISHES = tf.TensorSpec([len(_SIGNALS) + 1], tf.int64)


class Divergence(Exception):
    """A student's loss or one of its variables is no longer a number."""


class Loop:
    """Trains a compiled cohort on views of a data set, from wherever its workdir stands.

    Args:
      cohort: compiled, made under `strategy`.
      views: `data.Views`, the distorted training images.
      settings: `Settings`.
      strategy: `tf.distribute.Strategy`.
      workdir: `Workdir`, for the log.
      checkpoints: `Checkpoints` of all the cohort's variables.
      checkpoint_seconds: the most time between two checkpoints inside an epoch.

    Raises:
      ValueError: when the newest checkpoint does not fit.
    """

    def __init__(
        self, cohort, views, settings, strategy, workdir, checkpoints, checkpoint_seconds=600.0
    ):
        self._cohort, self._views, self._settings = cohort, views, settings
        self._strategy, self._workdir, self._checkpoints = strategy, workdir, checkpoints
        self._checkpoint_seconds = checkpoint_seconds
        self._steps_per_epoch = views.steps_per_epoch(settings.batch_size)
        self._schedule = schedules.create(settings, self._steps_per_epoch)
        self._workers = Workers(strategy)
        self._replicas = Replicas(strategy, cohort)
        self._interruption = Interruption()
        self._saved_at = time.monotonic()
        # The variables of the newest checkpoint, metrics of a begun epoch included.
        self._progress = self._restore() or {"epoch": 0, "step": 0, "seconds": 0.0}

    def run(self):
        """Trains to the last epoch.

        Raises:
          Interrupted: after a signal, when everything is saved.
          Divergence: when a loss or variable is NaN or infinite, naming student and step.
        """
        begun, step, seconds = (self._progress[key] for key in ("epoch", "step", "seconds"))
        # 1. The data order is a function of the epoch, so the rest of it is a slice.
        images = len(self._views.dataset.train.labels)
        done = begun * images + min(step * self._settings.batch_size, images)
        self._bar = Progress(self._settings.epochs * images, done, self._workers.is_chief)
        if 0 < done < self._settings.epochs * images:
            self._bar.say(
                f"continuing at epoch {begun + 1}, step {step} of {self._steps_per_epoch}"
            )
        # 2. Epoch by epoch; the log drops what it had of an epoch that is run again.
        self._writer = tf.summary.create_noop_writer()
        if self._workers.is_chief:
            folder = self._workdir.path / "tensorboard"
            self._writer = tf.summary.create_file_writer(str(folder))
        try:
            with self._interruption:
                for epoch in range(begun, self._settings.epochs):
                    self._run_epoch(epoch, step, seconds)
                    step, seconds = 0, 0.0
        finally:
            self._bar.close()
            self._writer.close()
        # Nobody leaves while another is still at work with all.
        self._workers.total([0])

    def _restore(self):
        """The chief's newest checkpoint, in all workers: folders need not be shared."""
        answer = {"progress": None, "error": None}
        if self._workers.is_chief:
            try:
                answer["progress"] = self._checkpoints.restore()
            except ValueError as error:
                answer["error"] = str(error)
        answer = json.loads(self._workers.from_chief(json.dumps(answer).encode()))
        if answer["error"]:
            raise ValueError(answer["error"])
        if answer["progress"]:
            self._workers.copy_from_chief(self._checkpoints.variables)
        return answer["progress"]

    def _run_epoch(self, epoch, first_step, seconds):
        """`seconds` were spent on this epoch before the run was stopped inside it."""
        self._bar.start_epoch(epoch + 1, self._settings.epochs)
        watch = Stopwatch()
        watch.seconds = seconds
        if first_step == 0:
            self._cohort.reset_metrics()
        with watch:
            self._train_epoch(epoch, first_step, watch)
        self._replicas.align()
        self._check_variables(epoch, self._steps_per_epoch)
        steps = (epoch + 1) * self._steps_per_epoch
        record = {
            "epoch": epoch + 1,
            "step": steps,
            # Of the epoch's last step: the optimizer already stands at the next.
            "learning_rate": float(self._schedule(steps - 1)),
            "seconds": round(watch.seconds, 3),
            "images_per_second": round(len(self._views.dataset.train.labels) / watch.seconds, 1),
            **self._replicas.metrics(),
            **self._renew_ensemble(),
        }
        if (epoch + 1) % self._settings.evaluate_every == 0 or epoch + 1 == self._settings.epochs:
            record.update(self._evaluate())
        record.update(self._views.dataset.problems())
        # Once more, for the metrics: JSON has no word for infinity.
        self._check_variables(epoch, self._steps_per_epoch)
        self._log(record)
        self._save(epoch + 1, 0, 0.0)
        self._stop_if_asked(epoch + 1, 0, self._workers.total(self._wishes()))

    def _train_epoch(self, epoch, first_step, watch):
        size = self._settings.batch_size
        batches = strategies.distribute(
            self._strategy, lambda share: self._views.epoch(epoch, size, first_step, share)
        )
        train = self._replicas.train_function(batches.element_spec, _WISHES)
        images = len(self._views.dataset.train.labels)
        began = time.perf_counter() - watch.seconds
        for step, batch in enumerate(batches, start=first_step + 1):
            totals, wishes = (each.numpy() for each in train(batch, self._wishes()))
            if self._workers.count == 1:
                # Nobody to agree with: also what was wished during the step.
                wishes = self._wishes()
            self._check_finite(totals, epoch, step)
            self._bar.advance(min(size, images - (step - 1) * size), totals[0])
            if step < self._steps_per_epoch:
                if any(wishes):
                    self._replicas.align()
                    self._check_variables(epoch, step)
                    self._save(epoch, step, time.perf_counter() - began)
                self._stop_if_asked(epoch, step, wishes)

    def _wishes(self):
        """Whether each signal has come, and whether the chief finds a checkpoint due."""
        late = time.monotonic() - self._saved_at > self._checkpoint_seconds
        signals = [self._interruption.signal == each for each in _SIGNALS]
        return np.array([*signals, late and self._workers.is_chief], np.int64)

    def _check_finite(self, totals, epoch, step):
        """A mean stays NaN once it is, so the first step that shows it is the step."""
        if all(map(math.isfinite, totals)):
            return
        pairs = list(zip(self._cohort.students, totals[1::2], totals[2::2]))
        # A soft target that is NaN spoils everyone; the cross-entropy tells whose it was.
        guilty = [name for name, entropy, _ in pairs if not math.isfinite(entropy)]
        guilty = guilty or [name for name, _, other in pairs if not math.isfinite(other)]
        what = f"the loss of student {', '.join(guilty) or '(regularisation)'}"
        raise self._divergence(what, epoch, step)

    def _check_variables(self, epoch, step):
        """A step can spoil what only the next one's loss would show; nothing such is saved."""
        variable = self._checkpoints.first_not_finite()
        if not any(self._workers.total([variable is not None])):
            return
        if variable is None:
            raise self._divergence("a variable of another worker", epoch, step)
        owners = [
            f" of student {name}"
            for name, student in self._cohort.students.items()
            if any(variable is each for each in student.variables)
        ]
        raise self._divergence(f"variable {variable.path}{''.join(owners)}", epoch, step)

    def _divergence(self, what, epoch, step):
        return Divergence(
            f"{what} is not finite at step {epoch * self._steps_per_epoch + step} "
            f"(epoch {epoch + 1}, step {step}): try a lower --learning_rate or a longer "
            "--warmup_epochs; checkpoints from before it stay"
        )

    def _renew_ensemble(self):
        if not self._settings.uses_general:
            return {}
        batches = self._batches(self._views.dataset.held_out)
        measure = self._replicas.measure_function(batches.element_spec)
        weights = self._cohort.renew_ensemble(batches, measure)
        return {f"general_weight_{name}": value for name, value in weights.items()}

    def _evaluate(self):
        """Every test image counts once; the last partial batch included."""
        batches = self._batches(self._views.dataset.test)
        test = self._replicas.test_function(batches.element_spec)
        self._cohort.reset_metrics()
        for batch in batches:
            test(batch)
        return {f"test_{name}": value for name, value in self._replicas.metrics().items()}

    def _batches(self, split):
        """Every image of a split once, each replica its part."""
        size = strategies.evaluation_batch(self._strategy, len(split), _EVALUATION_BATCH)
        return strategies.distribute(
            self._strategy, lambda share: self._views.dataset.batches(split, size, share)
        )

    def _log(self, record):
        if not self._workers.is_chief:
            return
        self._workdir.log_epoch(record)
        with self._writer.as_default(step=record["step"]):
            for name, value in record.items():
                if name not in ("epoch", "step"):
                    tf.summary.scalar(name, value)
        accuracies = [
            f"{name} {record[f'test_{name}_accuracy']:.1%}"
            for name in self._cohort.students
            if f"test_{name}_accuracy" in record
        ]
        if accuracies:
            self._bar.say(f"epoch {record['epoch']}: test accuracy {', '.join(accuracies)}")

    def _save(self, epoch, step, seconds):
        progress = {"epoch": epoch, "step": step, "seconds": seconds}
        self._checkpoints.save(epoch * self._steps_per_epoch + step, progress)
        self._saved_at = time.monotonic()

    def _stop_if_asked(self, epoch, step, wishes):
        asked = [each for each, wish in zip(_SIGNALS, wishes) if wish]
        if asked and epoch < self._settings.epochs:
            where = self._workdir.path if self._workers.is_chief else "the workdir of worker 0"
            raise Interrupted(
                asked[0],
                f"stopped by {asked[0].name} at epoch {epoch + 1}, step {step} of "
                f"{self._steps_per_epoch}; all is saved in {where}: the same command continues",
            )
