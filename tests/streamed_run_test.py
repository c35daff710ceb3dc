"""Tests of whole runs on images that stay on disk: real photographs, where there are any."""

import contextlib
import dataclasses
import io
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from kdcl_tf import data
from kdcl_tf.classification import restoring
from kdcl_tf.classification.settings import Settings
from kdcl_tf.classification.task import Classification
from kdcl_tf.data.bad_images import BadImageError
from kdcl_tf.evaluation import datasets, loaded
from kdcl_tf.training.checkpoint import all_variables
from kdcl_tf.training.interruption import Interrupted
from kdcl_tf.training.session import Session
from kdcl_tf.training.workdir import Workdir
from tests import class_folder, image_files
from tests.worker_pair import WorkerPair

CLASSES, TRAINED, TESTED = 3, 24, 6
_SMALL = {
    "distortion": "resized_crop",
    "storage": "disk",
    "image_size": 32,
    "students": ("resnet8", "resnet8"),
    "ensemble": "general",
    "holdout_per_class": 1,
    "epochs": 1,
    "batch_size": 8,
    "milestones": (),
    "learning_rate": 0.01,
    "synchronized_batch_norm": True,
}


def _write_photographs(folder):
    """24 photographs in three classes to train on, six to test; returns the training files."""
    files = image_files.imagenet_samples()[: TRAINED + TESTED]
    contents = {}
    for number, file in enumerate(files):
        split = "train" if number < TRAINED else "test"
        contents[f"{split}/{number % CLASSES}/{file.name}"] = file.read_bytes()
    image_files.write(folder, contents)
    return [name for name in contents if name.startswith("train")]


class _StoppingViews(data.EncodedViews):
    """Views whose run is stopped after the first step."""

    def epoch(self, *args):
        os.kill(os.getpid(), signal.SIGTERM)
        return super().epoch(*args)


def _run(settings, workdir, views=None):
    run = Session(Classification(settings), Workdir(workdir))
    if views:
        views = views(run.task.dataset, settings.student_names, settings.seed)
        run.task.epoch = views.epoch
    return run, run.train()


def _values(run):
    return [np.array(variable) for variable in all_variables(run.task.model)]


class StreamedRunTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = class_folder.make(cls)
        cls.names = _write_photographs(cls.folder / "images")
        cls.settings = Settings(dataset=f"folder:{cls.folder / 'images'}", **_SMALL)
        cls.run_, cls.result = _run(cls.settings, cls.folder / "whole")

    @pytest.mark.slow
    def test_stopped_inside_the_epoch_it_ends_with_the_same_bits(self):
        """Also where the images live elsewhere from then on."""
        workdir = self.folder / "parts"
        with self.assertRaisesRegex(Interrupted, "at epoch 1, step 1 of 3"):
            _run(self.settings, workdir, _StoppingViews)
        resumed, _ = _run(dataclasses.replace(self.settings, storage="memory"), workdir)
        wanted = _values(self.run_)
        self.assertGreater(len(wanted), 100)
        for found, value in zip(_values(resumed), wanted, strict=True):
            self.assertAllEqual(found, value)

    @pytest.mark.slow
    def test_two_devices_train_as_one_does(self):
        workdir = self.folder / "mirrored"
        _run(dataclasses.replace(self.settings, strategy="mirrored"), workdir)
        self._assert_trained_alike(workdir, 1e-4, 1e-4)

    def _assert_trained_alike(self, workdir, trained, tested):
        (found,), (wanted,) = Workdir(workdir).log, Workdir(self.folder / "whole").log
        for name in set(wanted) - {"seconds", "images_per_second"}:
            # The statistics of so few images magnify the order in which sums are rounded.
            tolerance = tested if name.startswith("test_") else trained
            depends = name == "test_loss" or name.endswith("distillation_loss")
            if depends or name.startswith("general_weight"):
                # Three held-out images, on which both students err almost alike, hardly determine
                # General's weights, on which the soft targets of the test depend.
                tolerance = 0.05
            self.assertAllClose(found[name], wanted[name], rtol=tolerance, atol=tolerance, msg=name)

    @pytest.mark.slow
    def test_two_workers_train_as_one_device_does(self):
        """Each decodes what it trains on, and no more."""
        workdir = self.folder / "workers"
        with WorkerPair(self.settings, workdir) as pair:
            (chief, _, error), (other, told, wrong) = pair.wait()
        self.assertEqual((chief, other), (0, 0), error + wrong)
        self.assertIn("worker 1: nothing is left to train", told)
        self._assert_trained_alike(workdir, 1e-3, 1e-2)

    def test_the_folder_lists_what_was_held_out(self):
        lines = (self.folder / "whole" / "held_out.txt").read_text().splitlines()
        self.assertLen(lines, CLASSES)
        for label, line in enumerate(lines):
            name, class_name = line.split("\t")
            self.assertIn(name, self.names)
            self.assertEqual((class_name, name.split("/")[1]), (str(label), str(label)))
        self.assertFalse((self.folder / "whole" / "bad_images.txt").exists())
        self.assertEqual(self.result["data"]["num_train"], TRAINED - CLASSES)

    def test_exported_students_score_as_the_log_says(self):
        for result in self.result["students"].values():
            (student,) = loaded.load_students([self.folder / "whole" / result["saved_model"]])
            dataset = datasets.load_dataset(student.card)
            self.assertEqual(dataset.distortion, "resized_crop")
            scores = loaded.score(student.predict, dataset.test, 4)
            self.assertEqual(scores["examples"], TESTED)
            self.assertAllClose(scores["top_1"], result["accuracy"])
            self.assertAllClose(scores["nll"], result["cross_entropy"], rtol=1e-4)


class BadImagesTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        contents = {
            f"{split}/{label}/{number}.jpg": image_files.encode(image_files.photo(number))
            for split in ("train", "test")
            for label in "ab"
            for number in range(6)
        }
        contents["train/a/4.jpg"] = contents["train/a/4.jpg"][:-50]
        contents["test/b/2.jpg"] = b"<html>"
        image_files.write(self.folder / "images", contents)
        self.flags = {
            "dataset": f"folder:{self.folder / 'images'}",
            **_SMALL,
            "students": ("resnet8",),
            "ensemble": "min_logit",
            "holdout_per_class": 0,
        }

    @pytest.mark.slow
    def test_the_program_stops_with_one_line(self):
        arguments = [
            f"--{name}={','.join(value) if isinstance(value, tuple) else value}"
            for name, value in self.flags.items()
        ]
        command = [sys.executable, "-m", "kdcl_tf.train", *arguments]
        # Test images are checked before the first step. The same command goes on with them mended.
        for image, progress in (("test/b/2.jpg", ""), ("train/a/4.jpg", r"(epoch 1/1 .*\n)*")):
            done = subprocess.run(
                [*command, "--storage=memory", f"--workdir={self.folder / 'run'}"],
                capture_output=True,
                text=True,
                check=False,
                cwd=pathlib.Path(__file__).parents[1],
                # The tests' own setting would show what the program itself holds back.
                env={
                    key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"
                },
            )
            self.assertEqual(done.returncode, 1)
            self.assertRegex(
                done.stderr,
                rf"^{progress}\S+: image '{image}' of class '.' cannot be decoded: .*; pass"
                r" --skip_bad_images to leave out such images, and pass another --workdir than \S+/run\n$",
            )
            good = image_files.encode(image_files.photo(2))
            image_files.write(self.folder / "images", {image: good})

    def test_skipped_they_are_counted_and_listed(self):
        settings = Settings(**self.flags, skip_bad_images=True)
        with contextlib.redirect_stderr(io.StringIO()):
            run, result = _run(settings, self.folder / "run")
        self.assertEqual(result["data"]["bad_images"], 2)
        log = (self.folder / "run" / "log.jsonl").read_text()
        self.assertEqual(json.loads(log)["bad_images"], 2)
        lines = (self.folder / "run" / "bad_images.txt").read_text().splitlines()
        names = [line.split("\t")[0] for line in lines]
        self.assertEqual(names, ["train/a/4.jpg", "test/b/2.jpg"])
        # The metrics hold the evaluation: of the twelve test images one is bad.
        self.assertEqual(float(run.task.model.cohort_metrics.ensemble.count), 11)
        self.assertEqual(result["data"]["left_out"], {"train": 1, "test": 1})
        readme = (self.folder / "run" / "students" / "resnet8" / "README.md").read_text()
        self.assertIn(": 11 training images, 11 test images; 2 more could not be decoded |", readme)
        self.assertIn("% of 11 test images |", readme)
        found, _ = restoring.restore(self.folder / "run", settings)
        self.assertEqual(found["resnet8"].more["left_out"], {"train": 1, "test": 1})

    @pytest.mark.slow
    def test_a_step_of_bad_images_alone_is_passed_over(self):
        settings = Settings(
            **{**self.flags, "batch_size": 1, "skip_bad_images": True, "seed": self._seed()}
        )
        with contextlib.redirect_stderr(io.StringIO()):
            whole, _ = _run(settings, self.folder / "whole")
            with self.assertRaisesRegex(Interrupted, "at epoch 1, step 1 of 12"):
                _run(settings, self.folder / "parts", _StoppingViews)
            resumed, _ = _run(settings, self.folder / "parts")
        self.assertEqual(int(whole.task.model.optimizer.iterations), 11)
        for found, wanted in zip(_values(resumed), _values(whole), strict=True):
            self.assertAllEqual(found, wanted)

    def _seed(self):
        """One that has the bad image first."""
        dataset = data.load(self.flags["dataset"], distortion="resized_crop", image_size=32)
        names = [dataset.train.images.name(index) for index in range(len(dataset.train))]
        bad = names.index("train/a/4.jpg")
        views = (data.EncodedViews(dataset, ("a",), seed) for seed in itertools.count())
        return next(seed for seed, each in enumerate(views) if each.order(0)[0] == bad)

    def test_a_step_needs_an_image_for_each_of_its_parts(self):
        settings = Settings(
            **{**self.flags, "batch_size": 2, "accumulation_steps": 2, "skip_bad_images": True}
        )
        with contextlib.redirect_stderr(io.StringIO()):
            with self.assertRaisesRegex(BadImageError, "leave 1 .* --accumulation_steps=2: mend"):
                _run(settings, self.folder / "run")

    @pytest.mark.slow
    def test_two_workers_whose_parts_have_too_few_images_both_end(self):
        """One has 1 image left in a step, the other 2, in a graph of several steps."""
        settings = Settings(
            **{**self.flags, "batch_size": 4, "accumulation_steps": 2, "skip_bad_images": True}
        )
        with WorkerPair(settings, self.folder / "run", steps_per_loop=3) as pair:
            told = pair.wait()
        for status, _, error in told:
            self.assertEqual(status, 1, error)
            self.assertRegex(
                error, "leave 1 of a step on a device, fewer than --accumulation_steps=2"
            )

    def test_where_nothing_can_be_decoded_there_is_nothing_to_train(self):
        for file in (self.folder / "images" / "train").glob("*/*"):
            file.write_bytes(b"")
        settings = Settings(**{**self.flags, "skip_bad_images": True})
        with contextlib.redirect_stderr(io.StringIO()):
            with self.assertRaisesRegex(BadImageError, "none of the 12 training images"):
                _run(settings, self.folder / "run")

    @pytest.mark.slow
    def test_where_no_held_out_image_can_be_decoded_there_are_no_weights(self):
        general = {"ensemble": "general", "holdout_per_class": 1, "students": ("resnet8",) * 2}
        settings = Settings(**{**self.flags, **general, "skip_bad_images": True})
        task = Classification(settings)
        task.load()
        held_out = task.dataset.held_out
        for index in range(2):
            (self.folder / "images" / held_out.images.name(index)).write_bytes(b"")
        with contextlib.redirect_stderr(io.StringIO()):
            with self.assertRaisesRegex(BadImageError, "none of the 2 held-out images"):
                _run(settings, self.folder / "run")


if __name__ == "__main__":
    tf.test.main()
