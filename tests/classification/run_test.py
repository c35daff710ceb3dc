"""Tests of a cohort's run as a whole, in this process."""

import json
import os
import pathlib
import signal

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import serving
from kdcl_tf.classification.settings import Settings
from kdcl_tf.classification.task import Classification
from kdcl_tf.files.identity import FORMAT
from kdcl_tf.training.checkpoint import all_variables
from kdcl_tf.training.interruption import Interrupted
from kdcl_tf.training.session import Session
from kdcl_tf.training.workdir import Workdir
from tests import class_folder

_SMALL = {
    "students": ("resnet8", "wrn_10_1"),
    "ensemble": "general",
    "image_size": 8,
    "train_per_class": 4,
    "holdout_per_class": 1,
    "batch_size": 16,
    "epochs": 3,
}


def _settings(**settings):
    return Settings(**{**_SMALL, **settings})


def _session(settings, workdir, **where):
    return Session(Classification(settings, **where), workdir)


def _accuracy(path, split):
    predict, _ = serving.load_student(path)
    return np.mean(np.argmax(predict(split.images)["logits"], axis=1) == split.labels)


def _events(folder):
    """`{tag: {step: value}}` of all the TensorBoard events in a folder."""
    found = {}
    for path in sorted(pathlib.Path(folder).iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                scalar = float(tf.make_ndarray(value.tensor))
                found.setdefault(value.tag, {})[event.step] = scalar
    return found


class CompleteRunTest(tf.test.TestCase):
    """What one run leaves behind."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = class_folder.make(cls) / "run"
        cls.settings = _settings(evaluate_every=2)
        cls.session = _session(cls.settings, Workdir(cls.folder))
        cls.result = cls.session.train()
        lines = (cls.folder / "log.jsonl").read_text().splitlines()
        cls.log = [json.loads(line) for line in lines]

    def test_the_folder_holds_what_its_docstring_says_and_nothing_else(self):
        names = {"flags.txt", "log.jsonl", "checkpoints", "tensorboard", "result.json"}
        found = {path.name for path in self.folder.iterdir()}
        self.assertEqual(found, names | {"accuracy.png", "students"})
        partial = [path for path in self.folder.rglob("*") if "partial" in path.name]
        self.assertEmpty(partial)

    def test_the_log_has_a_line_an_epoch(self):
        self.assertEqual([record["epoch"] for record in self.log], [1, 2, 3])
        self.assertEqual([record["step"] for record in self.log], [3, 6, 9])
        for record in self.log:
            weights = [record[f"general_weight_{name}"] for name in self.settings.students]
            self.assertAllClose(sum(weights), 1.0)
        self.assertNotIn("test_loss", self.log[0])
        self.assertIn("test_loss", self.log[1])

    def test_the_result_is_the_last_epochs(self):
        self.assertEqual(Workdir(self.folder).result, self._as_json())
        last = self.log[-1]
        for name, student in self.result["students"].items():
            self.assertEqual(student["accuracy"], last[f"test_{name}_accuracy"])
            self.assertEqual(student["train_accuracy"], last[f"{name}_accuracy"])
        self.assertEqual(self.result["students"]["resnet8"]["parameters"], 78_042)
        self.assertEqual(self.result["ensemble_accuracy"], last["test_ensemble_accuracy"])
        self.assertEqual((self.result["epochs"], self.result["steps"]), (3, 9))
        self.assertEqual(self.result["data"]["num_train"], 40)
        self.assertEqual(self.result["settings"]["seed"], 0)
        self.assertEqual(self.result["format"], FORMAT)
        self.assertGreater(self.result["peak_memory_gib"], 0.1)

    def _as_json(self):
        return json.loads(json.dumps(self.result))

    def test_the_plot_can_be_decoded(self):
        image = tf.io.decode_png((self.folder / "accuracy.png").read_bytes())
        self.assertEqual(image.shape[:2], (600, 960))

    def test_tensorboard_has_the_numbers_of_the_log(self):
        events = _events(self.folder / "tensorboard")
        for name in ("loss", "learning_rate", "test_resnet8_accuracy", "general_weight_wrn_10_1"):
            wanted = {record["step"]: record[name] for record in self.log if name in record}
            self.assertEqual(set(events[name]), set(wanted))
            self.assertAllClose(events[name], wanted)

    def test_served_students_are_those_in_training(self):
        dataset = self.session.task.dataset
        images = dataset.test.images[:64]
        for name, student in self.session.task.model.students.items():
            predict, card = serving.load_student(self.folder / "students" / name)
            wanted = student(dataset.normalization.apply(images), training=False)
            self.assertAllClose(predict(images)["logits"], wanted, atol=1e-5, rtol=1e-5)
            self.assertEqual(card["test_accuracy"], self.result["students"][name]["accuracy"])

    def test_logged_accuracy_is_that_of_the_served_student(self):
        for student in self.result["students"].values():
            accuracy = _accuracy(
                self.folder / student["saved_model"], self.session.task.dataset.test
            )
            self.assertAllClose(accuracy, student["accuracy"])

    def test_a_complete_run_is_not_run_again(self):
        before = {path: path.stat().st_mtime_ns for path in self.folder.rglob("*")}
        again = _session(self.settings, Workdir(self.folder))
        self.assertEqual(again.train(), self._as_json())
        after = {path: path.stat().st_mtime_ns for path in self.folder.rglob("*")}
        self.assertEqual(after, before)

    def test_other_flags_are_refused(self):
        with self.assertRaisesRegex(ValueError, r"other flags: --seed=0 \(now 1\); pass those"):
            Workdir(self.folder).check(_settings(evaluate_every=2, seed=1))


class GeneralTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(("target", "simplex"), ("vector", "none"), ("vector", "equal"))
    def test_weights_are_those_of_the_equations_as_set(self, error, constraint):
        """Eqs. 8, 10 and 11 in NumPy, of the students that the epoch ended with."""
        settings = _settings(epochs=1, general_error=error, general_constraint=constraint)
        session = _session(settings, Workdir(self.create_tempdir().full_path))
        session.loop.run()
        held_out = session.task.dataset.held_out
        images = session.task.dataset.normalization.apply(held_out.images)
        students = session.task.model.students
        errors = np.stack(
            [tf.nn.softmax(each(images, training=False)) for each in students.values()]
        ).astype(np.float64)
        if error == "target":
            errors = errors[:, range(len(held_out)), held_out.labels, None] - 1.0
        else:
            errors = errors - np.eye(10)[held_out.labels]
        solution = np.linalg.solve(np.einsum("inc,jnc->ij", errors, errors), np.ones(2))
        wanted = solution / solution.sum()
        if constraint == "simplex":
            # Of two students, whose error is a parabola in one weight.
            wanted = np.clip(wanted, 0.0, 1.0)
        elif constraint == "equal":
            wanted = [0.5, 0.5]
        log = session.workdir.log[-1]
        found = [log[f"general_weight_{name}"] for name in students]
        self.assertAllClose(found, wanted, rtol=1e-3, atol=1e-3)


class FailedStartTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ({"dataset": "no_such_set"}, "unknown data set"),
        ({"train_per_class": 10_000}, "too few training images"),
        ({"batch_size": 41}, "batch_size: expected 1..40, .*; got 41"),
        (
            {"cutout": True, "cutout_size": 9},
            "cutout: expected at most 8, the side of the image; got 9",
        ),
    )
    def test_it_leaves_the_folder_to_the_corrected_command(self, wrong, message):
        folder = pathlib.Path(self.create_tempdir().full_path)
        with self.assertRaisesRegex(ValueError, message):
            _session(_settings(**wrong), Workdir(folder))
        self.assertEmpty(list(folder.iterdir()))


class _StoppingWorkdir(Workdir):
    """A workdir whose run is stopped after its first epoch."""

    def log_epoch(self, record):
        super().log_epoch(record)
        os.kill(os.getpid(), signal.SIGTERM)


class _Stopping(Workdir):
    """A workdir whose run is stopped after an epoch, counted from 1."""

    def __init__(self, path, after):
        super().__init__(path)
        self._after = after

    def log_epoch(self, record):
        super().log_epoch(record)
        if record["epoch"] == self._after:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
class MirroredTest(tf.test.TestCase):
    def test_two_devices_train_stop_and_go_on(self):
        folder = pathlib.Path(self.create_tempdir().full_path) / "run"
        settings = _settings(strategy="mirrored", epochs=2, batch_size=20)
        session = _session(settings, _StoppingWorkdir(folder))
        self.assertGreater(len(session.task.model.students["resnet8"].variables[0].value.values), 1)
        with self.assertRaisesRegex(Interrupted, "at epoch 2, step 0 of 2"):
            session.train()
        self.assertFalse((folder / "students").exists())
        resumed = _session(settings, Workdir(folder))
        result = resumed.train()
        self.assertEqual([record["epoch"] for record in resumed.workdir.log], [1, 2])
        self._assert_counted_every_example_once(resumed)
        for student in result["students"].values():
            accuracy = _accuracy(folder / student["saved_model"], resumed.task.dataset.test)
            self.assertAllClose(accuracy, student["accuracy"])

    def _assert_counted_every_example_once(self, session):
        """The metrics hold the last evaluation."""
        count = session.task.model.cohort_metrics.ensemble.count
        self.assertEqual(float(tf.convert_to_tensor(count.value)), len(session.task.dataset.test))


class KeptTest(tf.test.TestCase):
    """A run whose best epoch is not its last, and that was stopped after it."""

    @pytest.mark.slow
    def test_it_ends_as_if_it_had_not_been_stopped(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        # A rate at which later epochs are worse.
        settings = _settings(
            ensemble="min_logit", holdout_per_class=0, train_per_class=6, validation_share=0.1,
            epochs=5, learning_rate=0.4, students=("resnet8",), keep="best",
        )  # fmt: skip
        whole = _session(settings, Workdir(folder / "whole"))
        result = whole.train()
        log = whole.workdir.log
        accuracies = [record["validation_resnet8_accuracy"] for record in log]
        best = int(np.argmax(accuracies))
        self.assertLess(best, 4, accuracies)
        self.assertEqual((result["exported_epoch"], result["epochs"]), (best + 1, 5))
        with self.assertRaises(Interrupted):
            _session(settings, _Stopping(folder / "run", after=best + 2)).train()
        again = _session(settings, Workdir(folder / "run"))
        resumed = again.train()
        self.assertEqual(resumed["exported_epoch"], best + 1)
        for name, student in resumed["students"].items():
            self.assertEqual(student["accuracy"], log[best][f"test_{name}_accuracy"])
            for one, other in zip(
                again.task.model.students[name].variables, whole.task.model.students[name].variables
            ):
                self.assertAllEqual(one.numpy(), other.numpy())
            accuracy = _accuracy(folder / "run" / student["saved_model"], again.task.dataset.test)
            self.assertAllClose(accuracy, student["accuracy"])
            accuracy = _accuracy(
                folder / "run" / student["saved_model"], again.task.dataset.validation
            )
            self.assertAllClose(accuracy, log[best][f"validation_{name}_accuracy"])

    def test_a_folder_without_a_validation_set_is_refused(self):
        photos = pathlib.Path(self.create_tempdir().full_path)
        for split in ("train", "test"):
            for name in ("a", "b"):
                (photos / split / name).mkdir(parents=True)
                (photos / split / name / "1.png").write_bytes(
                    tf.io.encode_png(np.zeros([8, 8, 3], np.uint8)).numpy()
                )
        settings = _settings(
            dataset=f"folder:{photos}",
            ensemble="naive",
            keep="best",
            keep_by="resnet8",
            batch_size=2,
            train_per_class=0,
            holdout_per_class=0,
        )
        with self.assertRaisesRegex(
            ValueError, "on a validation set; got none in .* or put val/ beside test/"
        ):
            _session(settings, Workdir(photos / "run"))


@pytest.mark.slow
class PlacementTest(tf.test.TestCase):
    def test_a_run_goes_on_with_each_student_on_its_device(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        settings = _settings(epochs=2)
        whole = _session(settings, Workdir(folder / "whole"))
        whole.loop.run()
        first = _session(settings, _StoppingWorkdir(folder / "run"))
        with self.assertRaisesRegex(Interrupted, "at epoch 2, step 0 of 3"):
            first.train()
        resumed = _session(settings, Workdir(folder / "run"), placement="student")
        self._assert_restored(resumed.task.model, first.task.model)
        result = resumed.train()
        self.assertEqual([record["epoch"] for record in resumed.workdir.log], [1, 2])
        for each, value in zip(
            resumed.task.model.variables, whole.task.model.variables, strict=True
        ):
            self.assertAllClose(each.numpy(), value.numpy(), rtol=1e-4, atol=1e-4)
        for student in result["students"].values():
            accuracy = _accuracy(folder / "run" / student["saved_model"], resumed.task.dataset.test)
            self.assertAllClose(accuracy, student["accuracy"])

    def _assert_restored(self, cohort, before):
        devices = [each.variables[0].value.device for each in cohort.students.values()]
        self.assertLen(set(devices), 2)
        for each, value in zip(all_variables(cohort), all_variables(before), strict=True):
            self.assertAllEqual(each.numpy(), value.numpy())


if __name__ == "__main__":
    tf.test.main()
