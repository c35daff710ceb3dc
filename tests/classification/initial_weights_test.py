"""Tests of kdcl_tf.classification.initial_weights: runs whose students start from weights."""

import dataclasses
import os
import pathlib
import shutil
import signal
import tempfile
import unittest
import unittest.mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import serving, students
from kdcl_tf.classification import initial_weights
from kdcl_tf.classification.settings import Settings
from kdcl_tf.classification.task import Classification
from kdcl_tf.data.normalization import MODES, Normalization
from kdcl_tf.files import identity
from kdcl_tf.serving import cards, exported
from kdcl_tf.students import families, names
from kdcl_tf.students.layers import Layers
from kdcl_tf.training.checkpoint import all_variables
from kdcl_tf.training.interruption import Interrupted
from kdcl_tf.training.session import Session
from kdcl_tf.training.workdir import Workdir
from tests import image_files
from tests.students.plain_layers import move_statistics

_CLASSES = ("ant", "bee", "cat")
_OWN = Normalization((0.2, 0.5, 0.7), (0.3, 0.4, 0.5))
# A rate that moves no weight.
_STILL = {"learning_rate": 1e-30, "weight_decay": 0.0, "freeze_batch_norm": True}


def setUpModule():
    global _FOLDER, _SOURCES
    temporary = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(temporary.cleanup)
    _FOLDER = pathlib.Path(temporary.name)
    for split, count in (("train", 5), ("test", 4)):
        for number, name in enumerate(_CLASSES):
            contents = {
                f"{split}/{name}/{each}.png": image_files.encode(
                    image_files.photo(100 * number + 10 * count + each, 8, 8), "PNG"
                )
                for each in range(count)
            }
            image_files.write(_FOLDER / "photos", contents)
    # Other numbers than those of a run, whatever was tested before.
    keras.utils.set_random_seed(1234)
    _SOURCES = {"resnet8": _student("resnet8"), "wrn_10_1": _student("wrn_10_1")}
    # One that says nothing, and one with its card.
    serving.save_keras(_SOURCES["resnet8"], _FOLDER / "resnet8.keras")
    serving.export_student(
        _SOURCES["wrn_10_1"], _FOLDER / "exported", card=_card("wrn_10_1", _CLASSES)
    )
    serving.save_keras(_SOURCES["resnet8"], _FOLDER / "named.keras")
    cards.write(_card("resnet8", ("ant", "bee", "dog")), _FOLDER / "named.keras")


def _student(name):
    student = students.build(name, 3, (8, 8, 3))
    move_statistics(student)
    return student


def _card(name, classes):
    return serving.Card(name, (8, 8, 3), classes, _OWN, architecture=name)


def _settings(**settings):
    common = {
        "dataset": f"folder:{_FOLDER / 'photos'}",
        "students": ("resnet8", "wrn_10_1"),
        "initial_weights": (
            f"resnet8={_FOLDER / 'resnet8.keras'}",
            f"wrn_10_1={_FOLDER / 'exported'}",
        ),
        "initial_normalization": ("resnet8=caffe",),
        "epochs": 1,
        "batch_size": 6,
        "milestones": (),
    }
    return Settings(**{**common, **settings})


class _Stopping(Workdir):
    """A workdir whose run is stopped after its first epoch."""

    def log_epoch(self, record):
        super().log_epoch(record)
        os.kill(os.getpid(), signal.SIGTERM)


def _stop_in_the_first_step(session):
    """As if the process were told to end; the step is taken and saved."""
    epoch = session.task.epoch

    def stopped(*args):
        os.kill(os.getpid(), signal.SIGTERM)
        return epoch(*args)

    session.task.epoch = stopped


def _session(settings, folder, kind=Workdir):
    return Session(Classification(settings), kind(folder))


class PixelsTest(tf.test.TestCase):
    """Students of one cohort, under the normalisation of Keras's caffe and of a card."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = _FOLDER / "pixels"
        settings = _settings(**_STILL, ensemble="general", holdout_per_class=2)
        cls.session = _session(settings, cls.folder)
        cls.lines = cls.session.task._lines
        cls.result = cls.session.train()
        cls.dataset = cls.session.task.dataset
        cls.normalizations = {"resnet8": MODES["caffe"], "wrn_10_1": _OWN}

    def _logits(self, name, images):
        """The source's own, on pixels normalised in NumPy."""
        pixels = np.asarray(images, np.float64)
        if name == "resnet8":
            pixels = pixels[..., ::-1] - [103.939, 116.779, 123.68]
        else:
            pixels = (pixels / 255 - _OWN.mean) / _OWN.deviation
        return _SOURCES[name](pixels.astype(np.float32), training=False).numpy()

    def test_exported_students_give_their_sources_logits_from_bytes(self):
        images = self.dataset.test.images
        for name in _SOURCES:
            predict, card = serving.load_student(self.folder / "students" / name)
            wanted = self._logits(name, images)
            self.assertGreater(wanted.std(), 0.01)
            scale = abs(wanted).max()
            self.assertAllClose(predict(images)["logits"] / scale, wanted / scale, atol=1e-5)
            self.assertEqual(Normalization.from_card(card), self.normalizations[name])
        self.assertEqual(card.get("channels"), None)

    def test_accuracy_within_the_cohort_is_the_sources(self):
        test = self.dataset.test
        for name in _SOURCES:
            right = self._logits(name, test.images).argmax(axis=1) == test.labels
            self.assertAllClose(self.result["students"][name]["accuracy"], right.mean())

    def test_generals_weights_are_those_of_the_sources(self):
        held_out = self.dataset.held_out
        images, labels = held_out.images, held_out.labels
        errors = (
            np.stack([tf.nn.softmax(self._logits(name, images)) for name in _SOURCES]).astype(
                np.float64
            )
            - np.eye(3)[labels]
        )
        solution = np.linalg.solve(np.einsum("inc,jnc->ij", errors, errors), np.ones(2))
        wanted = np.clip(solution / solution.sum(), 0.0, 1.0)
        self.assertAllClose(list(self.result["general_weights"].values()), wanted, atol=1e-3)

    def test_no_variable_has_moved(self):
        for name, source in _SOURCES.items():
            trained = self.session.task.model.students[name]
            for own, given in zip(trained.variables, source.variables, strict=True):
                self.assertAllClose(own.numpy(), given.numpy(), rtol=0, atol=1e-25, msg=own.path)

    def test_a_line_says_what_was_taken_and_how_images_are_normalised(self):
        first, second = self.lines
        self.assertRegex(
            first,
            r"^resnet8 starts from .*resnet8.keras: \d+ variables taken, none made anew \(it names no "
            r"classes: they are taken to be the data's 3\), none left over; images lose a mean of "
            r"0.485/0.458/0.408 and .* by 0.00392/0.00392/0.00392, blue before red, as the weights",
        )
        self.assertRegex(
            second, r"wrn_10_1 .* none made anew \(of the same classes\), none left over"
        )

    def test_a_line_says_whether_a_flag_chose_the_normalisation(self):
        for given, told in (
            (
                (),
                "as the data set's images are, since nothing says how .*; --initial_normalization may$",
            ),
            (("resnet8=data",), r"divided by \S+, as --initial_normalization says$"),
        ):
            settings = _settings(initial_normalization=given)
            task = _session(settings, _FOLDER / f"told_{len(given)}").task
            self.assertRegex(task._lines[0], told)

    def test_parameters_are_all_counted_and_the_digest_names_the_sources(self):
        count = students.parameter_count(_SOURCES["resnet8"])
        self.assertEqual(self.result["students"]["resnet8"]["parameters"], count)
        digests = self.result["identity"]["data"]["initial_weights"]
        self.assertEqual(list(digests), ["resnet8", "wrn_10_1"])

    def test_one_view_for_all_is_normalised_for_each(self):
        settings = _settings(**_STILL, invariant=False, distortion="none")
        task = Classification(settings)
        task.load()
        images, _ = next(iter(task.epoch(0, 15, 0, None)))
        first, second = (
            self.normalizations[name].fractions(images[name]) for name in self.normalizations
        )
        self.assertAllClose(first, second, atol=1e-5)
        self.assertNotAllClose(images["resnet8"], images["wrn_10_1"])


class TeacherTest(tf.test.TestCase):
    def test_a_teacher_sees_the_pixels_that_each_student_sees(self):
        settings = _settings(
            method="offline_distillation",
            teacher=str(_FOLDER / "exported"),
            invariant=False,
            distortion="none",
        )
        session = _session(settings, _FOLDER / "teacher")
        images, labels = next(iter(session.task.epoch(0, 15, 0, None)))
        cohort = session.task.model
        found = cohort.distillation_losses(tf.zeros([2, 15, 3]), labels, images)
        # Students that know nothing are as far from the teacher, whatever their images look like.
        self.assertAllClose(found[0], found[1], atol=1e-4)
        pixels = _OWN.fractions(images["wrn_10_1"])
        soft = tf.nn.softmax(
            _SOURCES["wrn_10_1"](_OWN.apply_fractions(pixels), training=False) / 2.0
        )
        wanted = 4.0 * tf.reduce_sum(soft * tf.math.log(soft * 3.0), axis=1)
        self.assertAllClose(found[0], wanted, atol=1e-4)

    def test_a_run_is_not_continued_without_the_card_of_its_teacher(self):
        path = serving.save_keras(_SOURCES["resnet8"], _FOLDER / "taught.keras")
        cards.write(_card("resnet8", _CLASSES), path)
        settings = _settings(
            method="offline_distillation",
            students=("wrn_10_1",),
            teacher=str(path),
            initial_weights=(),
            initial_normalization=(),
            epochs=2,
        )
        folder = _FOLDER / "taught"
        session = _session(settings, folder, _Stopping)
        with self.assertRaises(Interrupted):
            session.train()
        self.assertRegex(session.task._lines[0], f"^the teacher is {path}: .*, as its card says$")
        before = session.task.identity.data
        card = cards.path_of(path).rename(_FOLDER / "taught.elsewhere")
        with self.assertRaisesRegex(
            ValueError,
            "teacher_card differ; restore the card beside the teacher as it was, or pass",
        ):
            _session(settings, folder)
        # A run of an earlier version knew the file alone.
        again = Classification(settings)
        again.load()
        del before["teacher_card"]
        self.assertEqual(identity.data_changes(before, again.digest()), "")
        card.rename(cards.path_of(path))
        self.assertEqual(_session(settings, folder).train()["epochs"], 2)

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
        stopped = _session(cls.settings, _FOLDER / "stopped", _Stopping)
        cls.lines = stopped.task._lines
        try:
            stopped.train()
        except Interrupted:
            cls.after_one = stopped
        middle = _session(cls.settings, _FOLDER / "middle")
        _stop_in_the_first_step(middle)
        try:
            middle.train()
        except Interrupted as stop:
            cls.said = str(stop)
        whole = _session(cls.settings, _FOLDER / "whole")
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
            resumed = _session(self.settings, _FOLDER / "middle")
            resumed.train()
        finally:
            for name in ("named.keras", "exported"):
                shutil.move(away / name, _FOLDER / name)
        mine, wanted = (all_variables(each.task.model) for each in (resumed, self.whole))
        for each, value in zip(mine, wanted, strict=True):
            self.assertAllEqual(each.numpy(), value.numpy(), each.path)
        _, card = serving.load_student(_FOLDER / "middle" / "students" / "resnet8")
        self.assertEqual(Normalization.from_card(card), _OWN)

    def test_a_source_may_move_and_may_not_change(self):
        path = _FOLDER / "elsewhere" / "named.keras"
        path.parent.mkdir()
        shutil.copy(_FOLDER / "named.keras", path)
        shutil.copy(_FOLDER / "named.json", path.with_name("named.json"))
        second = self.settings.initial_weights[1]
        moved = dataclasses.replace(self.settings, initial_weights=(f"resnet8={path}", second))
        self.assertTrue(Workdir(_FOLDER / "whole").check(moved))
        _session(moved, _FOLDER / "whole")
        # The same weights, of which nothing tells the normalisation any more; then other weights.
        path.with_name("named.json").unlink()
        for _ in range(2):
            with self.assertRaisesRegex(ValueError, "initial_weights resnet8 differ; restore"):
                _session(moved, _FOLDER / "whole")
            serving.save_keras(_student("resnet8"), path)
            cards.write(_card("resnet8", ("ant", "bee", "dog")), path)


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
            session = _session(settings, _FOLDER / f"compiled_{compiled}")
            session.train()
            students.append(session.task.model.students["resnet8"])
        found, wanted = students
        for mine, other in zip(found.variables, wanted.variables, strict=True):
            self.assertAllClose(mine.numpy(), other.numpy(), atol=1e-3, msg=mine.path)
        given = _SOURCES["resnet8"].get_layer("stem_conv").kernel
        self.assertNotAllEqual(found.get_layer("stem_conv").kernel, given)


class BranchesTest(tf.test.TestCase):
    def test_branches_start_from_one_source_and_not_alike(self):
        settings = _settings(
            method="one",
            students=("resnet8",),
            branches=2,
            initial_weights=(f"resnet8={_FOLDER / 'resnet8.keras'}",),
        )
        session = _session(settings, _FOLDER / "branches")
        first, second = session.task.model.students.values()
        given = dict(
            zip(
                (each.path for each in _SOURCES["resnet8"].variables), _SOURCES["resnet8"].variables
            )
        )
        for student in (first, second):
            for each in student.variables:
                path = each.path.removeprefix("copy2_")
                if not path.startswith("logits"):
                    self.assertAllEqual(each.numpy(), given[path].numpy(), path)
        self.assertAllEqual(first.get_layer("logits").kernel, given["logits/kernel"].numpy())
        self.assertNotAllClose(
            second.get_layer("copy2_logits").kernel, given["logits/kernel"].numpy()
        )
        self.assertIn("the first branch has it", session.task._lines[1])
        images, _ = next(iter(session.task.epoch(0, 15, 0, None)))
        self.assertFalse(isinstance(images, dict))


class RefusedTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ("resnet8", "exported", "no resnet8: its card says that it is a wrn_10_1"),
        ("wrn_10_1", "resnet8.keras", "is no wrn_10_1: expected .* at .*; got "),
        ("wrn_10_1", "nothing.keras", "which is not there"),
        (
            "wrn_10_1",
            "imagenet",
            "expected imagenet for a student of keras.applications.*; got wrn_10_1",
        ),
        ("wrn_10_1", "photos", "a folder that is no run"),
    )
    def test_it_is_told_before_data_is_loaded(self, name, source, message):
        path = source if source == "imagenet" else _FOLDER / source
        settings = _settings(
            initial_weights=(f"{name}={path}",), initial_normalization=(), dataset="folder:/no/such"
        )
        with self.assertRaisesRegex(ValueError, f"--initial_weights={name}=.*{message}") as caught:
            Classification(settings).load()
        self.assertNotIn("\n", str(caught.exception))

    def test_a_normalisation_of_colours_for_grey_images_is_told_before_data_is_loaded(self):
        path = _FOLDER / "grey.keras"
        serving.save_keras(students.build("resnet8", 3, (8, 8, 1)), path)
        for mode in ("tf", "caffe", "torch", "data"):
            settings = _settings(
                initial_weights=(f"resnet8={path}",),
                initial_normalization=(f"resnet8={mode}",),
                dataset="folder:/no/such",
            )
            message = (
                "no/such"
                if mode == "data"
                else f"^--initial_weights=resnet8={path}: .* of 1 channels, .*; got {mode} of 3: "
            )
            with self.assertRaisesRegex((ValueError, FileNotFoundError), message):
                Classification(settings).load()

    @parameterized.parameters("grey_keras.keras", "grey_keras.weights.h5")
    def test_a_file_without_a_card_of_a_student_of_small_grey_images_is_taken(self, name):
        path = _FOLDER / name
        student = students.build("keras:MobileNet", 3, (32, 32, 1))
        (student.save if path.suffix == ".keras" else student.save_weights)(path)
        settings = _settings(
            students=("keras:MobileNet",),
            initial_weights=(f"keras_MobileNet={path}",),
            initial_normalization=(),
            image_size=32,
        )
        (start,) = initial_weights.InitialWeights(settings)._starts.values()
        self.assertEqual(start.found.image_shape, (32, 32, 1))

    @parameterized.parameters("scaling.keras", "scaling.weights.h5")
    def test_a_model_that_scales_its_images_needs_their_normalisation(self, name):
        path, inputs = _FOLDER / name, keras.Input((8, 8, 3))
        x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
        for part in families.parts(names.parse("resnet8"), 3, Layers()):
            x = part(x)
        model = keras.Model(inputs, x)
        (model.save if path.suffix == ".keras" else model.save_weights)(path)
        common = {"students": ("resnet8",), "initial_weights": (f"resnet8={path}",)}
        for given in ((), ("resnet8=data",)):
            message = (
                f"^--initial_weights=resnet8={path}: .* scales its images itself: save it without, "
                "or pass --initial_normalization=resnet8=tf, caffe, torch, "
            )
            with self.assertRaisesRegex(ValueError, message) as caught:
                initial_weights.InitialWeights(_settings(**common, initial_normalization=given))
            self.assertNotIn("\n", str(caught.exception))
        settings = _settings(**common, initial_normalization=("resnet8=tf",))
        (start,) = initial_weights.InitialWeights(settings)._starts.values()
        self.assertEqual(start.normalization, MODES["tf"])
        self.assertAllEqual(start.found.arrays["logits/kernel"], model.get_layer("logits").kernel)

    def test_a_network_that_depends_on_the_size_of_images_is_told_before_data_is_loaded(self):
        def dependent(weights, classes, input_shape, classifier_activation):
            x = images = keras.Input(input_shape)
            for size in (2, classes):
                x = keras.layers.Dense(size)(keras.layers.Flatten()(x))
            return keras.Model(images, x)

        path = _FOLDER / "dependent.keras"
        with unittest.mock.patch.object(keras.applications, "MobileNet", dependent):
            students.build("keras:MobileNet", 3, (8, 8, 3)).save(path)
            for side in (0, 8, 9):
                settings = _settings(
                    students=("keras:MobileNet",),
                    initial_weights=(f"keras_MobileNet={path}",),
                    initial_normalization=(),
                    image_size=side,
                )
                if side < 9:
                    initial_weights.InitialWeights(settings)
                    continue
                message = r"is no keras:MobileNet: expected \[243, 2\] at .*; got \[192, 2\]"
                with self.assertRaisesRegex(ValueError, message):
                    initial_weights.InitialWeights(settings)

    def test_a_run_gives_the_student_of_the_architecture(self):
        run = _FOLDER / "run"
        shutil.copytree(_FOLDER / "exported", run / "students" / "wrn_10_1")
        serving.export_student(
            _SOURCES["resnet8"], run / "students" / "resnet8", card=_card("resnet8", _CLASSES)
        )
        settings = _settings(initial_weights=(f"wrn_10_1={run}",), initial_normalization=())
        given = initial_weights.InitialWeights(settings)
        self.assertEqual(
            given.digests(),
            initial_weights.InitialWeights(
                _settings(
                    initial_weights=(f"wrn_10_1={_FOLDER / 'exported'}",), initial_normalization=()
                )
            ).digests(),
        )
        shutil.copytree(_FOLDER / "exported", run / "students" / "second")
        with self.assertRaisesRegex(ValueError, "a run with 2 wrn_10_1: choose one of .*second, "):
            initial_weights.InitialWeights(settings)


if __name__ == "__main__":
    tf.test.main()
