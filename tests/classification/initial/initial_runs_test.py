"""Tests of runs whose students, or whose teacher, start from weights."""

import dataclasses
import os
import pathlib
import shutil
import signal
import tempfile
import unittest
import unittest.mock

import pytest
import tensorflow as tf

from kdcl_tf import serving
from kdcl_tf.classification.task import Classification
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.files import identity
from kdcl_tf.serving import cards, exported
from kdcl_tf.training.checkpoint import all_variables
from kdcl_tf.training.interruption import Interrupted
from kdcl_tf.training.workdir import Workdir
from tests import starting_students
from tests.starting_students import (
    CLASSES,
    OWN,
    Stopping,
    card,
    session as make_session,
    student as make_student,
)


def setUpModule():
    global _FOLDER, _SOURCES
    temporary = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(temporary.cleanup)
    _FOLDER = pathlib.Path(temporary.name)
    _SOURCES = starting_students.make(_FOLDER)


def _settings(**settings):
    return starting_students.settings(_FOLDER, **settings)


def _stop_in_the_first_step(session):
    """As if the process were told to end; the step is taken and saved."""
    epoch = session.task.epoch

    def stopped(*args):
        os.kill(os.getpid(), signal.SIGTERM)
        return epoch(*args)

    session.task.epoch = stopped


class TeacherTest(tf.test.TestCase):
    def test_a_teacher_sees_the_pixels_that_each_student_sees(self):
        settings = _settings(
            method="offline_distillation",
            teacher=str(_FOLDER / "exported"),
            invariant=False,
            distortion="none",
        )
        session = make_session(settings, _FOLDER / "teacher")
        images, labels = next(iter(session.task.epoch(0, 15, 0, None)))
        cohort = session.task.model
        found = cohort.distillation_losses(tf.zeros([2, 15, 3]), labels, images)
        # Students that know nothing are as far from the teacher, whatever their images look like.
        self.assertAllClose(found[0], found[1], atol=1e-4)
        pixels = OWN.fractions(images["wrn_10_1"])
        soft = tf.nn.softmax(
            _SOURCES["wrn_10_1"](OWN.apply_fractions(pixels), training=False) / 2.0
        )
        wanted = 4.0 * tf.reduce_sum(soft * tf.math.log(soft * 3.0), axis=1)
        self.assertAllClose(found[0], wanted, atol=1e-4)

    def test_a_run_is_not_continued_without_the_card_of_its_teacher(self):
        path = serving.save_keras(_SOURCES["resnet8"], _FOLDER / "taught.keras")
        cards.write(card("resnet8", CLASSES), path)
        settings = _settings(
            method="offline_distillation",
            students=("wrn_10_1",),
            teacher=str(path),
            initial_weights=(),
            initial_normalization=(),
            epochs=2,
        )
        folder = _FOLDER / "taught"
        session = make_session(settings, folder, Stopping)
        with self.assertRaises(Interrupted):
            session.train()
        self.assertRegex(session.task._lines[0], f"^the teacher is {path}: .*, as its card says$")
        before = session.task.identity.data
        aside = cards.path_of(path).rename(_FOLDER / "taught.elsewhere")
        with self.assertRaisesRegex(
            ValueError,
            "teacher_card differ; restore the card beside the teacher as it was, or pass",
        ):
            make_session(settings, folder)
        # A run of an earlier version knew the file alone.
        again = Classification(settings)
        again.load()
        del before["teacher_card"]
        self.assertEqual(identity.data_changes(before, again.digest()), "")
        aside.rename(cards.path_of(path))
        self.assertEqual(make_session(settings, folder).train()["epochs"], 2)

    def test_the_digest_of_an_exported_teacher_has_its_card(self):
        settings = _settings(method="offline_distillation", teacher=str(_FOLDER / "exported"))
        task = Classification(settings)
        task.load()
        found = task.digest()
        self.assertEqual(found["teacher"], exported.digest(_FOLDER / "exported"))
        self.assertNotIn("teacher_card", found)


class TrainingTest(tf.test.TestCase):
    """Heads alone at first, then everything but batch norm, at two rates."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.settings = _settings(
            initial_weights=(
                f"resnet8={_FOLDER / 'named.keras'}",
                f"wrn_10_1={_FOLDER / 'exported'}",
            ),
            initial_normalization=(),
            learning_rate="resnet8=0.001,wrn_10_1=0.002",
            train_head_epochs=1,
            epochs=2,
            freeze_batch_norm=True,
        )
        stopped = make_session(cls.settings, _FOLDER / "stopped", Stopping)
        cls.lines = stopped.task._lines
        try:
            stopped.train()
        except Interrupted:
            cls.after_one = stopped
        middle = make_session(cls.settings, _FOLDER / "middle")
        _stop_in_the_first_step(middle)
        try:
            middle.train()
        except Interrupted as stop:
            cls.said = str(stop)
        whole = make_session(cls.settings, _FOLDER / "whole")
        whole.train()
        cls.whole = whole

    def test_heads_alone_move_in_the_first_epoch(self):
        for name, source in _SOURCES.items():
            trained = self.after_one.task.model.students[name]
            for own, given in zip(trained.variables, source.variables, strict=True):
                if own.path.startswith("logits"):
                    self.assertNotAllClose(own.numpy(), given.numpy())
                else:
                    self.assertAllEqual(own.numpy(), given.numpy(), own.path)

    def test_all_but_batch_norm_moves_afterwards(self):
        for name, source in _SOURCES.items():
            trained = self.whole.task.model.students[name]
            for own, given in zip(trained.variables, source.variables, strict=True):
                if "norm" in own.path:
                    self.assertAllEqual(own.numpy(), given.numpy(), own.path)
                else:
                    self.assertNotAllEqual(own.numpy(), given.numpy())

    def test_each_student_has_its_rate(self):
        for record in self.whole.loop.log:
            self.assertAllClose(record["resnet8_learning_rate"], 0.001)
            self.assertAllClose(record["wrn_10_1_learning_rate"], 0.002)
            self.assertNotIn("learning_rate", record)

    def test_a_head_of_other_classes_is_made_anew(self):
        self.assertRegex(
            self.lines[0],
            r"2 \(logits/kernel, logits/bias\) made anew \(its classes are others, such as 'dog'\), "
            r"2 \(logits/kernel, logits/bias\) left over",
        )

    @pytest.mark.slow
    def test_a_run_that_was_stopped_goes_on_without_its_sources_and_ends_the_same(self):
        self.assertIn("at epoch 1, step 1 of 3", self.said)
        away = _FOLDER / "away"
        away.mkdir()
        for name in ("named.keras", "exported"):
            shutil.move(_FOLDER / name, away / name)
        try:
            resumed = make_session(self.settings, _FOLDER / "middle")
            resumed.train()
        finally:
            for name in ("named.keras", "exported"):
                shutil.move(away / name, _FOLDER / name)
        mine, wanted = (all_variables(each.task.model) for each in (resumed, self.whole))
        for each, value in zip(mine, wanted, strict=True):
            self.assertAllEqual(each.numpy(), value.numpy(), each.path)
        _, card = serving.load_student(_FOLDER / "middle" / "students" / "resnet8")
        self.assertEqual(Normalization.from_card(card), OWN)

    def test_a_source_may_move_and_may_not_change(self):
        path = _FOLDER / "elsewhere" / "named.keras"
        path.parent.mkdir()
        shutil.copy(_FOLDER / "named.keras", path)
        shutil.copy(_FOLDER / "named.json", path.with_name("named.json"))
        second = self.settings.initial_weights[1]
        moved = dataclasses.replace(self.settings, initial_weights=(f"resnet8={path}", second))
        self.assertTrue(Workdir(_FOLDER / "whole").check(moved))
        make_session(moved, _FOLDER / "whole")
        # The same weights, of which nothing tells the normalisation any more; then other weights.
        path.with_name("named.json").unlink()
        for _ in range(2):
            with self.assertRaisesRegex(ValueError, "initial_weights resnet8 differ; restore"):
                make_session(moved, _FOLDER / "whole")
            serving.save_keras(make_student("resnet8"), path)
            cards.write(card("resnet8", ("ant", "bee", "dog")), path)


class CompiledTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_xla_trains_all_layers_after_the_heads(self):
        students = []
        for compiled in (True, False):
            settings = _settings(
                students=("resnet8",),
                initial_weights=(f"resnet8={_FOLDER / 'resnet8.keras'}",),
                learning_rate=0.001,
                train_head_epochs=1,
                epochs=2,
                jit_compile=compiled,
            )
            session = make_session(settings, _FOLDER / f"compiled_{compiled}")
            session.train()
            students.append(session.task.model.students["resnet8"])
        found, wanted = students
        for mine, other in zip(found.variables, wanted.variables, strict=True):
            self.assertAllClose(mine.numpy(), other.numpy(), atol=1e-3, msg=mine.path)
        given = _SOURCES["resnet8"].get_layer("stem_conv").kernel
        self.assertNotAllEqual(found.get_layer("stem_conv").kernel, given)


if __name__ == "__main__":
    tf.test.main()
