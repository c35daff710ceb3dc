"""Tests of kdcl_tf.training.settings.training_settings, by a recipe of what every program needs."""

import dataclasses
import os
import pathlib
import re
import shutil
from unittest import mock

from absl.testing import absltest, parameterized

from kdcl_tf.training.settings import training_settings

_IN_FLOAT32 = "a number that float32 has: 0, or from 1.2e-38 to 3.4e38"


@dataclasses.dataclass(frozen=True)
class _Settings(training_settings.TrainingSettings):
    epochs: int = 12
    batch_size: int = 16
    optimizer: str = "sgd"
    optimizer_arguments: str = ""
    learning_rate: float = 0.02
    schedule: str = "step"
    milestones: tuple = (8, 11)
    warmup_learning_rate: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 1e-4
    precision: str = "float32"
    strategy: str = "one"
    evaluate_every: int = 1
    seed: int = 0
    dataset: str = "digits"
    shrink: float | None = None
    flip: bool = True

    def __post_init__(self):
        self._unify_types("shrink")
        self._check_training()


class TrainingSettingsTest(parameterized.TestCase):
    @parameterized.parameters(
        ("epochs", 0, "1 or more"),
        ("batch_size", 0, "1 or more"),
        ("evaluate_every", -2, "1 or more"),
        ("seed", -1, "0 or more"),
        ("seed", 2**32, r"less than 2\*\*32"),
        ("weight_decay", -0.5, "0 or more"),
        ("warmup_learning_rate", -0.5, "0 or more"),
        ("learning_rate", 0.0, "more than 0"),
        ("momentum", 1.0, "from 0 to below 1 in float32"),
        ("momentum", 0.99999999, "from 0 to below 1 in float32"),
        ("learning_rate", 1e-50, _IN_FLOAT32),
        ("learning_rate", 1e-40, _IN_FLOAT32),
        ("learning_rate", 1e39, _IN_FLOAT32),
        ("warmup_learning_rate", 1e39, _IN_FLOAT32),
        ("weight_decay", 1e39, _IN_FLOAT32),
        ("learning_rate", float("inf"), "a finite number"),
        ("shrink", float("nan"), "a finite number"),
    )
    def test_a_number_out_of_range_is_refused(self, field, value, wanted):
        fields = {"shrink": 1.0, field: value}
        with self.assertRaisesRegex(
            ValueError, f"^expected --{field} to be {wanted}; got {re.escape(str(value))}$"
        ):
            _Settings(**fields)

    def test_the_ends_of_float32_are_allowed(self):
        for rate in (1.2e-38, 3.4e38):
            self.assertEqual(_Settings(shrink=1.0, learning_rate=rate).learning_rate, rate)
        self.assertEqual(_Settings(shrink=1.0, momentum=0.9999999).momentum, 0.9999999)

    def test_the_rate_of_each_part_is_one_that_float32_has(self):
        class OfParts(_Settings):
            @property
            def rates(self):
                return {"head": 0.1, "body": 1e-50}

        with self.assertRaisesRegex(ValueError, f"^expected --learning_rate to be {_IN_FLOAT32}"):
            OfParts(shrink=1.0)

    def test_the_limits_of_images_may_be_any_number(self):
        @dataclasses.dataclass(frozen=True)
        class OfImages(_Settings):
            max_image_megabytes: float = 1e39

        self.assertEqual(OfImages(shrink=1.0).max_image_megabytes, 1e39)

    @parameterized.parameters(
        ("schedule", "linear", "step, cosine, constant"),
        ("optimizer", "SGD", "sgd, adam, adamw, .*, lamb"),
        ("precision", "float64", "float32, bfloat16, float16"),
        ("strategy", "two", "one, mirrored, multi_worker, tpu"),
    )
    def test_an_unknown_word_is_refused_with_those_there_are(self, field, value, known):
        with self.assertRaisesRegex(ValueError, f"^expected --{field} of {known}; got {value}$"):
            _Settings(shrink=1.0, **{field: value})

    def test_parameter_servers_are_refused_with_what_to_pass(self):
        with self.assertRaisesRegex(ValueError, "pass --strategy=multi_worker for many machines"):
            _Settings(shrink=1.0, strategy="parameter_server")

    @parameterized.parameters(((11, 8),), ((8, 8),), ((0, 8),))
    def test_milestones_that_do_not_rise_are_refused(self, milestones):
        given = ",".join(map(str, milestones))
        with self.assertRaisesRegex(
            ValueError, f"^expected --milestones of rising numbers .*; got {given}$"
        ):
            _Settings(shrink=1.0, milestones=milestones)

    def test_whole_numbers_and_lists_become_what_flags_give(self):
        found = _Settings(learning_rate=1, shrink=2, milestones=[3])
        self.assertEqual(found, _Settings(learning_rate=1.0, shrink=2.0, milestones=(3,)))
        self.assertIsInstance(found.learning_rate, float)
        self.assertIsInstance(found.shrink, float)

    def test_as_flags_has_every_field_as_the_command_line_would(self):
        found = _Settings(shrink=0.5, flip=False, milestones=()).as_flags()
        self.assertEqual(list(found), [field.name for field in dataclasses.fields(_Settings)])
        wanted = {"learning_rate": "0.02", "milestones": "", "flip": "false", "shrink": "0.5"}
        self.assertEqual({name: found[name] for name in wanted}, wanted)

    @parameterized.parameters(
        ("", False), ("nesterov=true", False), ("clipnorm=0", False), ("clipvalue=0.5", True)
    )
    def test_whether_gradients_are_clipped(self, arguments, clips):
        settings = _Settings(shrink=1.0, optimizer_arguments=arguments)
        self.assertEqual(settings.clips_gradients, clips)

    @parameterized.parameters(
        ("adam", "beta_1=0.99999999"),
        ("adam", "beta_2=1"),
        ("rmsprop", "rho=0.99999999"),
        ("rmsprop", "momentum=1.5"),
    )
    def test_what_is_kept_of_the_past_must_fade(self, optimizer, arguments):
        name, text = arguments.split("=")
        message = f"--optimizer_arguments={name}= from 0 to below 1 in float32; got {text}$"
        with self.assertRaisesRegex(ValueError, message):
            _Settings(shrink=1.0, optimizer=optimizer, optimizer_arguments=arguments)
        _Settings(shrink=1.0, optimizer=optimizer, optimizer_arguments=f"{name}=0.999")

    def test_a_recipe_must_say_how_long_it_warms_up(self):
        with self.assertRaisesRegex(TypeError, "_Settings must override warmup_steps_of"):
            _Settings(shrink=1.0).warmup_steps_of(10)

    @parameterized.parameters(
        # 12 epochs of 10 steps; the rate of the last of them is 0.01 + 0.01 * 119 / warm-up.
        (
            120,
            0.01,
            "within the warm-up of 120: .* from 0.01 to 0.0199, and follows",
        ),
        (240, 0.01, "within the warm-up of 240: .* from 0.01 to 0.015, and follows"),
        (119, 0.01, "does not drop after epoch 8, 11, while it still rises, but"),
        (80, 0.01, ""),
        (1, 0.01, ""),
    )
    def test_what_the_warm_up_leaves_of_the_schedule_is_told(self, warmup, start, line):
        class Rising(_Settings):
            def warmup_steps_of(self, steps_per_epoch):
                return warmup

        told = Rising(shrink=1.0, warmup_learning_rate=start).remarks(10)
        self.assertLen(told, bool(line))
        self.assertRegex("".join(told), line or "^$")


@dataclasses.dataclass(frozen=True)
class _OfTFDS(training_settings.TrainingSettings):
    dataset: str = "cifar100"


class DataDirTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.one, self.two = (str(self.folder / name) for name in ("one", "two"))
        (self.folder / "one" / "cifar100").mkdir(parents=True)

    def test_the_place_is_that_of_the_flag_or_of_tfds(self):
        place = os.path.realpath(self.folder / "one" / "cifar100")
        for name in ("cifar100", "cifar100:3.0.2", "cifar100/x:3.0.2"):
            self.assertEqual(_OfTFDS(name).place_of_data(self.one), {"data_dir": place})
        with mock.patch.dict(os.environ, TFDS_DATA_DIR=self.one):
            self.assertEqual(_OfTFDS().place_of_data(None), {"data_dir": place})
        with mock.patch.dict(os.environ, HOME=str(self.folder)):
            os.environ.pop("TFDS_DATA_DIR", None)
            default = {"data_dir": os.path.realpath(self.folder / "tensorflow_datasets/cifar100")}
            self.assertEqual(_OfTFDS().place_of_data(None), default)
            self.assertEqual(_OfTFDS().place_of_data("~/one"), {"data_dir": place})
        for name in ("digits", "folder:x", "tfrecord:x", "coco:x"):
            self.assertEqual(_OfTFDS(name).place_of_data(self.one), {})

    def test_data_of_tfds_lies_elsewhere_where_it_is_asked_for_elsewhere(self):
        settings, before = _OfTFDS(), _OfTFDS().place_of_data(self.one)
        self.assertFalse(settings.lie_elsewhere(before, self.one))
        # Wherever it is not, and asked for.
        self.assertTrue(settings.lie_elsewhere(before, self.two))
        with mock.patch.dict(os.environ, TFDS_DATA_DIR=self.two):
            self.assertFalse(settings.lie_elsewhere(before))
            (self.folder / "two" / "cifar100").mkdir(parents=True)
            self.assertTrue(settings.lie_elsewhere(before))
            # A run of an earlier version does not tell where its data was.
            self.assertFalse(settings.lie_elsewhere({}))
        self.assertFalse(settings.lie_elsewhere({}, self.two))
        shutil.rmtree(self.two)
        # A complete run does not need what is gone.
        shutil.rmtree(self.one)
        for data_dir in (self.one, self.two):
            self.assertFalse(settings.lie_elsewhere(before, data_dir))


class AsTextTest(parameterized.TestCase):
    @parameterized.parameters(
        (True, "true"), (False, "false"), ((3, 5), "3,5"), ((), ""), (1e-7, "1e-07"), (0, "0")
    )
    def test_known_values(self, value, text):
        self.assertEqual(training_settings.as_text(value), text)

    def test_places_are_absolute_paths_of_what_is_there(self):
        @dataclasses.dataclass(frozen=True)
        class Settings(training_settings.TrainingSettings):
            dataset: str = "folder:photos"
            teacher: str = ""
            backbone: str = "resnet18"

        self.assertEqual(Settings().places(), {"dataset": f"folder:{os.path.realpath('photos')}"})
        folder = self.create_tempdir().full_path
        places = Settings("cifar100", folder, folder).places()
        self.assertEqual(
            places, {"teacher": os.path.realpath(folder), "backbone": os.path.realpath(folder)}
        )
        # A name is no place, whatever is called so.
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(folder)
        os.mkdir("resnet18")
        self.assertEqual(Settings("cifar100").places(), {})
        here = Settings("cifar100", backbone="./resnet18").places()
        self.assertEqual(here, {"backbone": os.path.realpath("resnet18")})
        # A teacher whose file does not say its architecture.
        places = Settings("cifar100", f"resnet50={os.path.relpath(folder)}", "resnet18").places()
        self.assertEqual(places, {"teacher": f"resnet50={os.path.realpath(folder)}"})

    def test_only_what_is_there_can_lie_elsewhere(self):
        @dataclasses.dataclass(frozen=True)
        class Settings(training_settings.TrainingSettings):
            dataset: str = "cifar100"
            teacher: str = ""
            initial_weights: str = ""

        folder = pathlib.Path(self.create_tempdir().full_path)
        for name in ("photos", "teacher", "a.keras", "b.keras"):
            (folder / name).mkdir()
        here = Settings(
            f"folder:{folder / 'photos'}",
            f"resnet50={folder / 'teacher'}",
            f"a={folder / 'a.keras'}",
        )
        before = here.places()
        self.assertFalse(here.lie_elsewhere(before))
        self.assertTrue(here.lie_elsewhere({}))
        for name in before:
            self.assertTrue(here.lie_elsewhere(before | {name: "resnet50=/x,a=/x"}), name)
        other = dataclasses.replace(here, initial_weights=f"a={folder / 'b.keras'}")
        self.assertTrue(other.lie_elsewhere(before))
        for name in ("photos", "teacher", "a.keras"):
            (folder / name).rmdir()
            self.assertFalse(here.lie_elsewhere(before), name)
        # As they were given, of which nothing is there.
        relative = dataclasses.replace(here, initial_weights="a=a.keras")
        self.assertFalse(relative.lie_elsewhere(before))

    def test_a_pattern_of_the_same_text_names_other_files_from_another_folder(self):
        @dataclasses.dataclass(frozen=True)
        class Settings(training_settings.TrainingSettings):
            dataset: str = "tfrecord:a/*-of-*"

        folder = pathlib.Path(self.create_tempdir().full_path)
        self.addCleanup(os.chdir, os.getcwd())
        places = {}
        for name in ("here", "there"):
            (folder / name / "a").mkdir(parents=True)
            (folder / name / "a" / "train-0-of-1").touch()
            os.chdir(folder / name)
            places[name] = Settings().places()
        self.assertFalse(Settings().lie_elsewhere(places["there"]))
        self.assertTrue(Settings().lie_elsewhere(places["here"]))
        shutil.rmtree(folder / "there" / "a")
        self.assertFalse(Settings().lie_elsewhere(places["here"]))


class OfMachineTest(absltest.TestCase):
    def test_what_decides_no_number_is_of_the_machine(self):
        given = {"seed": "1", "strategy": "mirrored", "storage": "disk"}
        expected = {"strategy": "mirrored", "storage": "disk"}
        self.assertEqual(training_settings.of_machine(given), expected)
        self.assertEqual(training_settings.of_machine({"seed": "1"}), {})


class MilestonesTest(parameterized.TestCase):
    @parameterized.parameters(
        (100, (50, 75)), (10, (5, 7)), (4, (2, 3)), (3, (1, 2)), (2, (1,)), (1, ()), (0, ())
    )
    def test_halves_and_three_quarters(self, epochs, expected):
        self.assertEqual(training_settings.milestones_at(epochs, (1, 2), (3, 4)), expected)

    @parameterized.parameters((14, (9, 12)), (7, (4, 6)), (28, (18, 24)), (1, ()))
    def test_the_shares_of_a_detector(self, epochs, expected):
        self.assertEqual(training_settings.milestones_at(epochs, (9, 14), (12, 14)), expected)


if __name__ == "__main__":
    absltest.main()
