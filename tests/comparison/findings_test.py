"""Tests of kdcl_tf.comparison.findings."""

import json

import numpy as np
from absl.testing import absltest
from scipy import stats

from kdcl_tf.comparison import findings

_MACHINE = {"processor": "one", "accelerators": []}
_DATA = {"name": "digits", "num_test": 360, "num_train": 100}


def _results(**accuracies):
    """`{seed: result}` of `{student: [accuracy of each seed]}`."""
    count = len(next(iter(accuracies.values())))
    return {
        seed: {
            "data": _DATA,
            "machine": _MACHINE,
            "students": {name: {"accuracy": each[seed]} for name, each in accuracies.items()},
        }
        for seed in range(count)
    }


_NAMES = {"small": "small", "large_one": "large_one"}


class FindingsTest(absltest.TestCase):
    def test_gains_are_points_paired_by_seed(self):
        alone = _results(small=[0.5, 0.8, 0.6], large_one=[0.5, 0.5, 0.5])
        cohort = _results(small=[0.51, 0.85, 0.59], large_one=[0.5, 0.5, 0.5])
        found = findings.findings(alone, cohort, _NAMES)["students"]
        small = found["small"]
        np.testing.assert_allclose(small["gains"], [1.0, 5.0, -1.0])
        for name, expected in (("median", 1.0), ("mean", 5 / 3), ("least", -1), ("greatest", 5)):
            self.assertAlmostEqual(small[name], expected)
        self.assertEqual((small["alone"], small["cohort"]), ([0.5, 0.8, 0.6], [0.51, 0.85, 0.59]))
        low, high = stats.t.interval(0.95, 2, 5 / 3, stats.sem([1.0, 5.0, -1.0]))
        np.testing.assert_allclose(small["interval"], [low, high])
        self.assertAlmostEqual(small["deviation"], np.std([1.0, 5.0, -1.0], ddof=1))
        self.assertEqual(found["large_one"]["interval"], [0.0, 0.0])

    def test_two_seeds_have_no_interval_and_json_holds_all(self):
        found = findings.findings(
            _results(small=[0.5, 0.8]), _results(small=[0.6, 0.7]), {"small": "small"}
        )
        self.assertNotIn("interval", found["students"]["small"])
        self.assertEqual(json.loads(json.dumps(found)), found)

    def test_what_else_than_the_method_differs_is_told_with_its_seeds(self):
        alone, cohort = _results(small=[0.5, 0.8, 0.6]), _results(small=[0.6, 0.7, 0.6])
        for seed in (0, 2):
            cohort[seed]["normalized_parts"] = 2
        cohort[2]["versions"] = {"keras": "3.1"}
        found = findings.findings(alone, cohort, {"small": "small"})
        parts, versions, *of_seeds = found["remarks"]
        self.assertRegex(
            parts,
            "^With seeds 0, 2 the cohort and the students alone differ in the number of parts .*: the gain",
        )
        self.assertRegex(versions, "^With seed 2 .* alone differ in the version of")
        self.assertContainsSubset([parts, versions], findings.table(found).splitlines())
        self.assertLen(of_seeds, 2)

    def test_seeds_that_were_not_run_alike_are_told(self):
        alone, cohort = _results(small=[0.5, 0.8, 0.6]), _results(small=[0.6, 0.7, 0.6])
        self.assertEmpty(findings.findings(alone, cohort, {"small": "small"})["remarks"])
        for results in (alone, cohort):
            results[1]["machine"] = {"processor": "two", "accelerators": []}
            results[2]["versions"] = {"keras": "3.1"}
        processor, versions = findings.findings(alone, cohort, {"small": "small"})["remarks"]
        self.assertRegex(processor, "^The seeds differ in the processor, .*: how far apart their")
        self.assertRegex(versions, "^The seeds differ in the version of kdcl_tf, TensorFlow or")

    def test_processors_that_nobody_recorded_are_not_the_same(self):
        alone, cohort = _results(small=[0.5, 0.8]), _results(small=[0.6, 0.7])
        for results in (alone, cohort):
            for seed in (0, 1):
                del results[seed]["machine"]
        (told,) = findings.findings(alone, cohort, {"small": "small"})["remarks"]
        self.assertRegex(told, "^With seeds 0, 1 the processor of neither the cohort nor the")

    def test_branches_are_compared_with_the_one_network(self):
        names = {"resnet8": "resnet8", "resnet8_2": "resnet8"}
        cohort = _results(resnet8=[0.75], resnet8_2=[0.25])
        found = findings.findings(_results(resnet8=[0.5]), cohort, names)["students"]
        self.assertEqual([each["gains"] for each in found.values()], [[25.0], [-25.0]])


class TableTest(absltest.TestCase):
    def _lines(self, alone, cohort):
        found = findings.findings(
            _results(small=alone, large_one=alone), _results(small=cohort, large_one=alone), _NAMES
        )
        return findings.table(found).splitlines()

    def test_one_seed(self):
        expected = (
            "Test accuracy on 360 images of digits, trained on 100 (one seed)",
            "student     alone   in the cohort    gain",
            "small      50.00%          52.50%   +2.50",
            "large_one  50.00%          50.00%   +0.00",
        )
        self.assertEqual(self._lines([0.5], [0.525]), list(expected))

    def test_images_that_could_not_be_decoded_are_not_counted(self):
        found = findings.findings(_results(small=[0.5]), _results(small=[0.6]), {"small": "small"})
        found["data"] = {**_DATA, "left_out": {"train": 3, "test": 60, "validation": 1}}
        self.assertStartsWith(
            findings.table(found), "Test accuracy on 300 images of digits, trained on 97 (one seed)"
        )

    def test_several_seeds_show_each_gain(self):
        head, heads, small, _ = self._lines([0.5, 0.5, 0.5], [0.51, 0.52, 0.54])
        self.assertEndsWith(head, "(3 seeds: medians of accuracies and of paired gains)")
        self.assertRegex(heads, "gain +mean +95% interval +by seed$")
        self.assertRegex(
            small,
            r"^small +50.00% +52.00% +\+2.00 +\+2.33 +-1.46 to \+6.13 +\+1.00, \+2.00, \+4.00$",
        )
        heads = self._lines([0.5, 0.5], [0.6, 0.6])[1]
        self.assertRegex(heads, "gain +mean +by seed$")


class BalancedTest(absltest.TestCase):
    def test_where_classes_differ_in_size_balanced_accuracy_is_told(self):
        alone, cohort = (
            _results(small=[0.5], large_one=[0.5]),
            _results(small=[0.6], large_one=[0.5]),
        )
        for results, balanced in ((alone, 0.25), (cohort, 0.375)):
            for student in results[0]["students"].values():
                student["balanced_accuracy"] = balanced
        found = findings.findings(alone, cohort, _NAMES)
        self.assertEqual(found["students"]["small"]["balanced_alone"], [0.25])
        self.assertEqual(found["students"]["small"]["balanced_cohort"], [0.375])
        *_, head, columns, small, large = findings.table(found).splitlines()
        self.assertStartsWith(head, "Balanced accuracy, the mean of the accuracies of the classes")
        self.assertEqual(small.split(), ["small", "25.00%", "37.50%"])
        del cohort[0]["students"]["small"]["balanced_accuracy"]
        self.assertNotIn(
            "balanced_alone", findings.findings(alone, cohort, _NAMES)["students"]["small"]
        )


if __name__ == "__main__":
    absltest.main()
