"""Tests of the programs whole: runs and signals as processes, and what a user sees of errors."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from absl.testing import parameterized

from tests import class_folder, in_process

# Seconds, on a machine that is busy with other things, too.
_PATIENCE = 600
_TRAIN = [sys.executable, "-m", "kdcl_tf.train"]
_EVALUATE = [sys.executable, "-m", "kdcl_tf.evaluate"]
_SMALL = [
    "--students=resnet8,wrn_10_1",
    "--ensemble=general",
    "--image_size=8",
    "--train_per_class=4",
    "--holdout_per_class=1",
    "--batch_size=16",
    "--epochs=12",
    "--milestones=6",
]


def _run(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)


def _start_and_signal(command, workdir, epochs, number):
    """Sends the signal when that many epochs are logged; the finished process."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log, deadline = workdir / "log.jsonl", time.monotonic() + _PATIENCE
    while not (log.exists() and log.read_text().count("\n") >= epochs):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"no epoch {epochs}: {process.communicate()}")
        time.sleep(0.005)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=_PATIENCE)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def _checkpoint(workdir):
    """`{name: array}` of the newest checkpoint."""
    newest = max((workdir / "checkpoints").glob("step-*"))
    reader = tf.train.load_checkpoint(str(newest / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if "VALUE" in name]
    return {name: reader.get_tensor(name) for name in names}


def _log(workdir):
    times = ("seconds", "images_per_second")
    records = map(json.loads, (workdir / "log.jsonl").read_text().splitlines())
    return [
        {name: value for name, value in record.items() if name not in times} for record in records
    ]


class WholeRunsTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = class_folder.make(cls)
        cls.whole = cls.folder / "whole"
        command = [*_TRAIN, *_SMALL, f"--workdir={cls.whole}"]
        cls.failed = in_process.run("train", *command[3:], "--batch_size=41")
        cls.finished = _run(command)

    def _assert_same_as_whole(self, workdir):
        self.assertEqual(_log(workdir), _log(self.whole))
        wanted = _checkpoint(self.whole)
        self.assertGreater(len(wanted), 100)
        found = _checkpoint(workdir)
        self.assertEqual(set(found), set(wanted))
        for name, value in found.items():
            self.assertAllEqual(value, wanted[name], name)

    def _assert_only_progress(self, stderr):
        """A slow machine gets a line every ten seconds, a fast one none."""
        self.assertNotIn("\r", stderr)
        for line in stderr.splitlines():
            self.assertRegex(line, r"^epoch \d+/12 +\d+% .* left, loss \d.*$")

    @pytest.mark.slow
    def test_a_failed_start_leaves_the_folder_to_the_corrected_command(self):
        self.assertEqual(self.failed.returncode, 1)
        self.assertRegex(self.failed.stderr, r"^\S+: batch_size: expected 1\.\.40, .*; got 41\n$")
        self.assertEqual(self.finished.returncode, 0, self.finished.stderr)

    def test_output_is_lines_without_a_bar_or_noise(self):
        self.assertEqual(self.finished.returncode, 0, self.finished.stderr)
        self._assert_only_progress(self.finished.stderr)
        self.assertNotIn("\r", self.finished.stdout)
        lines = self.finished.stdout.splitlines()
        self.assertRegex(lines[0], "^read 1,437 training images and 360 test images of 10 classes")
        self.assertRegex(lines[1], "^plan: 40 training, .* images an epoch, 12 epochs$")
        self.assertRegex(lines[5], "^an epoch takes .* s: this run will end at about ")
        for number, line in enumerate([lines[4], *lines[6:17]], start=1):
            self.assertRegex(line, rf"^epoch {number}: test accuracy resnet8 .*%, wrn_10_1 .*%$")
        self.assertRegex(lines[17], r"^resnet8: test accuracy .*%, top-5 .*%, 78,042 parameters")
        self.assertEqual(lines[-2], "exported: epoch 12 of 12, the last epoch")
        self.assertEqual(lines[-1].split()[1], f"{self.whole / 'accuracy.png'};")

    @pytest.mark.slow
    def test_sigterm_saves_and_the_same_command_continues(self):
        workdir = self.folder / "terminated"
        command = [*_TRAIN, *_SMALL, f"--workdir={workdir}"]
        stopped = _start_and_signal(command, workdir, 2, signal.SIGTERM)
        self.assertEqual(stopped.returncode, 143)
        self.assertRegex(
            stopped.stderr,
            rf"(^|\n)\S+: stopped by SIGTERM at epoch \d+, step \d of 3; all is saved in {workdir}: "
            "the same command continues\n$",
        )
        for name in ("result.json", "students", "accuracy.png"):
            self.assertFalse((workdir / name).exists(), name)
        self.assertTrue(list((workdir / "checkpoints").glob("step-*")))
        resumed = _run(command)
        self.assertEqual(resumed.returncode, 0, resumed.stderr)
        self._assert_only_progress(resumed.stderr)
        self.assertRegex(
            resumed.stdout, r"(?m)^read .*$(\n.*){3}\ncontinuing at epoch \d+, step \d of 3$"
        )
        self._assert_same_as_whole(workdir)

    @pytest.mark.slow
    def test_sigkill_loses_no_more_than_the_time_since_the_checkpoint(self):
        workdir = self.folder / "killed"
        # By the flags that the whole run has recorded: they repeat it.
        flagfile = f"--flagfile={self.whole / 'flags.txt'}"
        command = [*_TRAIN, flagfile, f"--workdir={workdir}"]
        killed = _start_and_signal([*command, "--checkpoint_seconds=0"], workdir, 3, signal.SIGKILL)
        self.assertEqual(killed.returncode, -signal.SIGKILL)
        resumed = in_process.run("train", *command[3:])
        self.assertEqual(resumed.returncode, 0, resumed.stderr)
        self._assert_only_progress(resumed.stderr)
        self.assertRegex(resumed.stdout, r"^read .*(\n.*){3}\ncontinuing at epoch [3-9]")
        self._assert_same_as_whole(workdir)

    def test_evaluate_finds_the_accuracy_of_the_result(self):
        output = self.folder / "scores.json"
        finished = _run([*_EVALUATE, f"--workdir={self.whole}", f"--output={output}"])
        self.assertEqual((finished.returncode, finished.stderr), (0, ""))
        result = json.loads((self.whole / "result.json").read_text())["students"]
        found = json.loads(output.read_text())
        self.assertEqual(set(found), set(result))
        for name, scores in found.items():
            self.assertAllClose(scores["top_1"], result[name]["accuracy"])
            self.assertAllClose(scores["top_5"], result[name]["top_5_accuracy"])
            self.assertAllClose(scores["nll"], result[name]["cross_entropy"], rtol=1e-4)


class _Digits(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A prepared data set, whose labels are then made wrong; only its files are known."""

    name = "kdcl_wrong_labels"
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(8, 8, 3)),
            "label": tfds.features.ClassLabel(names=["a", "b", "c"]),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, _):
        return {"train": self._generate_examples(), "test": self._generate_examples()}

    def _generate_examples(self):
        for number in range(6):
            yield number, {"image": np.zeros([8, 8, 3], np.uint8), "label": number % 3}


def _prepare_wrong_labels(folder):
    builder = _Digits(data_dir=folder)
    builder.download_and_prepare()
    (pathlib.Path(builder.data_path) / "label.labels.txt").write_text("a\nb\n")


def _write_photos(folder, classes, corrupt=False):
    photo = tf.io.encode_jpeg(np.zeros([8, 8, 3], np.uint8)).numpy()
    for split in ("train", "test"):
        for label in range(classes):
            place = folder / split / f"class_{label}"
            place.mkdir(parents=True)
            for number in range(4):
                (place / f"{number}.jpg").write_bytes(photo)
    if corrupt:
        (folder / "train" / "class_1" / "2.jpg").write_bytes(photo[: len(photo) // 2])


class ErrorsTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.data = self.folder / "data"
        self.workdir = self.folder / "run"

    def _run(self, *arguments):
        return in_process.run("train", *_SMALL, f"--workdir={self.workdir}", *arguments)

    def _assert_one_line(self, message, *arguments):
        finished = self._run(*arguments)
        self.assertEqual(finished.returncode, 1, finished.stderr)
        self.assertEqual(finished.stdout, "")
        self.assertEqual(finished.stderr.count("\n"), 1, finished.stderr)
        self.assertRegex(finished.stderr, message)
        self.assertFalse(self.workdir.exists())

    @parameterized.parameters("one class", "empty", "missing", "corrupt")
    def test_a_folder_that_will_not_do(self, kind):
        messages = {
            "one class": r"expected at least 2 classes, .*; got 1 \(class_0\)",
            "empty": "expected train/ in it; got no folders",
            "missing": "is not there",
            "corrupt": r"image 'train/class_1/2\.jpg' of class 'class_1' cannot be decoded: ",
        }
        if kind == "empty":
            self.data.mkdir()
        elif kind != "missing":
            _write_photos(self.data, 1 if kind == "one class" else 2, kind == "corrupt")
        few = ["--train_per_class=2", "--batch_size=2"]
        self._assert_one_line(messages[kind], f"--dataset=folder:{self.data}", *few)

    def test_an_unknown_data_set(self):
        self._assert_one_line("unknown data set 'cifar111'.*did you mean", "--dataset=cifar111")

    def test_a_data_dir_without_the_data_and_no_network(self):
        builder = tfds.core.DatasetBuilder
        with _no_proxies(), mock.patch.object(builder, "download_and_prepare") as download:
            finished = self._run("--dataset=mnist", f"--data_dir={self.data}")
        if download.called:
            self.skipTest("there is a network here: the data set would be downloaded")
        self.assertRegex(finished.stderr, r"^\S+: data set 'mnist' .*\n$")
        self.assertEqual(finished.returncode, 1)

    def test_labels_out_of_range(self):
        _prepare_wrong_labels(self.data)
        self._assert_one_line(
            "labels out of range: expected 0..1; got 2 at example 0 of train",
            "--dataset=kdcl_wrong_labels",
            f"--data_dir={self.data}",
            "--train_per_class=1",
        )

    def test_divergence_is_one_line_and_no_result(self):
        finished = self._run("--learning_rate=1e30")
        self.assertEqual(finished.returncode, 1)
        *progress, told = finished.stderr.splitlines(keepends=True)
        self.assertRegex(
            told, r"^\S+: .* of student \w+.* is not finite at step \d+ \(.*\): try .*\n$"
        )
        # Of a slow machine.
        for line in progress:
            self.assertRegex(line, r"^epoch \d+/12 +\d+% .* left, loss ")
        self.assertFalse((self.workdir / "result.json").exists())
        self.assertFalse((self.workdir / "students").exists())


@contextlib.contextmanager
def _no_proxies():
    """Whether there is a network cannot be seen through a proxy."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if "proxy" in name.lower()}
    try:
        yield
    finally:
        os.environ.update(kept)


if __name__ == "__main__":
    tf.test.main()
