"""Tests that weights of PyTorch's networks for CIFAR fit ours, where PyTorch is installed."""

import os
import pathlib
import re
import subprocess
import unittest

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import students
from tests.students.plain_layers import images, move_statistics

_ROOT = pathlib.Path(__file__).parents[2]
# The environment that `tools/benchmark.py --what=torch` makes.
_PYTHON = pathlib.Path(os.environ.get("KDCL_TORCH_VENV", _ROOT / ".venv-torch")) / "bin" / "python"


def _torch_name(layer, wide, blocks):
    """The name of one of our layers in `torch_peer.Network`'s state."""
    fixed = {"stem_conv": "features.0", "stem_norm": "features.1", "logits": "logits"}
    fixed["head_norm"] = f"features.{1 + 3 * blocks}"
    if layer in fixed:
        return fixed[layer]
    stage, block, rest = re.fullmatch(r"stage(\d)_block(\d+)_(\w+)", layer).groups()
    rest = {
        "shortcut_conv": "shortcut" if wide else "shortcut.0",
        "shortcut_norm": "shortcut.1",
    }.get(rest, rest)
    first = 1 if wide else 3  # After stem_conv alone, or also its norm and ReLU.
    return f"features.{first + (int(stage) - 1) * blocks + int(block) - 1}.{rest}"


def _torch_weights(model, wide, blocks):
    """`{name: array}` of a student in PyTorch's names and shapes."""
    weights = {}
    for layer in model.layers:
        if not layer.weights:
            continue
        name, values = _torch_name(layer.name, wide, blocks), layer.get_weights()
        if len(values) == 4:
            parts = ("weight", "bias", "running_mean", "running_var")
        else:
            parts = ("weight", "bias")
            values[0] = values[0].transpose((3, 2, 0, 1) if values[0].ndim == 4 else (1, 0))
        weights.update({f"{name}.{part}": value for part, value in zip(parts, values)})
    return weights


@unittest.skipUnless(_PYTHON.exists(), f"{_PYTHON} is not there: KDCL_TORCH_VENV may name another")
class TorchWeightsTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(name=("resnet32", "wrn_16_2"), size=(32, 33))
    def test_the_same_weights_give_the_same_logits(self, name, size):
        wide = name.startswith("wrn")
        model = students.build(name, 100, (size, size, 3))
        move_statistics(model)
        x = images(model, count=8)
        folder = pathlib.Path(self.create_tempdir().full_path)
        weights = _torch_weights(model, wide, blocks=2 if wide else 5)
        np.savez(folder / "weights.npz", images=x, **weights)
        program = _ROOT / "tools" / "benchmarking" / "torch_logits.py"
        files = (folder / "weights.npz", folder / "logits.npy")
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        subprocess.run([_PYTHON, program, name, *files], check=True, env=environment)
        wanted = np.load(folder / "logits.npy")
        scale = abs(wanted).max()
        self.assertAllClose(model(x, training=False) / scale, wanted / scale, rtol=0, atol=1e-5)


if __name__ == "__main__":
    tf.test.main()
