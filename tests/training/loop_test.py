"""Tests of kdcl_tf.training.loop: a run that was stopped ends as one that was not."""

import json
import os
import pathlib
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data
from kdcl_tf.classification.settings import Settings
from kdcl_tf.classification.task import Classification
from kdcl_tf.files.identity import DamageError
from kdcl_tf.training.checkpoint import Checkpoints, all_variables
from kdcl_tf.training.interruption import Interrupted
from kdcl_tf.training.loop import Divergence, Loop
from kdcl_tf.training.workdir import Workdir

# 40 images make 3 steps an epoch, the last of them short.
_SMALL = {
    "students": ("resnet8", "wrn_10_1"),
    "image_size": 8,
    "train_per_class": 4,
    "holdout_per_class": 1,
    "batch_size": 16,
    "epochs": 3,
    "learning_rate": 0.1,
    "milestones": (1,),
}


def _stop():
    os.kill(os.getpid(), signal.SIGTERM)


class _StoppingViews(data.Views):
    """Views whose run is stopped in its given epoch, after the first step it takes."""

    stop_in = None

    def epoch(self, epoch, *args):
        if epoch == self.stop_in:
            _stop()
        return super().epoch(epoch, *args)


class _StoppingWorkdir(Workdir):
    """A workdir whose run is stopped when it has logged the given epoch, before it saves."""

    stop_after = None

    def log_epoch(self, record):
        super().log_epoch(record)
        if record["epoch"] == self.stop_after:
            _stop()


class _Run:
    """A loop with its parts, in reach of a test."""

    def __init__(
        self,
        folder,
        stop_in=None,
        stop_after=None,
        checkpoint_seconds=600.0,
        steps_per_loop=1,
        **settings,
    ):
        settings = Settings(**{**_SMALL, **settings})
        strategy = tf.distribute.get_strategy()
        task = Classification(settings)
        task.load()
        task.views = _StoppingViews(task.dataset, settings.student_names, settings.seed)
        self.workdir = _StoppingWorkdir(folder)
        task.views.stop_in, self.workdir.stop_after = stop_in, stop_after
        task.build(strategy)
        self.cohort = task.model
        variables = all_variables(self.cohort)
        self.checkpoints = Checkpoints(self.workdir.path / "checkpoints", variables)
        parts = (task, settings, strategy, self.workdir, self.checkpoints)
        self.loop = Loop(*parts, checkpoint_seconds, steps_per_loop)

    def values(self):
        variables = all_variables(self.cohort)
        return {
            f"{index} {variable.path}": np.array(variable)
            for index, variable in enumerate(variables)
        }

    def log(self):
        """The log without its times."""
        times = ("seconds", "images_per_second")
        return [
            {name: value for name, value in record.items() if name not in times}
            for record in self.workdir.log
        ]


class LoopTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _whole(self, **settings):
        run = _Run(self.folder / "whole", **settings)
        run.loop.run()
        return run

    def _part(self, where, **kwargs):
        run = _Run(self.folder / "parts", **kwargs)
        with self.assertRaisesRegex(Interrupted, rf"^stopped by SIGTERM at {where}; all is saved"):
            run.loop.run()

    def _assert_same(self, run, whole):
        self.assertEqual(run.log(), whole.log())
        wanted = whole.values()
        for path, value in run.values().items():
            self.assertAllEqual(value, wanted[path], path)

    @pytest.mark.slow
    def test_stopped_twice_inside_epochs_around_a_drop_of_the_rate_general(self):
        whole = self._whole(ensemble="general")
        rates = [record["learning_rate"] for record in whole.log()]
        self.assertAllClose(rates, [0.1, 0.01, 0.01])
        self._part("epoch 1, step 1 of 3", ensemble="general", stop_in=0)
        self._part("epoch 2, step 1 of 3", ensemble="general", stop_in=1)
        resumed = _Run(self.folder / "parts", ensemble="general")
        resumed.loop.run()
        self._assert_same(resumed, whole)

    @pytest.mark.slow
    def test_stopped_between_epochs_at_the_drop_of_the_rate_min_logit(self):
        whole = self._whole(ensemble="min_logit", epochs=2)
        self._part("epoch 2, step 0 of 3", ensemble="min_logit", epochs=2, stop_after=1)
        resumed = _Run(self.folder / "parts", ensemble="min_logit", epochs=2)
        resumed.loop.run()
        self._assert_same(resumed, whole)

    def test_steps_in_one_graph_are_the_same_run_which_stops_between_graphs(self):
        settings = {"students": ("resnet8",), "epochs": 2}
        whole = self._whole(**settings)
        self._part("epoch 1, step 2 of 3", stop_in=0, steps_per_loop=2, **settings)
        resumed = _Run(self.folder / "parts", steps_per_loop=5, **settings)
        resumed.loop.run()
        self._assert_same(resumed, whole)

    @pytest.mark.slow
    def test_compiled_by_xla_it_stops_and_goes_on_in_loops_of_other_lengths(self):
        settings = {"students": ("resnet8",), "epochs": 2, "jit_compile": True}
        whole = self._whole(**settings)
        self.assertTrue(whole.cohort.compilation)
        self._part("epoch 1, step 2 of 3", stop_in=0, steps_per_loop=2, **settings)
        resumed = _Run(self.folder / "parts", steps_per_loop=5, **settings)
        resumed.loop.run()
        self._assert_same(resumed, whole)

    @pytest.mark.slow
    def test_stopped_in_float16_it_goes_on_with_its_loss_scale(self):
        settings = {"students": ("resnet8",), "epochs": 2, "precision": "float16"}
        whole = self._whole(**settings)
        scaled = whole.cohort.optimizer
        self.assertIsInstance(scaled, keras.optimizers.LossScaleOptimizer)
        self._part("epoch 1, step 1 of 3", stop_in=0, **settings)
        resumed = _Run(self.folder / "parts", **settings)
        resumed.loop.run()
        self._assert_same(resumed, whole)
        # Every step was taken, or has halved the scale.
        taken = int(scaled.inner_optimizer.iterations)
        halved = np.log2(scaled.initial_scale / float(scaled.dynamic_scale))
        self.assertEqual(taken + halved, 6)

    @pytest.mark.slow
    def test_stopped_between_two_steps_of_two_parts_each(self):
        settings = {"students": ("resnet8",), "epochs": 1, "accumulation_steps": 2}
        whole = self._whole(**settings)
        self._part("epoch 1, step 1 of 3", stop_in=0, **settings)
        resumed = _Run(self.folder / "parts", **settings)
        self.assertEqual(int(resumed.cohort.optimizer.iterations), 1)
        resumed.loop.run()
        self.assertEqual(int(resumed.cohort.optimizer.iterations), 3)
        self._assert_same(resumed, whole)

    def test_evaluates_every_so_many_epochs_and_at_the_end_where_it_can_be_stopped(self):
        run = _Run(self.folder, ensemble="naive", evaluate_every=2, stop_after=3)
        with self.assertRaisesRegex(
            Interrupted, "SIGTERM after the last epoch, before the export; all"
        ):
            run.loop.run()
        evaluated = ["test_resnet8_accuracy" in record for record in run.log()]
        self.assertEqual(evaluated, [False, True, True])

    def test_an_evaluation_that_fails_costs_no_epoch(self):
        whole = self._whole(ensemble="general", epochs=2)
        failing = _Run(self.folder / "parts", ensemble="general", epochs=2)
        failing.loop._task.evaluate = lambda replicas: 1 / 0
        with self.assertRaises(ZeroDivisionError):
            failing.loop.run()
        resumed = _Run(self.folder / "parts", ensemble="general", epochs=2)
        # The epoch is trained: only its evaluation is left.
        self.assertEqual(int(resumed.cohort.optimizer.iterations), 3)
        resumed.loop.run()
        self.assertEqual(int(resumed.cohort.optimizer.iterations), 6)
        self._assert_same(resumed, whole)

    def test_a_damaged_log_without_a_checkpoint_is_told_before_training(self):
        (self.folder / "log.jsonl").write_text("{\n")
        with self.assertRaisesRegex(DamageError, "line 1 of .*log.jsonl is damaged"):
            _Run(self.folder, ensemble="naive")

    def test_a_checkpoint_of_another_run_is_refused_before_training(self):
        run = _Run(self.folder, ensemble="naive")
        run.checkpoints.save(1, {"epoch": 0, "step": 1, "seconds": 0.0})
        with self.assertRaisesRegex(ValueError, "does not fit: variable .*kernel"):
            _Run(self.folder, ensemble="naive", students=("resnet8", "wrn_10_2"))


class DivergenceTest(tf.test.TestCase):
    def _diverged(self, **settings):
        run = _Run(self.create_tempdir().full_path, **settings)
        with self.assertRaises(Divergence) as caught:
            run.loop.run()
        for record in run.workdir.log:
            json.dumps(record, allow_nan=False)
        return run, str(caught.exception)

    def _assert_newest_is_finite(self, run):
        self.assertIsNotNone(run.checkpoints.restore())
        for path, value in run.values().items():
            self.assertAllInRange(value.astype(np.float64), -3e38, 3e38, path)

    def test_the_student_and_the_step_are_named_and_the_good_checkpoint_stays(self):
        run, message = self._diverged(learning_rate=1e30, schedule="constant", checkpoint_seconds=0)
        self.assertRegex(
            message,
            r"^(the loss|variable \S+) of student (resnet8|wrn_10_1)(, wrn_10_1)? is not finite "
            r"at step \d+ \(epoch \d, step \d\): try a lower --learning_rate or a longer warm-up "
            r"in a new --workdir; checkpoints from before it",
        )
        self._assert_newest_is_finite(run)

    @pytest.mark.slow
    def test_the_step_is_the_same_however_many_are_taken_at_once(self):
        settings = {"students": ("resnet8",), "learning_rate": 1e30, "schedule": "constant"}
        _, expected = self._diverged(**settings)
        self.assertRegex(expected, r"^the loss of student resnet8 .*\(epoch 1, step [23]\)")
        _, found = self._diverged(**settings, steps_per_loop=3)
        self.assertEqual(found, expected)

    def test_a_last_step_that_spoils_the_weights_is_not_saved(self):
        """One step an epoch: its loss is from before the step, and fine."""
        run, message = self._diverged(
            learning_rate=1e25,
            weight_decay=1e25,
            ensemble="general",
            batch_size=40,
            checkpoint_seconds=0,
        )
        self.assertRegex(
            message, r"^variable \S+ of student resnet8 is not finite at step 1 \(epoch 1, step 1\)"
        )
        self.assertIsNone(run.checkpoints.restore())
        self.assertEmpty(run.workdir.log)


if __name__ == "__main__":
    tf.test.main()
