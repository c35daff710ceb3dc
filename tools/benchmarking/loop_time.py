"""What kdcl-train's loop adds to the time of a step, beyond the graph that computes it.

The cohort is so small that its steps take a fraction of a millisecond.  Its loop is that of
`kdcl-train`: signals, progress, losses, metrics, checks and checkpoints.  After each of its epochs,
the same number of steps of a second such cohort runs in one graph, without a return to Python and
with nothing but `train_step` in it.  All batches are one, made beforehand, so that no time of the
loop hides behind making them.
"""

from __future__ import annotations

import contextlib
import io
import pathlib
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from benchmarking.options import Options
from kdcl_tf import data
from kdcl_tf.classification import factory
from kdcl_tf.classification.settings import Settings
from kdcl_tf.classification.task import Classification
from kdcl_tf.training.checkpoint import Checkpoints, all_variables
from kdcl_tf.training.loop import Loop
from kdcl_tf.training.workdir import Workdir

# Steps of an epoch, so many that its fixed costs, such as a new iterator, are small beside them.
_STEPS = 4000
_STEPS_PER_LOOP = (1, 50)


def compare_with_graph(options: Options) -> None:
    """Prints the time of a step in the loop, in one graph, and what the loop adds to it."""
    logging.set_verbosity(logging.ERROR)
    for count in _STEPS_PER_LOOP:
        in_loop, in_graph = 1000 * measure(count, options.pairs, _STEPS)
        low, middle, high = np.quantile(in_loop - in_graph, [0.25, 0.5, 0.75])
        print(
            f"--steps_per_loop={count}: {np.median(in_loop):.3f} ms a step, in one graph "
            f"{np.median(in_graph):.3f} ms: the loop adds {middle:.3f} ms (quartiles {low:.3f}, "
            f"{high:.3f})",
            flush=True,
        )


def measure(steps_per_loop: int, epochs: int, steps: int) -> np.ndarray:
    """Times epochs of both in turn, after one of each to make the graphs.

    Args:
      steps_per_loop: as for `Loop`.
      epochs: that are timed.
      steps: of an epoch.

    Returns:
      `[2, epochs]` seconds a step: in the loop, and in one graph.
    """
    settings = Settings(
        students=("resnet8", "wrn_10_1"),
        ensemble="min_logit",
        holdout_per_class=0,
        batch_size=4,
        epochs=epochs + 1,
        evaluate_every=epochs + 1,
        schedule="constant",
        learning_rate=0.001,
    )
    strategy = tf.distribute.get_strategy()
    alone = _TinyTask(settings, steps)
    alone.build(strategy)
    task = _TinyTask(settings, steps)
    task.build(strategy)
    in_graph = []
    with tempfile.TemporaryDirectory() as folder:
        workdir = _TimedWorkdir(folder, lambda: in_graph.append(alone.seconds_in_graph()))
        checkpoints = Checkpoints(pathlib.Path(folder, "checkpoints"), all_variables(task.model))
        with contextlib.redirect_stdout(io.StringIO()):
            loop = Loop(
                task, settings, strategy, workdir, checkpoints, steps_per_loop=steps_per_loop
            )
            loop.run()
    in_loop = [record["seconds"] for record in loop.log]
    return np.array([in_loop, in_graph])[:, 1:] / steps


class _TinyTask(Classification):
    """The task of `kdcl-train`, with a dense layer for each student, and one batch for all."""

    def __init__(self, settings, steps):
        super().__init__(settings)
        self._steps = steps
        self.load()
        self._batch = next(iter(super().epoch(0, settings.batch_size, 0, data.Share())))

    @property
    def images(self):
        return self._steps * self.settings.batch_size

    def steps_per_epoch(self, batch_size):
        return self._steps

    def build(self, strategy):
        students = {name: self._student() for name in self.settings.student_names}
        self.model = factory.create_cohort(self.settings, students, self.dataset, self._steps)
        self.model.compile(factory.create_optimizer(self.settings, self._steps))
        self.strategy = strategy
        self._graph = tf.function(self._steps_in_graph, autograph=False)

    def epoch(self, epoch, batch_size, skip, share):
        return tf.data.Dataset.from_tensors(self._batch).repeat(self._steps - skip)

    def seconds_in_graph(self):
        """The seconds of an epoch in one graph, the making of its iterator included."""
        began = time.perf_counter()
        iterator = iter(self.epoch(0, self.settings.batch_size, 0, data.Share()))
        self._graph(iterator, tf.constant(self._steps))[0].numpy()
        return time.perf_counter() - began

    def _student(self):
        classes, shape = self.dataset.num_classes, self.dataset.image_shape
        layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(classes)]
        return keras.Sequential(layers)

    def _steps_in_graph(self, iterator, count):
        def step(index):
            self.model.train_step(iterator.get_next())
            return (index + 1,)

        return tf.while_loop(lambda index: index < count, step, (tf.constant(0),))


class _TimedWorkdir(Workdir):
    """A workdir that calls a function when an epoch has been logged."""

    def __init__(self, path, then):
        super().__init__(path)
        self._then = then

    def log_epoch(self, record):
        super().log_epoch(record)
        self._then()
