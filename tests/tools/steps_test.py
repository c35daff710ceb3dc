"""Tests of tools/verifying/steps.py: checks that pass here, and fail where something is wrong."""

from unittest import mock

import pytest
import tensorflow as tf
from verifying import cohorts, findings, steps
from verifying.machine import Machine

from kdcl_tf.cohort.compilation import Compilation


def _of(*methods):
    return mock.patch.object(cohorts, "METHODS", methods)


class StepsTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.machine = Machine()

    def _check(self, check):
        """The verdicts of a check, one a finding, and its lines."""
        found = list(check(self.machine))
        return [each.verdict for each in found], " ".join(each.line for each in found)

    def test_a_method_is_the_same_on_another_device(self):
        with _of("MutualLearning"):
            self.assertEqual(self._check(steps.methods)[0], [findings.PASSED])

    def test_other_weights_are_seen(self):
        with _of("Independent"), mock.patch.object(cohorts, "copy", _spoil):
            for check in (steps.methods, steps.mirrored):
                verdicts, lines = self._check(check)
                self.assertEqual(verdicts, [findings.FAILED], lines)
                self.assertRegex(lines, "largest difference 1.0e-03")

    def test_weights_on_another_kind_of_device_are_seen(self):
        # TensorFlow takes a CPU where there is no GPU, and says nothing.
        self.machine.kind = "GPU"
        with _of("Independent"):
            verdicts, lines = self._check(steps.methods)
        self.assertEqual(verdicts, [findings.FAILED])
        self.assertRegex(lines, "RuntimeError: expected weights on a GPU; got them on .*CPU:0")

    @pytest.mark.slow
    def test_two_devices_are_one_device(self):
        with _of("KDCL linear", "ONE"):
            self.assertEqual(self._check(steps.mirrored)[0], [findings.PASSED] * 2)

    @pytest.mark.slow
    def test_synchronised_statistics_of_two_devices_are_those_of_one(self):
        self.assertEqual(self._check(steps.batch_norm)[0], [findings.PASSED])

    def test_on_one_device_alone_two_cannot_be_compared(self):
        with mock.patch.object(Machine, "count", 1), _of("Independent"):
            verdicts, lines = self._check(steps.mirrored)
        self.assertEqual(verdicts, [findings.NOT_APPLICABLE])
        self.assertRegex(lines, "not applicable: one CPU alone$")

    @pytest.mark.slow
    def test_compiled_steps_are_the_others(self):
        self.assertEqual(self._check(steps.compiled)[0], [findings.PASSED] * 2)

    @pytest.mark.slow
    def test_a_step_that_nobody_compiles_is_seen(self):
        with mock.patch.object(
            Compilation, "__call__", lambda self, function, state=None: function
        ):
            verdicts, lines = self._check(steps.compiled)
        self.assertEqual(verdicts, [findings.FAILED] * 2)
        self.assertRegex(lines, "RuntimeError: no part of the step was compiled")

    def test_tf32_is_off_inside_and_as_before_after_it(self):
        enabled = tf.config.experimental.tensor_float_32_execution_enabled
        before = enabled()
        with steps.in_full_precision():
            self.assertFalse(enabled())
        self.assertEqual(enabled(), before)


def _spoil(weights, to):
    """A copy with one weight that is slightly another: the bias of the head, which is zero."""
    for variable, other in zip(to.variables, weights.variables, strict=True):
        variable.assign(other.numpy())
    to.trainable_variables[-1].assign_add([1e-3] * 10)


if __name__ == "__main__":
    tf.test.main()
