"""Tests of kdcl_tf.training.session: what it makes of a task, on a task of a few numbers.

Whole runs are in tests/classification/run_test.py and tests/detection/run_test.py.
"""

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import shutil
import signal
import types
from unittest import mock

import keras
import tensorflow as tf

from kdcl_tf.data.bad_images import BadImageError
from kdcl_tf.distribution import machine, statistics, strategies
from kdcl_tf.files import identity, run_flags
from kdcl_tf.files.identity import FORMAT
from kdcl_tf.training import manifests, processes
from kdcl_tf.training.checkpoint import SavedCheckpoint, all_variables
from kdcl_tf.training.interruption import Interrupted
from kdcl_tf.training.session import Session
from kdcl_tf.training.settings import TrainingSettings
from kdcl_tf.training.task import Task
from kdcl_tf.training.workdir import Workdir


@dataclasses.dataclass(frozen=True)
class _Settings(TrainingSettings):
    precision: str = "float32"
    epochs: int = 2
    batch_size: int = 2
    learning_rate: float = 0.1
    optimizer: str = "sgd"
    momentum: float = 0.0
    schedule: str = "constant"
    milestones: tuple = ()
    warmup_learning_rate: float = 0.0
    strategy: str = "one"
    evaluate_every: int = 1
    seed: int = 0

    def warmup_steps_of(self, steps_per_epoch):
        return 0


class _Line(keras.Model):
    """y = w x, trained towards w = 1 by the loop's own step."""

    def __init__(self):
        super().__init__(name="line")
        self.w = self.add_weight(shape=(), initializer="zeros", name="w")
        self.mean = keras.metrics.Mean(name="loss")
        self.built = True

    @property
    def metrics(self):
        return [self.mean]

    watched = metrics

    def train_step(self, x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self.w * x - x) ** 2)
        self.optimizer.apply_gradients(zip(tape.gradient(loss, [self.w.value]), [self.w]))
        self.mean.update_state(loss)


class _LineTask(Task):
    """Three numbers."""

    # What is wrong with an image; "" for nothing.
    fault = ""

    def __init__(self, settings, told):
        super().__init__(settings)
        self.told, self.data = told, {"train": {"images": 3, "labels": "a" * 64}}

    def load(self):
        self.told.append("load")
        self.dataset = types.SimpleNamespace(
            train=[1.0, 2.0, 3.0], summary=lambda: {"n": 3}, digest=lambda: dict(self.data)
        )

    def build(self, strategy):
        self.told.append("build")
        self.strategy, self.model = strategy, _Line()
        self.model.compile(optimizer=keras.optimizers.SGD(0.1, name="optimizer"))
        self.model.optimizer.build([self.model.w])
        self.views = types.SimpleNamespace(steps_per_epoch=lambda size: -(-3 // size))

    def card(self):
        return {"names": ["a", "é"]}

    def epoch(self, epoch, batch_size, skip, share):
        numbers = tf.data.Dataset.from_tensor_slices(self.dataset.train)
        return numbers.batch(batch_size).skip(skip)

    def diverged(self, means):
        return "the loss"

    def evaluate(self, replicas):
        return {"test_w": float(self.model.w)}

    def summary(self, record):
        return ""

    def announce(self, workdir):
        self.told.append("announce")

    def check_images(self, share):
        self.told.append("check_images")
        if self.fault:
            raise BadImageError(self.fault)

    def finish(self, workdir, last):
        self.told.append("finish")
        return {"w": last["test_w"]}

    def draw(self, workdir):
        self.told.append("draw")


def _stopping_after(epoch, session):
    """The session, which is stopped when it has logged an epoch, from 1."""
    log_epoch = session.workdir.log_epoch

    def logged(record):
        log_epoch(record)
        if record["epoch"] == epoch:
            os.kill(os.getpid(), signal.SIGTERM)

    session.workdir.log_epoch = logged
    return session


class SessionTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "run"

    def _session(self, told=None, **fields):
        task = _LineTask(_Settings(**fields), [] if told is None else told)
        return Session(task, Workdir(self.folder))

    def test_a_task_is_asked_in_order_and_its_part_of_the_result_kept(self):
        told = []
        session = self._session(told)
        self.assertEqual(told, ["load", "build"])
        result = session.train()
        self.assertEqual(told[2:], ["announce", "check_images", "finish", "draw"])
        self.assertEqual(result["w"], session.workdir.log[-1]["test_w"])
        self.assertEqual((result["epochs"], result["steps"], result["data"]), (2, 4, {"n": 3}))
        self.assertEqual((result["format"], result["parameters"]), (FORMAT, 1))
        self.assertGreater(result["peak_memory_gib"], 0.0)
        self.assertEqual(result["machine"], machine.facts())
        self.assertEqual(json.loads((self.folder / "result.json").read_text())["w"], result["w"])

    def test_a_complete_run_is_not_run_again(self):
        session = self._session()
        session.workdir.write_result({"kept": True})
        self.assertEqual(session.train(), {"kept": True})
        self.assertEqual(session.task.told, ["load", "build"])

    def test_what_a_complete_run_has_stays_whatever_its_checkpoints_are(self):
        self._session(epochs=3).train()
        result = Workdir(self.folder).result
        log = (self.folder / "log.jsonl").read_bytes()
        *_, newest = sorted((self.folder / "checkpoints").glob("step-*"))
        for spoil in (
            lambda: (newest / "variables.index").write_bytes(b"torn"),
            lambda: (newest / "manifest.json").write_text("torn"),
        ):
            spoil()
            # As where its data has moved, of which only a session can tell that it is the same.
            self.assertEqual(self._session(epochs=3).train(), result)
            self.assertEqual((self.folder / "log.jsonl").read_bytes(), log)

    def test_what_the_end_will_write_is_tried_before(self):
        for name in ("checkpoints", "students", "tensorboard"):
            self.folder = pathlib.Path(self.create_tempdir().full_path)
            (self.folder / name).touch()
            with self.assertRaisesRegex(OSError, name):
                self._session()

    def test_the_room_is_that_of_the_disk_of_the_checkpoints(self):
        other = pathlib.Path(self.create_tempdir().full_path)
        self.folder.mkdir()
        (self.folder / "checkpoints").symlink_to(other)
        usage, full = shutil.disk_usage, types.SimpleNamespace(free=0)

        def told(path):
            return full if pathlib.Path(path).resolve() == other.resolve() else usage(path)

        with mock.patch.object(shutil, "disk_usage", told):
            with self.assertRaisesRegex(OSError, "^the disk of .*/checkpoints has 0 MiB free; two"):
                self._session()

    def test_no_more_room_is_asked_for_than_what_is_still_written_needs(self):
        first = self._session(epochs=3)
        needed = sum(each.value.dtype.size for each in all_variables(first.task.model))

        def begin(free):
            usage = types.SimpleNamespace(free=free)
            with mock.patch.object(shutil, "disk_usage", lambda path: usage):
                return self._session(epochs=3)

        with self.assertRaisesRegex(OSError, "two checkpoints need"):
            begin(2 * needed - 1)
        begin(2 * needed)
        with self.assertRaises(Interrupted):
            _stopping_after(2, first).train()
        # Two are there, of which the older one goes when the next is written.
        begin(needed)
        with self.assertRaisesRegex(OSError, "another checkpoint needs"):
            begin(needed - 1)
        # Only the export is left.
        self._session(epochs=3).train()
        (self.folder / "result.json").unlink()
        self.assertEqual(begin(0).train()["epochs"], 3)
        # Unless the last one is damaged, and the epoch before is trained on from.
        (self.folder / "result.json").unlink()
        last = manifests.saved(self.folder / "checkpoints")[-1]
        (last / "variables.index").write_bytes(b"torn")
        with self.assertRaisesRegex(OSError, "another checkpoint needs"):
            begin(0)

    def test_what_a_checkpoint_of_an_earlier_version_knows_is_in_the_result_of_an_export(self):
        trained = self._session(epochs=1).train()
        (self.folder / "result.json").unlink()
        session = self._session(epochs=1)
        earlier = {**session.loop.before, "replicas": 2, "parts": 1}
        earlier["used"] = {"machine": trained["machine"]}
        session.loop.used_before = processes.used_before(earlier, trained["identity"])
        again = session.train()
        self.assertEqual((again["dependent_replicas"], again["normalized_parts"]), (2, 1))
        self.assertEqual([each["dependent_replicas"] for each in again["processes"]], [2])

    def test_the_result_tells_where_its_data_was(self):
        session = self._session()
        session.task.data_dir = "somewhere"
        with mock.patch.object(_Settings, "place_of_data", lambda _, where: {"data_dir": where}):
            self.assertEqual(session.train()["places"], {"data_dir": "somewhere"})

    def test_what_only_exports_is_not_the_machine_that_trained(self):
        trained = self._session().train()
        told = {"processor": "Z80", "cores": 1, "accelerators": []}
        before = {**trained, "machine": told, "peak_memory_gib": 0.01}
        self._session().workdir.write_result({**before, "exports": ["students/lost"]})
        again = self._session().train()
        self.assertEqual((again["machine"], again["peak_memory_gib"]), (told, 0.01))
        # A checkpoint tells the same.
        (self.folder / "result.json").unlink()
        with mock.patch.object(machine, "facts", lambda: told):
            again = self._session().train()
        used = ("machine", "peak_memory_gib", "normalized_parts")
        self.assertEqual([again[name] for name in used], [trained[name] for name in used])

    def test_what_only_exports_is_neither_the_version_nor_the_strategy_that_trained(self):
        trained = self._session(batch_size=3).train()
        newer = {**trained["versions"], "keras": "99.0"}
        for is_gone in (False, True):
            before = {**trained, "exports": ["students/lost"]}
            self._session(batch_size=3).workdir.write_result(before)
            if is_gone:
                (self.folder / "result.json").unlink()
            with mock.patch.object(identity, "versions", lambda: newer):
                again = self._session(batch_size=3, strategy="mirrored").train()
            self.assertEqual(again["versions"], trained["versions"])
            self.assertEqual(again["identity"], trained["identity"])
            self.assertEqual(again["settings"], trained["settings"])
            self.assertEqual(run_flags.read(self.folder / "flags.txt")["strategy"], "one")
        # So is a flagfile that is written again without anything else.
        (self.folder / "flags.txt").unlink()
        settings = _Settings(batch_size=3, strategy="mirrored")
        Workdir(self.folder).restore_records(settings)
        self.assertEqual(run_flags.read(self.folder / "flags.txt")["strategy"], "one")

    def test_what_was_left_out_of_a_run_is_not_what_is_bad_when_it_is_only_exported(self):
        counted = {"n": 3, "bad_images": 1, "left_out": {"train": 1}}
        bad = {"left_out": lambda task: task.left_out_before or {"train": 1}}
        with mock.patch.multiple(_LineTask, **bad):
            with mock.patch.object(_LineTask, "problems", lambda task: {"bad_images": 1}):
                trained = self._session()
                trained.task.dataset.summary = lambda: counted
                self.assertEqual(trained.train()["data"], counted)
            for is_gone in (False, True):
                self._session().workdir.write_result(
                    {**trained.workdir.result, "exports": ["students/lost"]}
                )
                if is_gone:
                    (self.folder / "result.json").unlink()
                again = self._session()
                # Mended meanwhile.
                again.task.dataset.summary = lambda: {"n": 3, "bad_images": 0}
                self.assertEqual(again.train()["data"], counted)

    def test_the_most_memory_is_that_of_any_process_of_the_run(self):
        with mock.patch.object(machine, "peak_memory", lambda: 2048.0):
            self._session(epochs=1).train()
        (self.folder / "result.json").unlink()
        session = self._session(epochs=1)
        self.assertEqual(session.loop.used_before["peak_memory_gib"], 2.0)
        # This process has a peak of its own, which may be above or below.
        for mib, most in ((1024.0, 2.0), (3072.0, 3.0)):
            with mock.patch.object(machine, "peak_memory", lambda mib=mib: mib):
                self.assertEqual(session.loop.used()["peak_memory_gib"], most)

    def test_the_result_tells_of_every_process_that_has_trained_the_run(self):
        older = {**identity.versions(), "keras": "1.0"}
        told = {"processor": "Z80", "cores": 1, "accelerators": []}
        with mock.patch.object(identity, "versions", lambda: older):
            with mock.patch.object(machine, "facts", lambda: told):
                # As on two devices, on which the task itself is not tried.
                with mock.patch.object(statistics, "parts", lambda *_: 2):
                    first = self._session(batch_size=3)
                with self.assertRaises(Interrupted):
                    _stopping_after(1, first).train()
        result = self._session(batch_size=3).train()
        (begun, ended), now = result["processes"], machine.facts()
        self.assertEqual((begun["machine"], begun["versions"]), (told, older))
        self.assertEqual((begun["normalized_parts"], ended["normalized_parts"]), (2, 1))
        self.assertEqual((ended["machine"], ended["strategy"]), (now, "one"))
        self.assertEqual((result["versions"], result["machine"]), (identity.versions(), now))
        # A process that only exports is none of them.
        (self.folder / "result.json").unlink()
        with mock.patch.object(machine, "facts", lambda: told):
            again = self._session(batch_size=3).train()
        self.assertEqual(again["processes"], result["processes"])
        self.assertEqual(again["dependent_replicas"], 1)

    def test_a_run_goes_on_and_checks_its_images_only_once(self):
        whole = self._session()
        whole.train()
        self.folder = self.folder.with_name("parts")
        first = self._session()
        finish = first.workdir.log_epoch

        def stopped(record):
            finish(record)
            os.kill(os.getpid(), signal.SIGTERM)

        first.workdir.log_epoch = stopped
        with self.assertRaisesRegex(Interrupted, "at epoch 2, step 0 of 2; all is saved"):
            first.train()
        told = []
        resumed = self._session(told)
        resumed.train()
        self.assertNotIn("check_images", told)
        self.assertEqual(float(resumed.task.model.w), float(whole.task.model.w))

    def test_a_run_that_was_stopped_in_its_first_epoch_does_not_check_images_again(self):
        def stopped(*args):
            os.kill(os.getpid(), signal.SIGTERM)
            return epoch(*args)

        first = self._session()
        epoch, first.task.epoch = first.task.epoch, stopped
        with self.assertRaisesRegex(Interrupted, "at epoch 1, step 1 of 2; all is saved"):
            first.train()
        told = []
        self._session(told).train()
        self.assertNotIn("check_images", told)

    def test_a_bad_image_ends_the_run_before_it_trains_and_mended_it_goes_on(self):
        session = self._session()
        session.task.fault = "image 'a' cannot be decoded"
        with self.assertRaisesRegex(BadImageError, "^image 'a' cannot be decoded$"):
            session.train()
        self.assertEqual(session.workdir.log, [])
        told = []
        mended = self._session(told)
        mended.task.data["test"] = {"images": 1, "labels": "b" * 64, "bytes": "c" * 64}
        mended.train()
        self.assertIn("check_images", told)

    def test_a_bad_image_that_another_worker_reads_ends_this_one_too(self):
        session = self._session()
        with mock.patch.object(
            session.workers, "from_all", return_value=[b"", "image 'ä' is bad".encode()]
        ):
            with self.assertRaisesRegex(BadImageError, "^worker 1: image 'ä' is bad$"):
                session.train()
        self.assertEqual(session.workdir.log, [])

    def test_a_run_that_goes_on_inside_an_epoch_tells_an_end_that_is_to_come(self):
        def stopped(*args):
            os.kill(os.getpid(), signal.SIGTERM)
            return _LineTask.epoch(first.task, *args)

        first = self._session(epochs=3)
        first.task.epoch = stopped
        with self.assertRaisesRegex(Interrupted, "at epoch 1, step 1 of 2; all is saved"):
            first.train()
        stdout = io.StringIO()
        with contextlib.redirect_stdout(stdout):
            self._session(epochs=3).train()
        # The graph was made in the rest of the first epoch, and takes nothing off the second.
        self.assertRegex(stdout.getvalue(), r"\nan epoch takes \d.*, in \d")

    def test_the_plan_and_milestones_that_are_not_reached_are_told(self):
        def said(**settings):
            stdout = io.StringIO()
            folder = pathlib.Path(self.create_tempdir().full_path)
            with contextlib.redirect_stdout(stdout):
                Session(_LineTask(_Settings(**settings), []), Workdir(folder)).train()
            return stdout.getvalue()

        self.assertIn("plan: 3 training images; 2 steps of 2 images an epoch, 2 epochs\n", said())
        self.assertNotIn("--milestones", said(milestones=(2, 5)))
        late = (
            "--milestones=1,2,5: the learning rate does not drop after epoch 2, 5, "
            "as the run ends after epoch 2\n"
        )
        self.assertIn(late, said(schedule="step", milestones=(1, 2, 5)))
        self.assertRegex(said(), "an epoch takes .* s: this run will end at about .*:")

    def test_replicas_that_normalise_apart_are_told_and_so_is_a_change_of_their_number(self):
        class Normalized(_LineTask):
            @property
            def normalized(self):
                return [keras.Sequential([keras.Input([2]), keras.layers.BatchNormalization()])]

        def said(strategy):
            task = Normalized(_Settings(strategy=strategy, batch_size=3), [])
            session = Session(task, Workdir(self.folder))
            epoch = task.epoch

            def stopped(*args):
                # The lines come before; on two replicas the task itself is not tried.
                os.kill(os.getpid(), signal.SIGTERM)
                if strategy == "mirrored":
                    raise Interrupted(signal.SIGTERM, "stopped")
                return epoch(*args)

            task.epoch = stopped
            with contextlib.redirect_stdout(io.StringIO()) as stdout:
                with self.assertRaises(Interrupted):
                    session.train()
            return stdout.getvalue()

        self.assertNotIn("normalise", said("one"))
        lines = said("mirrored")
        self.assertIn("each of 2 replicas normalises its own part of a batch", lines)
        self.assertIn("begun with each batch normalised as a whole, and goes on in 2 parts", lines)

    def test_the_card_travels_in_the_checkpoint(self):
        self._session().train()
        self.assertEqual(SavedCheckpoint(self.folder / "checkpoints").card, {"names": ["a", "é"]})

    def test_sets_too_small_for_the_devices_are_refused(self):
        session = _LineTask(_Settings(strategy="mirrored", batch_size=2), [])
        with self.assertRaisesRegex(ValueError, "leaves 1 of 3 images for the last step"):
            Session(session, Workdir(self.folder))
        session.evaluated = lambda: {"test": 1}
        session.settings = _Settings(strategy="mirrored", batch_size=3)
        with self.assertRaisesRegex(ValueError, "at least 2 test images, .*; got 1: take"):
            Session(session, Workdir(self.folder))
        self.assertFalse(strategies.takes_empty_batches())
        with mock.patch.object(strategies, "takes_empty_batches", return_value=True):
            Session(session, Workdir(self.folder))


if __name__ == "__main__":
    tf.test.main()
