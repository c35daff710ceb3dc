"""Tests of kdcl_tf.classification.settings.rules."""

from absl.testing import absltest, parameterized

from kdcl_tf.classification.settings import Settings


class RulesTest(parameterized.TestCase):
    @parameterized.parameters(
        (
            {"distillation_weight_schedule": "0:1,0:2"},
            "--distillation_weight_schedule: expected epochs that rise; got 0:1,0:2",
        ),
        (
            {"distillation_weight_schedule": "0:1", "method": "independent"},
            "methods with a distillation loss; got --method=independent",
        ),
        (
            {"distillation_weight_schedule": "0:0,1:1e39"},
            r"^expected --distillation_weight_schedule of .* with --distillation_weight=1.0 float32 "
            r"has: 0, or from 1.2e-38 to 3.4e\+38; got 1e\+39$",
        ),
        (
            {"distillation_weight_schedule": "0:1e38,9:0", "distillation_weight": 10.0},
            r"--distillation_weight=10.0 float32 has: .* to 3.4e\+38; got 1e\+38$",
        ),
        ({"distillation_weight_schedule": "0:1e-46"}, "float32 has: .*; got 1e-46$"),
        (
            {"distillation_weight_schedule": "0:0,1:1e-300", "distillation_weight": 1e-30},
            "float32 has: .*; got 1e-300$",
        ),
    )
    def test_a_schedule_that_cannot_be_used_is_refused(self, fields, message):
        with self.assertRaisesRegex(ValueError, message):
            Settings(**fields)

    def test_the_best_epoch_needs_a_validation_set_that_there_may_be(self):
        fields = {"students": ("resnet8",), "keep": "best", "dataset": "folder:photos"}
        # The folder may have one, but not where its test images are chosen.
        self.assertEqual(Settings(**fields).keep_by, "resnet8")
        self.assertEqual(Settings(**fields, test_share=0.2, validation_share=0.1).test_share, 0.2)
        for more in ({"test_share": 0.2}, {"dataset": "digits"}):
            with self.assertRaisesRegex(ValueError, "--keep=best .*: pass --validation_share=0.1"):
                Settings(**{**fields, **more})


if __name__ == "__main__":
    absltest.main()
