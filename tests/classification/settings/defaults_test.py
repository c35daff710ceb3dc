"""Tests of kdcl_tf.classification.settings.defaults."""

from absl.testing import absltest, parameterized

from kdcl_tf.classification.settings import Settings


class DefaultsTest(parameterized.TestCase):
    def test_digits_have_defaults_of_their_own(self):
        digits, other = Settings(), Settings(dataset="cifar10")
        self.assertEqual((digits.ensemble, digits.holdout_per_class, digits.train_per_class),
                         ("general", 5, 10))  # fmt: skip
        self.assertEqual((other.ensemble, other.holdout_per_class, other.train_per_class),
                         ("min_logit", 0, 0))  # fmt: skip
        self.assertEqual(Settings(train_per_class=0).train_per_class, 0)

    @parameterized.parameters(
        ("kdcl", 2.0),
        ("independent", 1.0),
        ("mutual_learning", 1.0),
        ("offline_distillation", 2.0),
        ("one", 3.0),
        ("clnn", 2.0),
    )
    def test_temperature_is_by_default_that_of_the_method(self, method, temperature):
        fields = {"method": method, "students": ("resnet8",)}
        if method == "offline_distillation":
            fields["teacher"] = "runs/teacher"
        self.assertEqual(Settings(**fields).temperature, temperature)
        self.assertEqual(Settings(**fields, temperature=4.0).temperature, 4.0)

    def test_branches_are_those_of_the_method(self):
        one, clnn = (Settings(method=each, students=("resnet8",)) for each in ("one", "clnn"))
        self.assertEqual((one.branches, one.copies, one.invariant), (3, (3,), False))
        self.assertEqual((clnn.branches, clnn.copies, clnn.invariant), (4, (2, 4), False))
        self.assertEqual(one.student_names, ("resnet8", "resnet8_2", "resnet8_3"))
        many = Settings(method="clnn", students=("resnet8",), branches=8)
        self.assertEqual(many.copies, (2, 4, 8))
        self.assertEqual((Settings().branches, Settings().invariant), (0, True))

    def test_the_ramp_up_is_a_share_of_the_epochs(self):
        for epochs, wanted in ((300, 80), (200, 53), (60, 16)):
            settings = Settings(method="one", students=("resnet8",), epochs=epochs)
            self.assertEqual(settings.ramp_up_epochs, wanted)
        self.assertEqual(Settings().ramp_up_epochs, 0)
        zero = Settings(method="one", students=("resnet8",), ramp_up_epochs=0)
        self.assertEqual(zero.ramp_up_epochs, 0)


if __name__ == "__main__":
    absltest.main()
