"""Tests of kdcl_tf.serving.formats.checking."""

import pathlib
import tempfile
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized

from kdcl_tf.serving.formats import checking
from kdcl_tf.serving.formats.processes import Ran

_EXPECTED = np.eye(4, dtype=np.float32)


class _Answering:
    """In the place of `Runtimes`: the same logits for any file."""

    def __init__(self, logits):
        self._logits = logits

    def run(self, runtime, file, **facts):
        return Ran(self._logits, 0.002)


class CheckingTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = pathlib.Path(folder.name) / "a.onnx"
        self.file.write_bytes(bytes(1234))

    def _checked(self, form, logits, labels=(0, 1, 2, 0), expected=_EXPECTED):
        runtimes = _Answering(np.asarray(logits, np.float32))
        return checking.checked(self.file, form, runtimes, expected, np.array(labels))

    def test_known_figures(self):
        logits = _EXPECTED.copy()
        logits[3] = [0.5, 0.0, 0.0, 0.25]
        found = checking.measured(logits, _EXPECTED, np.array([0, 1, -1, 0]), 10, 0.5)
        self.assertEqual(found, checking.Measured(4, 10, 1.0, 0.75, 0.75, 500.0, labelled=3))
        found = checking.measured(logits, _EXPECTED, np.full([4], -1), 10, 0.5)
        self.assertIsNone(found.top_1)
        # A tie is a miss, as everywhere else.
        tied = checking.measured(np.array([[1.0, 1.0, 0.0]]), np.eye(3)[:1], np.array([0]), 10, 0.5)
        self.assertEqual((tied.top_1, tied.agreement), (0.0, 1.0))
        self.assertNotIn("top_1", found.facts)
        self.assertEqual(found.facts["agreement"], 0.75)

    @parameterized.parameters("saved_model", "keras", "weights", "litert", "onnx")
    def test_logits_in_float32_are_bounded(self, form):
        found = self._checked(form, _EXPECTED + 0.0009)
        self.assertEqual((found.bytes, found.agreement, found.top_1), (1234, 1.0, 0.75))
        with self.assertRaisesRegex(
            checking.BoundError,
            "^a.onnx is not written: expected logits within 0.001 of the .* 0.0011$",
        ):
            self._checked(form, _EXPECTED + 0.0011)

    def test_large_logits_may_differ_by_what_float32_has(self):
        large = 1000.0 * _EXPECTED
        self._checked("onnx", large + 0.009, expected=large)
        with self.assertRaisesRegex(checking.BoundError, "expected logits within 0.01 of the"):
            self._checked("onnx", large + 0.011, expected=large)

    @parameterized.parameters(("litert_float16", 0.99), ("litert_int8", 0.95))
    def test_classes_of_others_are_bounded(self, form, least):
        self.assertEqual(self._checked(form, 3.0 * _EXPECTED).largest_difference, 2.0)
        message = f"expected the student's class of at least {least:.0%} of 4 images; got 75.0%"
        with self.assertRaisesRegex(checking.BoundError, message):
            self._checked(form, np.eye(4)[[0, 1, 2, 2]])

    @parameterized.parameters("onnx", "litert_int8")
    def test_what_is_no_logits_misses_every_bound(self, form):
        for logits in (np.full([4, 4], np.nan), np.eye(3)):
            with self.assertRaisesRegex(
                checking.BoundError, r"expected finite logits \[4, 4\]; got"
            ):
                self._checked(form, logits)

    def test_a_file_that_cannot_be_run_misses_its_bound(self):
        runtimes = mock.Mock()
        runtimes.run.side_effect = ValueError("litert cannot run it")
        with self.assertRaisesRegex(
            checking.BoundError, "a.onnx is not written: litert cannot run"
        ):
            checking.checked(self.file, "onnx", runtimes, _EXPECTED, np.zeros(4))

    def test_the_table(self):
        rows = [
            ("a.onnx", checking.Measured(4, 1_234_000, 0.5, 1.0, 2.5e-7, 1.5)),
            ("longer.tflite", checking.Measured(4, 40_000_000, None, 0.961, 0.5, 12.25)),
        ]
        self.assertEqual(
            checking.table(rows),
            "file               size  top-1  agreement  largest difference  ms an image\n"
            "a.onnx          1.23 MB  50.0%     100.0%             2.5e-07         1.50\n"
            "longer.tflite  40.00 MB      -      96.1%                 0.5        12.25\n"
            "run on 4 images",
        )
        some = [("a.onnx", checking.Measured(4, 1_234_000, 0.5, 1.0, 2.5e-7, 1.5, labelled=2))]
        self.assertEndsWith(
            checking.table(some), "run on 4 images, of which 2 are in folders of classes"
        )


if __name__ == "__main__":
    absltest.main()
