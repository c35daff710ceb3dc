"""Tests of kdcl_tf.files.moments."""

from absl.testing import absltest, parameterized

from kdcl_tf.files import moments


class MomentsTest(parameterized.TestCase):
    @parameterized.parameters(
        ({}, None, ""),
        ({"epoch": 3}, (3, 0), "3"),
        # A fact of the user's own.
        ({"epoch": 3, "step": 20}, (3, 0), "3"),
        ({"epoch": 0, "steps_of_next_epoch": 1}, (0, 1), "0 and 1 step of the next"),
        ({"epoch": 3, "steps_of_next_epoch": 20}, (3, 20), "3 and 20 steps of the next"),
    )
    def test_epochs_and_steps(self, facts, moment, words):
        self.assertEqual(moments.of(facts), moment)
        self.assertEqual(moments.told(facts), words)


if __name__ == "__main__":
    absltest.main()
