"""Tests of kdcl_tf.reproduction.circumstances."""

from absl.testing import absltest

from kdcl_tf.reproduction import circumstances


class CircumstancesTest(absltest.TestCase):
    def test_runs_that_recorded_nothing_are_alike(self):
        self.assertEmpty(circumstances.differences({}, {}))

    def test_each_circumstance_is_told(self):
        ours = {
            "machine": {"processor": "one", "accelerators": []},
            "versions": {"keras": "3.1", "python": "3.10"},
            "normalized_parts": 1,
        }
        for name, other in (
            ("machine", {"processor": "other", "accelerators": []}),
            ("machine", {"processor": "one", "accelerators": ["TPU"]}),
            ("versions", {"keras": "3.2", "python": "3.10"}),
            ("normalized_parts", 8),
        ):
            self.assertLen(circumstances.differences(ours, {**ours, name: other}), 1)
        self.assertEmpty(
            circumstances.differences(
                ours, {**ours, "versions": {"keras": "3.1", "python": "3.12"}}
            )
        )

    def test_a_strategy_stands_for_parts_that_were_not_recorded(self):
        one, mirrored = ({"settings": {"strategy": each}} for each in ("one", "mirrored"))
        self.assertEqual(circumstances.normalized_parts(one), 1)
        self.assertLen(circumstances.differences(one, mirrored), 1)
        synchronized = {"settings": {"strategy": "mirrored", "synchronized_batch_norm": True}}
        self.assertEmpty(circumstances.differences(one, synchronized))
        # With synchronised batch norm, many devices normalise as one.
        self.assertEmpty(circumstances.differences(one, {**mirrored, "normalized_parts": 1}))


if __name__ == "__main__":
    absltest.main()
