"""Tests of tools/verifying/findings.py: what passes, what fails, and how it is told."""

import math

from absl.testing import absltest, parameterized
from verifying import findings
from verifying.findings import Finding, NotApplicable, measured


class FindingTest(parameterized.TestCase):
    @parameterized.parameters(
        (1e-5, 1e-5, findings.PASSED),
        (2e-5, 1e-5, findings.FAILED),
        (0.0, 0.0, findings.PASSED),
        (1e-38, 0.0, findings.FAILED),
        (math.nan, 1e-5, findings.FAILED),
        (math.inf, 1e-5, findings.FAILED),
    )
    def test_a_difference_within_the_bound_passes(self, difference, bound, verdict):
        self.assertEqual(measured("a", "b", bound, lambda: difference).verdict, verdict)

    def test_lines(self):
        self.assertEqual(
            Finding("XLA", "a step against a step", 5e-4, 2.5e-6).line,
            "XLA: a step against a step: largest difference 2.5e-06, bound 5e-04: passed",
        )
        self.assertEqual(
            Finding("resume", "a run against a run", 0.0, 0.5).line,
            "resume: a run against a run: largest difference 5.0e-01, bit for bit: FAILED",
        )

    def test_what_cannot_be_measured_is_told(self):
        def alone():
            raise NotApplicable("one GPU alone")

        def broken():
            raise RuntimeError("two words\nand a page")

        found = measured("mirrored", "b", 1.0, alone)
        self.assertEqual(found.line, "mirrored: b: not applicable: one GPU alone")
        found = measured("mirrored", "b", 1.0, broken)
        self.assertEqual(found.line, "mirrored: b: FAILED: RuntimeError: two words")


if __name__ == "__main__":
    absltest.main()
