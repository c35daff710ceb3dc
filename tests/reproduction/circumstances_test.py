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
            ("dependent_replicas", 2),
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
        self.assertLen(circumstances.differences(one, mirrored), 2)
        synchronized = {"settings": {"strategy": "mirrored", "synchronized_batch_norm": True}}
        self.assertEqual(circumstances.normalized_parts(synchronized), 1)
        # With synchronised batch norm, many devices normalise as one.
        self.assertEqual(circumstances.normalized_parts({**mirrored, "normalized_parts": 1}), 1)

    def test_a_strategy_stands_for_replicas_that_were_not_recorded(self):
        of = circumstances.dependent_replicas
        one, mirrored = ({"settings": {"strategy": each}} for each in ("one", "mirrored"))
        self.assertEqual((of({}), of(one), of(mirrored)), (1, 1, "mirrored"))
        # It may have had as many devices or others: neither is known.
        known = {**mirrored, "normalized_parts": 1, "dependent_replicas": 2}
        (told,) = circumstances.differences(known, {**mirrored, "normalized_parts": 1})
        self.assertRegex(told, "^the number of devices, .*, or in one of them .* not recorded$")
        self.assertEmpty(circumstances.differences(mirrored, mirrored))
        process = {"strategy": "one", "normalized_parts": 1}
        self.assertEqual(of({**mirrored, "processes": [process]}), 1)

    def test_a_run_whose_processes_differ_is_neither_the_first_nor_the_last(self):
        one = {
            "machine": {"processor": "one", "accelerators": []},
            "versions": {"keras": "3.1"},
            "strategy": "one",
            "normalized_parts": 1,
            "dependent_replicas": 1,
        }
        whole = {**one, "processes": [one]}
        # As a result of an earlier version, which told of the last process.
        self.assertEmpty(circumstances.differences(whole, one))
        for name, value, of in (
            ("machine", {"processor": "two", "accelerators": []}, circumstances.processor),
            ("versions", {"keras": "3.2"}, circumstances.versions),
            ("normalized_parts", 2, circumstances.normalized_parts),
            ("dependent_replicas", 2, circumstances.dependent_replicas),
        ):
            other = {**one, name: value}
            mixed = {**one, "processes": [other, one]}
            self.assertEqual(of(mixed), [of(other), of(one)])
            for each in (whole, one, other, {**other, "processes": [other]}):
                self.assertLen(circumstances.differences(mixed, each), 1)
                self.assertLen(circumstances.differences(each, mixed), 1)
            self.assertEmpty(circumstances.differences(mixed, dict(mixed)))
        # What does not matter to numbers.
        fewer = {**one, "strategy": "mirrored", "machine": {**one["machine"], "cores": 1}}
        self.assertEmpty(circumstances.differences({**one, "processes": [fewer, one]}, one))
        self.assertEqual(circumstances.by_process({"a": 1}, lambda told: told["a"]), [1])


if __name__ == "__main__":
    absltest.main()
