"""Tests of kdcl_tf.classification.settings.per_student."""

from absl.testing import absltest, parameterized

from kdcl_tf.classification.settings import Settings, per_student

_NAMES = ("resnet8", "keras_MobileNetV2", "resnet8_2")


class PerStudentTest(parameterized.TestCase):
    def test_pairs_are_in_the_students_order_and_colons_may_stay(self):
        found = per_student.pairs("flag", ["resnet8_2=b=c", "keras:MobileNetV2 = a"], _NAMES)
        self.assertEqual(list(found.items()), [("keras_MobileNetV2", "a"), ("resnet8_2", "b=c")])

    def test_items_come_into_the_students_order_as_they_are_written(self):
        items = ["resnet8_2=b", "keras:MobileNetV2=a", " resnet8 = c"]
        found = per_student.in_order(items, _NAMES)
        self.assertEqual(found, (" resnet8 = c", "keras:MobileNetV2=a", "resnet8_2=b"))

    @parameterized.parameters(
        ("resnet8", "of STUDENT=VALUE, .*; got 'resnet8'"),
        ("=x", "of STUDENT=VALUE, .*; got '=x'"),
        ("resnet8=a,b", "of STUDENT=VALUE, .*; got 'resnet8=a,b'"),
        ("resnet9=x", "for students of the run, resnet8, .*; got 'resnet9'"),
    )
    def test_what_is_no_pair_of_the_run_is_refused(self, item, message):
        with self.assertRaisesRegex(ValueError, f"expected --flag {message}"):
            per_student.pairs("flag", [item], _NAMES)

    def test_a_student_that_is_named_twice_is_refused(self):
        with self.assertRaisesRegex(ValueError, "once for a student; got resnet8 twice"):
            per_student.pairs("flag", ["resnet8=a", "resnet8=b"], _NAMES)

    def test_rates(self):
        names = _NAMES[:2]
        self.assertEqual(per_student.rates(0.5, names), dict.fromkeys(names, 0.5))
        found = per_student.rates("keras:MobileNetV2=1e-3,resnet8=2", names)
        self.assertEqual(found, {"resnet8": 2.0, "keras_MobileNetV2": 0.001})

    @parameterized.parameters(
        ("resnet8=0.1", "for every student, .*; got none for keras_MobileNetV2"),
        ("resnet8=0,keras_MobileNetV2=1", "to be a number above 0, .*; got 0"),
        ("resnet8=x,keras_MobileNetV2=1", "to be a number above 0, .*; got x"),
        ("resnet8=inf,keras_MobileNetV2=1", "to be a number above 0, .*; got inf"),
    )
    def test_rates_that_are_none_are_refused(self, given, message):
        with self.assertRaisesRegex(ValueError, f"expected --learning_rate {message}"):
            per_student.rates(given, _NAMES[:2])

    def test_settings_say_the_same_rates_in_one_way(self):
        for text in ("resnet8=.1,wrn_10_2=2e-1", "wrn_10_2=0.20, resnet8=0.1"):
            settings = Settings(learning_rate=text)
            self.assertEqual(settings.as_flags()["learning_rate"], "resnet8=0.1,wrn_10_2=0.2")

    def test_branches_have_one_value(self):
        names = ("resnet8", "resnet8_2")
        found = per_student.branches_of("flag", {"resnet8": "a"}, names)
        self.assertEqual(found, {"resnet8": "a", "resnet8_2": "a"})
        with self.assertRaisesRegex(
            ValueError, "one value for all, as resnet8=VALUE; got some for resnet8_2"
        ):
            per_student.branches_of("flag", {"resnet8_2": "a"}, names)

    @parameterized.parameters(
        ({"train_head_epochs": 1}, "--train_head_epochs=1 is for students that start from weights"),
        ({"freeze_batch_norm": True}, "--freeze_batch_norm=true is for students that start from"),
        (
            {"initial_normalization": ("resnet8=tf",)},
            "for students of --initial_weights; got resnet8=tf",
        ),
        (
            {"initial_weights": ("resnet8=a",), "initial_normalization": ("resnet8=rgb",)},
            "expected --initial_normalization of data, tf, caffe, torch, .*; got resnet8=rgb",
        ),
        ({"initial_weights": ("resnet9=a",)}, "expected --initial_weights for students of the run"),
        (
            {"initial_weights": ("resnet8=a",), "train_head_epochs": 101},
            "expected --train_head_epochs to be at most 100; got 101",
        ),
        ({"learning_rate": "resnet8=0.1"}, "got none for wrn_10_2"),
        (
            {
                "method": "one",
                "students": ("resnet8",),
                "learning_rate": "resnet8=1,resnet8_2=2,resnet8_3=3",
            },
            "branches share their lower layers: expected one for all",
        ),
    )
    def test_settings_that_do_not_fit_are_refused_at_once(self, fields, message):
        with self.assertRaisesRegex(ValueError, message):
            Settings(**fields)


if __name__ == "__main__":
    absltest.main()
