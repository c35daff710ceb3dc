"""Tests of kdcl_tf.classification.settings.classification_settings."""

import dataclasses

from absl.testing import absltest, parameterized

from kdcl_tf.classification.settings import Settings

_BAD = (
    ("tfrecord_image_key", "jpeg"),
    ("method", "kd"),
    ("ensemble", "mean"),
    ("general_error", "logit"),
    ("general_constraint", "box"),
    ("schedule", "linear"),
    ("precision", "float64"),
    ("strategy", "two"),
    ("dataset", "folder:"),
    ("distortion", "crop"),
    ("storage", "tape"),
    ("storage", "disk"),
    ("epochs", 0),
    ("batch_size", 0),
    ("accumulation_steps", 0),
    ("accumulation_steps", 17),
    ("evaluate_every", 0),
    ("cutout_size", 0),
    ("holdout_per_class", -1),
    ("train_per_class", -1),
    ("warmup_epochs", -1),
    ("warmup_epochs", 10_000),
    ("seed", -1),
    ("seed", 2**32),
    ("image_size", -1),
    ("distillation_weight", -0.1),
    ("distillation_weight", float("inf")),
    ("weight_decay", -1e-4),
    ("weight_decay", float("nan")),
    ("warmup_learning_rate", -0.1),
    ("temperature", 0.0),
    ("temperature", 1e-50),
    ("distillation_weight", 1e39),
    ("temperature", float("nan")),
    ("temperature", float("inf")),
    ("learning_rate", 0.0),
    ("learning_rate", 1e-50),
    ("learning_rate", "resnet8=0.1,wrn_10_2=1e-50"),
    ("learning_rate", float("nan")),
    ("learning_rate", float("inf")),
    ("momentum", -0.1),
    ("momentum", 1.0),
    ("momentum", float("nan")),
    ("milestones", (30, 20)),
    ("milestones", (20, 20)),
    ("milestones", (0, 20)),
    ("students", ()),
    ("students", ("resnet8", "")),
    ("students", ("resnet9",)),
    ("students", ("mobilenet_v2_0",)),
    ("students", ("keras:vgg61",)),
    ("branches", -1),
    ("ramp_up_epochs", -1),
)

_GOOD = (
    {"momentum": 0.0},
    {"weight_decay": 0.0, "distillation_weight": 0.0},
    {"warmup_epochs": 99, "warmup_learning_rate": 0.0},
    {"distillation_weight_schedule": "0:0,1:1e+39", "distillation_weight": 0.0},
    {"distillation_weight_schedule": "0:0,1:1e+39", "distillation_weight": 0.1},
    {"milestones": ()},
    {"seed": 2**32 - 1},
    {"epochs": 1, "batch_size": 1, "evaluate_every": 1},
    {"batch_size": 4, "accumulation_steps": 4},
    {"ensemble": "min_logit", "holdout_per_class": 0},
    {"ensemble": "general", "general_error": "target", "general_constraint": "none"},
    {"ensemble": "general", "general_constraint": "equal"},
    {"ensemble": "min_logit", "general_error": "vector", "general_constraint": "simplex"},
    {"students": ("resnet8",)},
    {"dataset": "tfrecord:shards", "distortion": "resized_crop", "skip_bad_images": True},
    {"distortion": "resized_crop", "storage": "memory"},
    {"distortion": "none", "skip_bad_images": True},
    {"dataset": "tfrecord:shards", "storage": "disk"},
    {"dataset": "tfrecord:shards", "tfrecord_image_key": "jpeg", "tfrecord_label_key": "fine"},
)


class SettingsTest(parameterized.TestCase):
    @parameterized.parameters(*_BAD)
    def test_a_bad_value_is_refused_in_one_line_with_its_name(self, field, value):
        with self.assertRaises(ValueError) as caught:
            Settings(**{field: value})
        message = str(caught.exception)
        self.assertNotIn("\n", message)
        self.assertRegex(message, f"--{field}|data set|student")
        self.assertRegex(message, "wanted|must be|expected")

    @parameterized.parameters(*_GOOD)
    def test_the_ends_of_ranges_are_allowed(self, **fields):
        settings = Settings(**fields)
        for name, value in fields.items():
            self.assertEqual(getattr(settings, name), value)

    @parameterized.parameters(
        ({"cutout_size": 8}, {"cutout": True}, "--cutout_size=8 has no effect without --cutout"),
        (
            {"momentum": 0.5, "optimizer": "adam"},
            {"optimizer": "sgd"},
            "--momentum=0.5 has no effect with --optimizer=adam",
        ),
        (
            {"warmup_learning_rate": 0.1},
            {"warmup_epochs": 1},
            "--warmup_learning_rate=0.1 has no effect without a warm-up",
        ),
        (
            {"ensemble": "naive", "method": "mutual_learning"},
            {"method": "kdcl"},
            "--ensemble=naive has no effect with --method=mutual_learning",
        ),
        (
            {"temperature": 4.0, "method": "independent"},
            {"method": "kdcl"},
            "--temperature=4.0 has no effect with --method=independent",
        ),
        (
            {"match_classes": "position"},
            {"method": "offline_distillation", "teacher": "a"},
            "--match_classes=position has no effect without --teacher",
        ),
    )
    def test_what_has_no_effect_is_told(self, fields, with_effect, told):
        self.assertEqual(Settings(**fields).remarks(100), [told])
        self.assertEmpty(Settings(**{**fields, **with_effect}).remarks(100))
        self.assertEmpty(Settings().remarks(100))

    @parameterized.parameters(
        ({"epochs": 10, "warmup_epochs": 6}, "5"),
        ({"epochs": 10, "warmup_epochs": 8}, "5, 7"),
        ({"milestones": (3, 50), "warmup_epochs": 5}, "3"),
        ({"epochs": 10, "warmup_epochs": 5}, ""),
        ({"epochs": 10, "warmup_epochs": 6, "schedule": "cosine"}, ""),
    )
    def test_milestones_inside_the_warm_up_are_told(self, fields, early):
        told = Settings(**fields).remarks(100)
        if not early:
            return self.assertEmpty(told)
        self.assertLen(told, 1)
        self.assertIn(f"does not drop after epoch {early}, while it still rises, but", told[0])

    def test_what_a_recipe_says_to_other_methods_is_not_told(self):
        for temperature in (1.0, 2.0, 3.0):
            settings = Settings(method="independent", temperature=temperature)
            self.assertEmpty(settings.remarks(100))

    def test_an_image_too_small_for_a_student_is_refused_before_data_is_read(self):
        fields = {"students": ("resnet8", "mobilenet_v2"), "dataset": "cifar10"}
        self.assertEqual(Settings(**fields, image_size=32).image_size, 32)
        with self.assertRaisesRegex(ValueError, "expected 32 or more pixels a side for .*; got 16"):
            Settings(**fields, image_size=16)

    def test_students_of_one_architecture_have_distinct_names(self):
        settings = Settings(students=("resnet8", "wrn_10_1", "resnet8", "resnet8"))
        self.assertEqual(settings.student_names, ("resnet8", "wrn_10_1", "resnet8_2", "resnet8_3"))

    def test_names_of_students_can_name_folders_and_layers(self):
        settings = Settings(students=("keras:VGG16", "resnet18", "keras:VGG16"))
        self.assertEqual(settings.student_names, ("keras_VGG16", "resnet18", "keras_VGG16_2"))
        self.assertEqual(settings.as_flags()["students"], "keras:VGG16,resnet18,keras:VGG16")

    @parameterized.parameters(
        (("mobilenet_v2", "mobilenet_v2", "mobilenet_v2_2"), "mobilenet_v2_3", 1),
        (("mobilenet_v2_2", "mobilenet_v2", "mobilenet_v2"), "mobilenet_v2_3", 2),
    )
    def test_a_number_is_not_taken_for_a_width(self, architectures, name, index):
        names = Settings(students=architectures).student_names
        self.assertEqual(names[index], name)
        self.assertLen(set(names), 3)

    def test_numbers_and_sequences_say_the_same_in_every_type(self):
        plain = Settings(students=["resnet8"], learning_rate=1, temperature=3, milestones=[5])
        exact = Settings(students=("resnet8",), learning_rate=1.0, temperature=3.0, milestones=(5,))
        self.assertEqual(plain, exact)
        self.assertEqual(plain.as_flags(), exact.as_flags())

    def test_as_flags_has_a_text_for_every_field(self):
        flags = Settings(
            students=("resnet8", "wrn_10_2"), milestones=(), invariant=False, weight_decay=5e-4
        ).as_flags()
        fields = [field.name for field in dataclasses.fields(Settings)]
        self.assertEqual(list(flags), fields)
        self.assertEqual(flags["students"], "resnet8,wrn_10_2")
        self.assertEqual(flags["milestones"], "")
        self.assertEqual(flags["invariant"], "false")
        self.assertEqual(flags["temperature"], "2.0")
        self.assertEqual(flags["weight_decay"], "0.0005")


if __name__ == "__main__":
    absltest.main()
