"""Tests of kdcl_tf.classification.settings.method_rules."""

from absl.testing import absltest, parameterized

from kdcl_tf.classification.settings import Settings


class MethodRulesTest(parameterized.TestCase):
    @parameterized.parameters(
        ({"method": "offline_distillation"}, "--teacher=: a teacher, an exported student"),
        ({"teacher": "runs/x"}, "--method=kdcl with --teacher=runs/x"),
        ({"ramp_up_epochs": 3}, "--ramp_up_epochs=3 is for --method=one"),
        (
            {"ensemble": "linear", "general_error": "target"},
            "^--general_error=target is for --method=kdcl with --ensemble=general; got "
            "--method=kdcl with --ensemble=linear$",
        ),
        (
            {"method": "independent", "ensemble": "general", "general_constraint": "none"},
            "^--general_constraint=none is for .*; got --method=independent with",
        ),
        ({"branches": 3}, "--branches=3 is for --method=one and clnn; got --method=kdcl"),
        ({"method": "one"}, "got --students=resnet8,wrn_10_2: pass one, and --branches"),
        ({"method": "one", "students": ("resnet8",), "invariant": True}, "pass --noinvariant"),
        (
            {"method": "one", "students": ("resnet8",), "branches": 1},
            "expected --branches to be 2 or more",
        ),
        (
            {"method": "clnn", "students": ("resnet8",), "branches": 3},
            "expected --branches to be 2, 4 or 8",
        ),
        ({"method": "one", "students": ("keras:VGG16",)}, "'keras:VGG16' cannot have branches"),
    )
    def test_what_the_method_cannot_use_is_refused(self, fields, message):
        with self.assertRaisesRegex(ValueError, message):
            Settings(**fields)

    def test_general_needs_held_out_images_and_nothing_else_does(self):
        with self.assertRaisesRegex(ValueError, "--holdout_per_class=0: pass 1 or more"):
            Settings(ensemble="general", holdout_per_class=0)
        self.assertFalse(Settings(method="independent", holdout_per_class=0).uses_general)
        self.assertTrue(Settings(ensemble="general", holdout_per_class=1).uses_general)


if __name__ == "__main__":
    absltest.main()
