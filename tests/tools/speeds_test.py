"""Tests of tools/verifying/speeds.py: the rows of the table."""

import contextlib
import io
import os
from unittest import mock

import pytest
import tensorflow as tf
from verifying import speeds
from verifying.machine import Machine


class SpeedsTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_rows_without_pytorch(self):
        folder, printed = self.create_tempdir().full_path, io.StringIO()
        with mock.patch.dict(os.environ, KDCL_TORCH_VENV=folder):
            with contextlib.redirect_stdout(printed):
                speeds.show(Machine())
        title, stock, torch, peak = printed.getvalue().splitlines()
        self.assertEqual(title, "float32: a step of resnet8 and wrn_10_1, 32 images")
        self.assertRegex(stock, r"^stock layers over ours: ratio \d")
        self.assertEqual(
            torch,
            f"PyTorch over ours: not applicable: no PyTorch in {folder}; KDCL_TORCH_VENV may name "
            "another environment",
        )
        self.assertRegex(peak, "GFLOP/s: ratio 0")


if __name__ == "__main__":
    tf.test.main()
