"""Tests of kdcl_tf.classification.settings.remarks."""

from absl.testing import absltest, parameterized

from kdcl_tf.classification.settings import Settings


class RemarksTest(parameterized.TestCase):
    @parameterized.parameters(
        # exp(-5 (1 - 10/500)^2) = 0.0082 and exp(-5 (1 - 10/20)^2) = 0.29.
        (
            {"method": "one", "ramp_up_epochs": 500},
            "after epoch 10, .* to 0.0082 of its full value",
        ),
        ({"method": "one", "ramp_up_epochs": 20}, "^--ramp_up_epochs=20: .* risen to 0.29 of its"),
        ({"method": "one", "ramp_up_epochs": 10}, ""),
        ({"method": "one"}, ""),
        ({"distillation_weight_schedule": "0:0,500:1"}, "10 epochs, .* last .* factor is 0.018$"),
        ({"distillation_weight_schedule": "0:0,5:1,50:0.5,90:1"}, "the factor is 0.956$"),
        ({"distillation_weight_schedule": "0:0,5:1,50:1"}, ""),
        ({"distillation_weight_schedule": "0:0,10:1"}, ""),
        ({"distillation_weight_schedule": "0:0.999999,500:1"}, ""),
        ({"ramp_up_epochs": 500, "method": "one", "distillation_weight": 0.0}, ""),
    )
    def test_a_weight_that_still_changes_when_the_run_ends_is_told(self, fields, line):
        told = Settings(students=("resnet8",), epochs=10, **fields).remarks(100)
        self.assertLen(told, bool(line))
        self.assertRegex("".join(told), line or "^$")

    @parameterized.parameters(
        ("adam", 1, True),
        ("adamw", 3, True),
        ("nadam", 1, True),
        ("sgd", 1, False),
        ("adamax", 1, False),
        ("lamb", 1, False),
        ("adam", 0, False),
        ("adam", 4, False),
    )
    def test_large_steps_after_the_heads_epochs_are_told(self, optimizer, epochs, is_told):
        settings = Settings(
            optimizer=optimizer,
            train_head_epochs=epochs,
            epochs=4,
            initial_weights=("resnet8=a.keras",),
        )
        told = settings.remarks(100)
        self.assertLen(told, int(is_told))
        for line in told:
            self.assertStartsWith(
                line, f"--train_head_epochs={epochs} with --optimizer={optimizer}: "
            )


if __name__ == "__main__":
    absltest.main()
