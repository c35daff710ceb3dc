"""The loop of `kdcl-train`: the cohort's own `train_step`, driven so that it can resume.

It is not `cohort.fit` because Keras's loop cannot start inside an epoch, and fails under
multi-worker strategies; the step it runs is the same.
"""

import math
import time

import tensorflow as tf

from kdcl_tf.training import schedules, strategies
from kdcl_tf.training.interruption import Interrupted, Interruption
from kdcl_tf.training.progress import Progress, Stopwatch

_EVALUATION_BATCH = 256


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
        self._train = tf.function(self._train_batch, reduce_retracing=True)
        self._test = tf.function(self._test_batch, reduce_retracing=True)
        self._interruption = Interruption()
        self._saved_at = time.monotonic()
        # The variables of the newest checkpoint, metrics of a begun epoch included.
        self._progress = checkpoints.restore() or {"epoch": 0, "step": 0, "seconds": 0.0}

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
        self._bar = Progress(self._settings.epochs * images, done)
        if 0 < done < self._settings.epochs * images:
            self._bar.say(
                f"continuing at epoch {begun + 1}, step {step} of {self._steps_per_epoch}"
            )
        # 2. Epoch by epoch; the log drops what it had of an epoch that is run again.
        self._writer = tf.summary.create_file_writer(str(self._workdir.path / "tensorboard"))
        try:
            with self._interruption:
                for epoch in range(begun, self._settings.epochs):
                    self._run_epoch(epoch, step, seconds)
                    step, seconds = 0, 0.0
        finally:
            self._bar.close()
            self._writer.close()

    def _run_epoch(self, epoch, first_step, seconds):
        """`seconds` were spent on this epoch before the run was stopped inside it."""
        self._bar.start_epoch(epoch + 1, self._settings.epochs)
        watch = Stopwatch()
        watch.seconds = seconds
        if first_step == 0:
            self._cohort.reset_metrics()
        with watch:
            self._train_epoch(epoch, first_step, watch)
        self._align_replicas()
        self._check_variables(epoch, self._steps_per_epoch)
        steps = (epoch + 1) * self._steps_per_epoch
        record = {
            "epoch": epoch + 1,
            "step": steps,
            # Of the epoch's last step: the optimizer already stands at the next.
            "learning_rate": float(self._schedule(steps - 1)),
            "seconds": round(watch.seconds, 3),
            "images_per_second": round(len(self._views.dataset.train.labels) / watch.seconds, 1),
            **self._results(),
            **self._renew_ensemble(),
        }
        if (epoch + 1) % self._settings.evaluate_every == 0 or epoch + 1 == self._settings.epochs:
            record.update(self._evaluate())
        record.update(self._views.dataset.problems())
        # Once more, for the metrics: JSON has no word for infinity.
        self._check_variables(epoch, self._steps_per_epoch)
        self._log(record)
        self._save(epoch + 1, 0, 0.0)
        self._stop_if_asked(epoch + 1, 0)

    def _train_epoch(self, epoch, first_step, watch):
        batches = self._views.epoch(epoch, self._settings.batch_size, skip=first_step)
        batches = self._strategy.experimental_distribute_dataset(batches)
        images = len(self._views.dataset.train.labels)
        began = time.perf_counter() - watch.seconds
        for step, batch in enumerate(batches, start=first_step + 1):
            totals = self._train(batch).numpy()
            self._check_finite(totals, epoch, step)
            size = min(self._settings.batch_size, images - (step - 1) * self._settings.batch_size)
            self._bar.advance(size, totals[0])
            if step < self._steps_per_epoch:
                late = time.monotonic() - self._saved_at > self._checkpoint_seconds
                if late or self._interruption.signal:
                    self._check_variables(epoch, step)
                    self._save(epoch, step, time.perf_counter() - began)
                self._stop_if_asked(epoch, step)

    def _train_batch(self, batch):
        """One step on all replicas; `[1 + 2M]` means so far: the loss, then each student's two."""
        self._strategy.run(self._cohort.train_step, args=(batch,))
        own = self._cohort.cohort_metrics.own.values()
        watched = [each[kind] for each in own for kind in ("cross_entropy", "distillation_loss")]
        means = [each.result() for each in [self._cohort.cohort_metrics.loss, *watched]]
        return tf.stack(means)

    def _test_batch(self, batch):
        self._strategy.run(self._cohort.test_step, args=(batch,))

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
        if variable is None:
            return
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

    def _align_replicas(self):
        """Gives every replica the first one's moving statistics, which are those saved.

        Each moved its own; left so, a part of the test images would be judged by
        statistics that no exported student has.
        """
        if self._strategy.num_replicas_in_sync > 1:
            for variable in self._cohort.non_trainable_variables:
                variable.assign(tf.convert_to_tensor(variable.value))

    def _results(self):
        """The metrics so far as plain numbers, read from all replicas."""
        return {metric.name: float(metric.result()) for metric in self._cohort.metrics}

    def _renew_ensemble(self):
        if not self._settings.uses_general:
            return {}
        dataset = self._views.dataset
        held_out = dataset.batches(dataset.held_out, _EVALUATION_BATCH)
        weights = self._cohort.renew_ensemble(held_out)
        return {f"general_weight_{name}": value for name, value in weights.items()}

    def _evaluate(self):
        """Every test image counts once; the last partial batch included."""
        dataset = self._views.dataset
        size = strategies.evaluation_batch(self._strategy, len(dataset.test), _EVALUATION_BATCH)
        batches = dataset.batches(dataset.test, size)
        self._cohort.reset_metrics()
        for batch in self._strategy.experimental_distribute_dataset(batches):
            self._test(batch)
        return {f"test_{name}": value for name, value in self._results().items()}

    def _log(self, record):
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

    def _stop_if_asked(self, epoch, step):
        number = self._interruption.signal
        finished = epoch == self._settings.epochs
        if number and not finished:
            raise Interrupted(
                number,
                f"stopped by {number.name} at epoch {epoch + 1}, step {step} of "
                f"{self._steps_per_epoch}; all is saved in {self._workdir.path}: the same "
                "command continues",
            )
