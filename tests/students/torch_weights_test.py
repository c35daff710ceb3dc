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


def _has_torchvision():
    program = "import safetensors, torchvision"
    return (
        _PYTHON.exists()
        and not subprocess.run(
            [_PYTHON, "-c", program], env=_environment(), capture_output=True, check=False
        ).returncode
    )


def _environment():
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


_TORCHVISION = """
import sys, numpy, torch, torchvision
name, width, classes, images, weights, logits = sys.argv[1:]
torch.manual_seed(0)
options = {"width_mult": float(width)} if float(width) != 1 else {}
network = getattr(torchvision.models, name)(weights=None, num_classes=int(classes), **options)
for key, value in network.state_dict().items():
    if key.endswith(("running_mean", "running_var")):
        value.uniform_(0.5, 1.5)
torch.save({"state_dict": network.state_dict()}, weights)
with torch.no_grad():
    pixels = torch.from_numpy(numpy.load(images)).permute(0, 3, 1, 2)
    numpy.save(logits, network.eval()(pixels).numpy())
"""


@unittest.skipUnless(
    _has_torchvision(),
    f"{_PYTHON} has no torchvision and safetensors: KDCL_TORCH_VENV may name another",
)
class TorchvisionTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ("resnet18", 65),
        ("resnet34", 64),
        ("resnet50", 64),
        ("resnet101", 64),
        ("resnet152", 64),
        ("mobilenet_v2", 96),
        ("mobilenet_v2_0.5", 65),
    )
    def test_a_network_of_torchvision_gives_the_same_logits_here(self, name, size):
        """From PyTorch's file by tools/convert_weights.py, at random weights."""
        folder = pathlib.Path(self.create_tempdir().full_path)
        x = np.random.default_rng(0).normal(size=(4, size, size, 3)).astype(np.float32)
        np.save(folder / "images.npy", x)
        network, _, width = name.partition("_0")
        names = ("images.npy", "weights.pth", "logits.npy")
        arguments = (
            network,
            f"0{width}" if width else "1",
            "7",
            *(folder / each for each in names),
        )
        run = {"check": True, "env": _environment(), "capture_output": True}
        subprocess.run([_PYTHON, "-c", _TORCHVISION, *arguments], **run)
        converter = _ROOT / "tools" / "convert_weights.py"
        subprocess.run([_PYTHON, converter, folder / "weights.pth"], **run)
        model = students.build(name, 7, (size, size, 3), weights=folder / "weights.safetensors")
        wanted = np.load(folder / "logits.npy")
        scale = abs(wanted).max()
        self.assertAllClose(model(x, training=False) / scale, wanted / scale, rtol=0, atol=1e-5)


if __name__ == "__main__":
    tf.test.main()
