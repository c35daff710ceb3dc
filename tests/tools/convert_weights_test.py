"""Tests of tools/convert_weights.py; tests/students/torch_weights_test.py runs it with PyTorch."""

import importlib.util
import pathlib
import subprocess
import sys
import types
import unittest.mock

import numpy as np
from absl.testing import absltest

_PATH = pathlib.Path(__file__).parents[2] / "tools" / "convert_weights.py"
_SPEC = importlib.util.spec_from_file_location("convert_weights", _PATH)
convert_weights = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(convert_weights)


class ConvertWeightsTest(absltest.TestCase):
    def test_a_state_is_found_inside_a_checkpoint_and_loses_its_prefix(self):
        weights = {"module.conv1.weight": np.zeros(2), "fc.bias": np.ones(3)}
        for found in (
            weights,
            {"state_dict": weights, "epoch": 3},
            {"model": {"state_dict": weights}},
        ):
            state = convert_weights.state_of(found, np.ndarray)
            self.assertEqual(list(state), ["conv1.weight", "fc.bias"])

    def test_what_wrappers_put_before_all_names_is_left_out(self):
        for prefix in ("model.", "_orig_mod.", "model._orig_mod.", "_orig_mod.module."):
            weights = {f"{prefix}{name}": np.zeros(2) for name in ("conv1.weight", "fc.bias")}
            state = convert_weights.state_of({"state_dict": weights}, np.ndarray)
            self.assertEqual(list(state), ["conv1.weight", "fc.bias"])
        # Not of some of them, where it may be the name of a part.
        weights = {"model.weight": np.zeros(2), "fc.bias": np.zeros(3)}
        self.assertEqual(list(convert_weights.state_of(weights, np.ndarray)), list(weights))

    def test_tensors_that_are_not_dense_are_refused_in_one_line(self):
        class Sparse:
            def contiguous(self):
                raise RuntimeError("no strides\nof a sparse tensor")

        fake = types.SimpleNamespace(Tensor=Sparse, load=lambda *_, **__: {"a": Sparse()})
        target = pathlib.Path(self.create_tempdir().full_path) / "a.safetensors"
        with (
            unittest.mock.patch.dict(sys.modules, {"torch": fake, "safetensors.torch": fake}),
            unittest.mock.patch.object(sys, "argv", ["convert", "a.pth", str(target)]),
            self.assertRaisesRegex(
                SystemExit, "^a.pth: expected dense tensors; got .*no strides of"
            ),
        ):
            convert_weights.main()
        self.assertFalse(target.exists())

    def test_what_is_no_state_is_none(self):
        for found in ([1], {}, {"epoch": 3}, {"a": np.zeros(1), "b": "text"}, {0: np.zeros(1)}):
            self.assertEqual(convert_weights.state_of(found, np.ndarray), {})

    def test_bad_arguments_end_in_one_line(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "there.safetensors").touch()
        for arguments, message in (
            (["a.pth", "b.pth"], "expected a target that ends in .safetensors; got b.pth"),
            (["there.pth"], "expected a new file; got there.safetensors"),
            (
                ["a.pth", "nowhere/b.safetensors"],
                "a folder that is there; got nowhere/b.safetensors",
            ),
        ):
            done = subprocess.run(
                [sys.executable, _PATH, *arguments],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            self.assertEqual(done.returncode, 1)
            self.assertIn(message, done.stderr)
            self.assertLen(done.stderr.splitlines(), 1)

    def test_a_file_is_written_whole_or_not_at_all(self):
        folder = pathlib.Path(self.create_tempdir().full_path)

        def fail(path):
            path.write_bytes(b"half")
            raise ValueError("no space")

        with self.assertRaisesRegex(ValueError, "no space"):
            convert_weights.write(folder / "a.safetensors", fail)
        self.assertEmpty(list(folder.iterdir()))
        convert_weights.write(folder / "a.safetensors", lambda path: path.write_bytes(b"whole"))
        self.assertEqual([each.read_bytes() for each in folder.iterdir()], [b"whole"])


if __name__ == "__main__":
    absltest.main()
