"""Tests of kdcl_tf.classification.initial.weights: what is taken, and what is refused."""

import pathlib
import shutil
import tempfile
import unittest
import unittest.mock

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import serving, students
from kdcl_tf.classification.initial import weights
from kdcl_tf.classification.task import Classification
from kdcl_tf.data.normalization import MODES, Normalization
from kdcl_tf.serving import cards
from kdcl_tf.students import families, names
from kdcl_tf.students.layers import Layers
from tests import starting_students
from tests.starting_students import CLASSES, OWN, card, session as make_session

# A rate that moves no weight.
_STILL = {"learning_rate": 1e-30, "weight_decay": 0.0, "freeze_batch_norm": True}


def setUpModule():
    global _FOLDER, _SOURCES
    temporary = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(temporary.cleanup)
    _FOLDER = pathlib.Path(temporary.name)
    _SOURCES = starting_students.make(_FOLDER)


def _settings(**settings):
    return starting_students.settings(_FOLDER, **settings)


class PixelsTest(tf.test.TestCase):
    """Students of one cohort, under the normalisation of Keras's caffe and of a card."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = _FOLDER / "pixels"
        settings = _settings(**_STILL, ensemble="general", holdout_per_class=2)
        cls.session = make_session(settings, cls.folder)
        cls.lines = cls.session.task._lines
        cls.result = cls.session.train()
        cls.dataset = cls.session.task.dataset
        cls.normalizations = {"resnet8": MODES["caffe"], "wrn_10_1": OWN}

    def _logits(self, name, images):
        """The source's own, on pixels normalised in NumPy."""
        pixels = np.asarray(images, np.float64)
        if name == "resnet8":
            pixels = pixels[..., ::-1] - [103.939, 116.779, 123.68]
        else:
            pixels = (pixels / 255 - OWN.mean) / OWN.deviation
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
            task = make_session(settings, _FOLDER / f"told_{len(given)}").task
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


class BranchesTest(tf.test.TestCase):
    def test_branches_start_from_one_source_and_not_alike(self):
        settings = _settings(
            method="one",
            students=("resnet8",),
            branches=2,
            initial_weights=(f"resnet8={_FOLDER / 'resnet8.keras'}",),
        )
        session = make_session(settings, _FOLDER / "branches")
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


class BegunTest(tf.test.TestCase):
    def test_a_run_goes_on_when_its_source_has_lost_its_students(self):
        run = _FOLDER / "lost"
        path = run / "students" / "wrn_10_1"
        shutil.copytree(_FOLDER / "exported", path)
        settings = [
            _settings(initial_weights=(f"wrn_10_1={source}",), initial_normalization=())
            for source in (run, path)
        ]
        digests = weights.InitialWeights(settings[0]).digests()
        own = card("wrn_10_1", CLASSES).facts
        begun = {
            "identity": {"data": {weights.KEY: digests}},
            "card": {"students": {"wrn_10_1": {"card": own}}},
        }

        def check_goes_on():
            for each in settings:
                given = weights.InitialWeights(each, begun)
                self.assertEqual(given.digests(), digests)
                (start,) = given._starts.values()
                self.assertIsNone(start.found)
                self.assertEqual(start.normalization, OWN)

        check_goes_on()
        serving.export_student(
            _SOURCES["resnet8"], run / "students" / "resnet8", card=card("resnet8", CLASSES)
        )
        # What is there is read, and has to be what it was.
        (path / "saved_model.pb").unlink()
        with self.assertRaisesRegex(ValueError, "is damaged: saved_model.pb cannot be read"):
            weights.InitialWeights(settings[0], begun)
        for each in path.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        check_goes_on()
        for gone in (path, run / "students", run):
            shutil.rmtree(gone)
            check_goes_on()


class OneForAllTest(tf.test.TestCase, parameterized.TestCase):
    """A card may have one mean and one deviation for all channels."""

    @parameterized.parameters("folder", "file.keras")
    def test_one_mean_for_all_channels_is_as_one_for_each(self, kind):
        student, images = _SOURCES["resnet8"], None
        for count in (1, 3):
            pixels = Normalization((0.25,) * count, (0.5,) * count)
            own = serving.Card("resnet8", (8, 8, 3), CLASSES, pixels, architecture="resnet8")
            path = _FOLDER / f"{count}_for_all_{kind}"
            if kind == "folder":
                serving.export_student(student, path, card=own)
            else:
                serving.save_keras(student, path)
                cards.write(own, path)
            settings = _settings(
                students=("resnet8", "wrn_10_1"),
                initial_weights=(f"resnet8={path}",),
                initial_normalization=(),
            )
            task = make_session(settings, _FOLDER / f"run_{path.name}").task
            self.assertEqual(task.normalizations["resnet8"], pixels)
            self.assertIn("as the weights were trained", task._lines[0])
            (shown, _) = next(iter(task.epoch(0, 15, 0, None)))
            images = shown["resnet8"] if images is None else images
            self.assertAllClose(shown["resnet8"], images, atol=1e-6)

    def test_the_remedy_is_none_that_would_be_refused(self):
        path = _FOLDER / "of_two.keras"
        serving.save_keras(_SOURCES["resnet8"], path)
        for pixels in (
            Normalization((0.5,) * 2, (0.5,) * 2),
            Normalization((0.5,) * 3, (0.5,) * 2),
        ):
            cards.write(serving.Card("resnet8", (8, 8, 3), CLASSES, pixels), path)
            settings = _settings(initial_weights=(f"resnet8={path}",), initial_normalization=())
            with self.assertRaisesRegex(
                ValueError, "of 3 channels, .* or one for all; got one of 2: export it again$"
            ):
                weights.InitialWeights(settings)


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
                "pass --initial_normalization=resnet8=data$"
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
        (start,) = weights.InitialWeights(settings)._starts.values()
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
                weights.InitialWeights(_settings(**common, initial_normalization=given))
            self.assertNotIn("\n", str(caught.exception))
        settings = _settings(**common, initial_normalization=("resnet8=tf",))
        (start,) = weights.InitialWeights(settings)._starts.values()
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
                    weights.InitialWeights(settings)
                    continue
                message = r"is no keras:MobileNet: expected \[243, 2\] at .*; got \[192, 2\]"
                with self.assertRaisesRegex(ValueError, message):
                    weights.InitialWeights(settings)

    def test_a_run_gives_the_student_of_the_architecture(self):
        run = _FOLDER / "run"
        shutil.copytree(_FOLDER / "exported", run / "students" / "wrn_10_1")
        serving.export_student(
            _SOURCES["resnet8"], run / "students" / "resnet8", card=card("resnet8", CLASSES)
        )
        settings = _settings(initial_weights=(f"wrn_10_1={run}",), initial_normalization=())
        given = weights.InitialWeights(settings)
        self.assertEqual(
            given.digests(),
            weights.InitialWeights(
                _settings(
                    initial_weights=(f"wrn_10_1={_FOLDER / 'exported'}",), initial_normalization=()
                )
            ).digests(),
        )
        shutil.copytree(_FOLDER / "exported", run / "students" / "second")
        with self.assertRaisesRegex(ValueError, "a run with 2 wrn_10_1: choose one of .*second, "):
            weights.InitialWeights(settings)


if __name__ == "__main__":
    tf.test.main()
