"""Names and axes of torchvision's ResNets and MobileNetV2, whose networks ours equal.

A ResNet's layers correspond by name: `stage2_block1_conv1` is `layer2.0.conv1`. Those of
MobileNetV2, which torchvision only counts, correspond by their places: every inverted residual is
`features.N`, and its convolutions, each followed by its batch norm, are `conv.0.0`, `conv.1.0` and
`conv.2`.  A file of timm's ResNets has the same names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from kdcl_tf.students import names

__all__ = ["NAMES", "as_student", "of_student"]

# Blocks of MobileNetV2 before each of its stages 1 to 4, the stem's one included.
_BLOCKS_BEFORE = (1, 3, 6, 13)
_HEAD = 18

_PARTS = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "bias": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_COUNTER = ".num_batches_tracked"


def as_student(
    arrays: Mapping[str, np.ndarray], paths: Iterable[str], architecture: str
) -> tuple[dict[str, np.ndarray], list[str]]:
    """A state of torchvision's network as variables of our student.

    Args:
      arrays: `{name in PyTorch: array}`.
      paths: of the student's variables, such as `stem_conv/kernel`.
      architecture: name of the student.

    Returns:
      `({path: array}, names left over)`.  What no path stands for keeps its name, to be refused;
      left over are PyTorch's counters of batches, which nothing needs.
    """
    known = {of_student(path, architecture): path for path in paths}
    counters = [name for name in arrays if name.endswith(_COUNTER)]
    found = {}
    for name, value in arrays.items():
        if not name.endswith(_COUNTER):
            path = known.get(name, name)
            found[path] = _turned(value, path)
    return found, counters


def of_student(path: str, architecture: str) -> str:
    """torchvision's name of one of our variables: `stem_conv/kernel` is `conv1.weight`.

    Raises:
      ValueError: for a student that torchvision does not have.
    """
    family = names.parse(architecture).family
    if family not in NAMES:
        raise ValueError(
            "expected a student that torchvision has, resnet18, 34, 50, 101, 152 or mobilenet_v2; "
            f"got {architecture}"
        )
    layer, part = path.rsplit("/", 1)
    return f"{NAMES[family](layer)}.{_PARTS[part]}"


def _resnet(layer):
    fixed = {"stem_conv": "conv1", "stem_norm": "bn1", "logits": "fc"}
    if layer in fixed:
        return fixed[layer]
    stage, block, rest = re.fullmatch(r"stage(\d)_block(\d+)_(\w+)", layer).groups()
    shortcut = {"shortcut_conv": "downsample.0", "shortcut_norm": "downsample.1"}
    rest = shortcut.get(rest) or rest.replace("norm", "bn")
    return f"layer{stage}.{int(block) - 1}.{rest}"


def _mobilenet_v2(layer):
    fixed = {
        "stem_conv": "features.0.0",
        "stem_norm": "features.0.1",
        "head_conv": f"features.{_HEAD}.0",
        "head_norm": f"features.{_HEAD}.1",
        "logits": "classifier.1",
    }
    if layer in fixed:
        return fixed[layer]
    if layer.startswith("stem_block_"):
        # Its input is not expanded, so that its convolutions are one place further to the front.
        places = {"depthwise": ("0.0", "0.1"), "project": ("1", "2")}
        number, rest = 1, layer.removeprefix("stem_block_")
    else:
        places = {"expand": ("0.0", "0.1"), "depthwise": ("1.0", "1.1"), "project": ("2", "3")}
        stage, block, rest = re.fullmatch(r"stage(\d)_block(\d+)_(\w+)", layer).groups()
        number = _BLOCKS_BEFORE[int(stage) - 1] + int(block)
    convolution, kind = rest.split("_")
    return f"features.{number}.conv.{places[convolution][kind == 'norm']}"


NAMES = {"resnet": _resnet, "mobilenet_v2": _mobilenet_v2}


def _turned(value, path):
    """PyTorch's axes as TensorFlow has them: `[O, I, H, W]` to `[H, W, I, O]`."""
    if value.ndim == 4:
        return value.transpose((2, 3, 0, 1) if "depthwise" in path else (2, 3, 1, 0))
    return value.T if value.ndim == 2 else value
