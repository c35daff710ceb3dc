"""Tests of tools/benchmarking/torch_race.py: a real race where PyTorch is, and what is refused."""

import contextlib
import io
import os
import pathlib
import unittest
from unittest import mock

import pytest
import tensorflow as tf
from benchmarking import torch_race
from benchmarking.options import Options

_OPTIONS = Options(
    students=["resnet8"],
    precision="float32",
    batch_size=4,
    num_classes=5,
    image_size=32,
    pairs=1,
    steps=1,
    data_dir="",
    images="",
)


class RaceTest(tf.test.TestCase):
    def _race(self):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            torch_race.race(_OPTIONS)
        return printed.getvalue().splitlines()

    @pytest.mark.slow
    @unittest.skipUnless(torch_race.is_at_hand(), "no PyTorch: KDCL_TORCH_VENV may name one")
    def test_both_modes_are_timed_and_without_a_compiler_eager_alone(self):
        eager, compiled, between = self._race()
        self.assertRegex(eager, r"^PyTorch \S+ eager on cpu over ours: ratio \d")
        self.assertRegex(compiled, r"^PyTorch \S+ compiled on cpu over ours: ratio \d")
        self.assertRegex(between, "^PyTorch compiled over eager: ratio")
        with mock.patch.dict(os.environ, CXX="no_such_compiler"):
            reason, alone = self._race()
        self.assertRegex(reason, "^PyTorch compiled: .* got no no_such_compiler: .*; eager alone")
        self.assertRegex(alone, r"^PyTorch \S+ eager on cpu over ours: ratio \d")

    def test_a_compiler_that_is_there_is_found(self):
        with mock.patch.dict(os.environ, CXX="sh"):
            self.assertEqual(torch_race.missing_compiler(), "")

    def test_a_folder_of_something_else_is_refused_and_stays(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "letter.txt").write_text("kept")
        with mock.patch.dict(os.environ, KDCL_TORCH_VENV=str(folder)):
            self.assertFalse(torch_race.is_at_hand())
            with self.assertRaisesRegex(
                RuntimeError, "expected a virtual environment or no folder"
            ):
                torch_race.race(_OPTIONS)
        self.assertEqual((folder / "letter.txt").read_text(), "kept")


if __name__ == "__main__":
    tf.test.main()
