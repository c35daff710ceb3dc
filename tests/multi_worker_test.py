"""Tests of runs over two worker processes on this machine.

Each worker takes seconds to start, so that a pair of them serves several questions.
"""

import contextlib
import io
import json
import os
import pathlib
import re
import signal

import keras
import pytest
import tensorflow as tf
from absl import flags

from kdcl_tf import students, train
from kdcl_tf.classification.settings import Settings
from kdcl_tf.classification.task import Classification
from kdcl_tf.training.interruption import Interrupted
from kdcl_tf.training.session import Session
from kdcl_tf.training.workdir import Workdir
from tests import image_files
from tests.worker_pair import WorkerPair

# 40 images make 4 steps an epoch: 11, 11, 11 and 7, of which no two workers have as many.
_SMALL = {
    "students": ("resnet8", "wrn_10_1"),
    "ensemble": "general",
    "image_size": 8,
    "train_per_class": 4,
    "holdout_per_class": 2,
    "batch_size": 11,
    "milestones": (),
    "learning_rate": 0.02,
}


_PHOTOS = {
    "students": ("resnet8",),
    "image_size": 8,
    "batch_size": 4,
    "epochs": 1,
    "milestones": (),
}


def _write_photos(folder, classes):
    """Three training images and two test images of each class."""
    for split, count in (("train", 3), ("test", 2)):
        for number, name in enumerate(classes):
            for each in range(count):
                photo = image_files.photo(100 * number + 10 * count + each, 8, 8)
                content = image_files.encode(photo, "PNG")
                image_files.write(folder, {f"{split}/{name}/{each}.png": content})


class _StoppingWorkdir(Workdir):
    """A workdir whose run is stopped when it has logged an epoch."""

    def log_epoch(self, record):
        super().log_epoch(record)
        os.kill(os.getpid(), signal.SIGTERM)


def _session(folder, kind=Workdir, **settings):
    return Session(Classification(Settings(**settings)), kind(folder))


def _newest(folder):
    """The newest checkpoint and its manifest."""
    path = sorted((folder / "checkpoints").glob("step-*"))[-1]
    return path, json.loads((path / "manifest.json").read_text())


def _variables(folder):
    """`{path: value}` of the newest checkpoint, without sums over all test images."""
    path, manifest = _newest(folder)
    reader = tf.train.load_checkpoint(str(path / "variables"))
    return {
        f"{index} {path}": reader.get_tensor(f"{index:05d}/.ATTRIBUTES/VARIABLE_VALUE")
        for index, (path, *_) in enumerate(manifest["variables"])
        if not path.endswith("/total")
    }


def _without_times(record):
    """A line of the log without what differs from one run to the next."""
    times = ("seconds", "images_per_second")
    return {name: value for name, value in record.items() if name not in times}


class MultiWorkerTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _assert_same_variables(self, found, wanted):
        self.assertEqual(list(found), list(wanted))
        for path, value in wanted.items():
            self.assertAllClose(found[path], value, atol=1e-5, rtol=1e-5, msg=path)

    def _assert_same_record(self, found, wanted):
        self.assertEqual(list(found), list(wanted))
        for name, value in _without_times(wanted).items():
            self.assertAllClose(found[name], value, atol=1e-5, rtol=1e-5, msg=name)

    @pytest.mark.slow
    def test_two_workers_go_on_for_one_device_and_end_where_it_would_have_ended(self):
        """Three steps with a short last one, synchronised statistics, General's weights."""
        settings = {**_SMALL, "epochs": 1, "synchronized_batch_norm": True}
        whole, parts = self.folder / "whole", self.folder / "parts"
        _session(whole, **settings).train()
        one = _session(parts, **settings)
        one.loop._task.epoch = _stopping(one.loop._task.epoch)
        with self.assertRaisesRegex(Interrupted, "epoch 1, step 1 of 4"):
            one.train()
        with WorkerPair(Settings(**settings), parts) as pair:
            (chief, out, err), (other, told, wrong) = pair.wait()
        self.assertEqual((chief, other), (0, 0), err + wrong)
        self.assertIn("continuing at epoch 1, step 1 of 4", out)
        self.assertRegex(
            told, "^worker 1: nothing is left to train; worker 0 has .* writes them\n$"
        )
        self._assert_same_variables(_variables(parts), _variables(whole))
        (found,), (wanted,) = Workdir(parts).log, Workdir(whole).log
        self._assert_same_record(found, wanted)
        self.assertNotAllClose(wanted["general_weight_resnet8"], 0.5, atol=1e-3)
        self.assertEqual(
            {path.name for path in parts.iterdir()}, {path.name for path in whole.iterdir()}
        )

    @pytest.mark.slow
    def test_three_steps_in_one_graph_are_the_bits_of_three_graphs(self):
        """Three steps at once, then the short last one, in both epochs."""
        settings = Settings(**{**_SMALL, "epochs": 2, "synchronized_batch_norm": True})
        for steps in (1, 3):
            folder = self.folder / str(steps)
            with WorkerPair(settings, folder, steps_per_loop=steps) as pair:
                (chief, _, err), (other, _, wrong) = pair.wait()
            self.assertEqual((chief, other), (0, 0), err + wrong)
        one, three = (self.folder / each for each in "13")
        found, wanted = _variables(three), _variables(one)
        self.assertEqual(list(found), list(wanted))
        for path, value in wanted.items():
            self.assertAllEqual(found[path], value, path)
        self.assertLen(Workdir(one).log, 2)
        for own, other in zip(Workdir(three).log, Workdir(one).log, strict=True):
            self.assertEqual(_without_times(own), _without_times(other))

    @pytest.mark.slow
    def test_two_workers_whose_steps_xla_compiles_in_one_loop(self):
        """One step of two workers, against one of one device that is not compiled."""
        settings = {**_SMALL, "ensemble": "min_logit", "batch_size": 40, "epochs": 1}
        settings["holdout_per_class"] = 0
        whole, parts = self.folder / "whole", self.folder / "parts"
        _session(whole, **settings, strategy="mirrored").train()
        compiled = Settings(**settings, jit_compile=True)
        with WorkerPair(compiled, parts, steps_per_loop=2) as pair:
            (chief, _, error), (other, _, wrong) = pair.wait()
        self.assertEqual((chief, other), (0, 0), error + wrong)
        found, wanted = _variables(parts), _variables(whole)
        self.assertEqual(list(found), list(wanted))
        for path, value in wanted.items():
            self.assertAllClose(found[path], value, atol=5e-4, msg=path)

    @pytest.mark.slow
    def test_stopped_killed_and_gone_on_with_alone(self):
        """Statistics of each replica's own, against two devices in one process."""
        settings = {**_SMALL, "epochs": 1000}
        wanted = self._first_epoch_of_two_devices(settings)
        folder = self.folder / "run"
        with WorkerPair(Settings(**settings), folder) as pair:
            pair.wait_for_epochs(folder, 1)
            pair.workers[1].send_signal(signal.SIGTERM)
            told = pair.wait()
        self._assert_same_record(Workdir(folder).log[0], wanted)
        self._assert_stopped_alike(told, folder)
        epochs = len(Workdir(folder).log)
        with WorkerPair(Settings(**settings), folder) as pair:
            pair.wait_for_epochs(folder, epochs + 1)
            pair.workers[1].kill()
            # It ends by itself: `wait` has a limit.
            (status, _, error), _ = pair.wait()
        self.assertEqual(status, 1)
        self.assertRegex(
            error.splitlines()[-1],
            r"^train: worker 0 stops, as (worker 1 at localhost:\d+|another worker) cannot be "
            "reached; the same command, given to all, continues from the last checkpoint$",
        )
        self._assert_goes_on_alone(settings, folder)

    @pytest.mark.slow
    def test_two_workers_go_on_without_the_weights_that_the_run_started_from(self):
        weights = self.folder / "start.keras"
        keras.saving.save_model(students.build("resnet8", 10, (8, 8, 3)), weights)
        few = {"students": ("resnet8",), "method": "independent", "ensemble": "naive"}
        settings = {**_SMALL, **few, "epochs": 2, "initial_weights": (f"resnet8={weights}",)}
        settings["holdout_per_class"] = 0
        run = self.folder / "run"
        with self.assertRaises(Interrupted):
            _session(run, _StoppingWorkdir, **settings).train()
        weights.unlink()
        with WorkerPair(Settings(**settings), run) as pair:
            for status, _, told in pair.wait():
                self.assertEqual(status, 0, told)
        self.assertEqual([each["epoch"] for each in Workdir(run).log], [1, 2])

    @pytest.mark.slow
    def test_as_many_images_of_other_classes_in_one_worker_are_refused_in_both(self):
        places = self.folder / "first", self.folder / "second"
        for place, classes in zip(places, (("ape", "bee"), ("ape", "cow"))):
            _write_photos(place / "photos", classes)
        settings = Settings(**{**_PHOTOS, "dataset": "folder:photos"})
        with WorkerPair(settings, self.folder / "run", folders=places) as pair:
            told = pair.wait()
        self.assertEqual([status for status, _, _ in told], [1, 1], told)
        for _, _, error in told:
            self.assertIn("got other data in worker 1 than in worker 0", error.splitlines()[-1])
        self.assertRegex(told[1][2], r"than in worker 0; classes=\w+ \(worker 0: \w+\); train=")

    @pytest.mark.slow
    def test_the_chief_tells_of_images_that_only_the_other_worker_reads(self):
        """The second half of a test batch is always the second worker's."""
        place, folder = self.folder / "photos", self.folder / "run"
        _write_photos(place, ("ape", "bee"))
        (place / "test" / "bee" / "1.png").write_bytes(b"no image")
        settings = {**_PHOTOS, "dataset": f"folder:{place}", "skip_bad_images": True}
        settings |= {"storage": "disk", "synchronized_batch_norm": True}
        with WorkerPair(Settings(**settings), folder) as pair:
            (chief, out, err), (other, _, wrong) = pair.wait()
        self.assertEqual((chief, other), (0, 0), err + wrong)
        self.assertIn("skipped: image 'test/bee/1.png' of class 'bee'", wrong)
        self.assertRegex(out, "\n1 images could not be decoded: .*bad_images.txt\n")
        self.assertStartsWith((folder / "bad_images.txt").read_text(), "test/bee/1.png\tbee\t")
        workdir = Workdir(folder)
        data, card = workdir.result["data"], folder / "students" / "resnet8" / "student.json"
        self.assertEqual((data["bad_images"], data["left_out"]), (1, {"test": 1}))
        self.assertEqual(json.loads(card.read_text())["left_out"], {"test": 1})
        self.assertEqual(workdir.log[0]["bad_images"], 1)
        self.assertEqual(_newest(folder)[1]["progress"]["left_out"], {"test": 1})

    @pytest.mark.slow
    def test_a_bad_image_that_only_the_other_worker_reads_ends_both_before_they_train(self):
        place, folder = self.folder / "torn", self.folder / "torn_run"
        _write_photos(place, ("ape", "bee"))
        (place / "test" / "bee" / "1.png").write_bytes(b"no image")
        settings = {**_PHOTOS, "dataset": f"folder:{place}", "storage": "disk"}
        with WorkerPair(Settings(**settings, synchronized_batch_norm=True), folder) as pair:
            (chief, _, err), (other, _, wrong) = pair.wait()
        self.assertEqual((chief, other), (1, 1), err + wrong)
        told = "image 'test/bee/1.png' of class 'bee' cannot be decoded: "
        self.assertRegex(err, rf"\S+: worker 1: {told}.* and pass another --workdir than \S+\n$")
        self.assertRegex(wrong, rf"\S+: {told}.*, and another --workdir for worker 0\n$")
        self.assertFalse((folder / "log.jsonl").exists())

    @pytest.mark.slow
    def test_a_complete_run_whose_images_have_moved_is_complete_for_both(self):
        before, now, run = (self.folder / each for each in ("before", "now", "run"))
        _write_photos(before, ("ape", "bee"))
        _session(run, **{**_PHOTOS, "dataset": f"folder:{before}"}).train()
        before.rename(now)
        log = (run / "log.jsonl").read_bytes()
        settings = Settings(**{**_PHOTOS, "dataset": f"folder:{now}"})
        with WorkerPair(settings, run) as pair:
            (chief, out, error), (other, told, wrong) = pair.wait()
        self.assertEqual((chief, other), (0, 0), error + wrong)
        self.assertIn("resnet8: test accuracy", out)
        self.assertRegex(told, "^worker 1: nothing is left to train; worker 0 has the results or")
        self.assertEqual((run / "log.jsonl").read_bytes(), log)

    def _first_epoch_of_two_devices(self, settings):
        folder = self.folder / "mirrored"
        with self.assertRaisesRegex(Interrupted, "epoch 2, step 0 of 4"):
            _session(folder, _StoppingWorkdir, **settings, strategy="mirrored").train()
        return Workdir(folder).log[0]

    def _assert_stopped_alike(self, told, folder):
        pattern = r"stopped by SIGTERM at (epoch \d+, step \d of 4); all is saved in (.*): the"
        where = [re.search(pattern, error) for _, _, error in told]
        self.assertEqual([status for status, _, _ in told], [143, 143], told)
        self.assertEqual(where[0][1], where[1][1])
        self.assertEqual([each[2] for each in where], [str(folder), "the workdir of worker 0"])

    def _assert_goes_on_alone(self, settings, folder):
        """An epoch may have been logged and not saved yet: it is run again."""
        begun = _newest(folder)[1]["progress"]["epoch"]
        before = Workdir(folder).log[:begun]
        session = _session(folder, _StoppingWorkdir, **settings)
        with self.assertRaisesRegex(Interrupted, f"epoch {begun + 2}, step 0 of 4"):
            session.train()
        log = Workdir(folder).log
        self.assertEqual([record["epoch"] for record in log], list(range(1, begun + 2)))
        self.assertEqual(log[:-1], before)
        self.assertEqual(log[-1]["step"], 4 * len(log))


def _stopping(epoch):
    """Views' `epoch` whose run is stopped after the first step it takes."""

    def stopped(*args):
        os.kill(os.getpid(), signal.SIGTERM)
        return epoch(*args)

    return stopped


class StartTest(tf.test.TestCase):
    """What is told before TensorFlow starts."""

    def _main(self, tf_config, *arguments):
        values = flags.FlagValues()
        train.define_flags(values)
        folder = self.create_tempdir().full_path
        values(["kdcl-train", "--strategy=multi_worker", f"--workdir={folder}", *arguments])
        kept = dict(os.environ)
        os.environ["TF_CONFIG"] = tf_config
        try:
            with self.assertRaises(SystemExit) as caught:
                train.main(values)
        finally:
            os.environ.clear()
            os.environ.update(kept)
        self.assertEqual(caught.exception.code, 1)
        self.assertEmpty(os.listdir(folder))

    def _assert_one_line(self, pattern, tf_config, *arguments):
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr):
            self._main(tf_config, *arguments)
        self.assertRegex(stderr.getvalue(), f"^[^\n]*{pattern}[^\n]*\n$")

    def test_a_wrong_tf_config_is_one_line(self):
        self._assert_one_line("got neither.* pass --strategy=mirrored", "")
        self._assert_one_line("cannot be read .* expected", '{"cluster": {}')
        self._assert_one_line("which Keras 3 does not support", json.dumps(_WITH_SERVERS))
        self._assert_one_line("pass --strategy=multi_worker", "", "--strategy=parameter_server")


_WITH_SERVERS = {
    "cluster": {"worker": ["a:1"], "ps": ["b:1"]},
    "task": {"type": "worker", "index": 0},
}


if __name__ == "__main__":
    tf.test.main()
