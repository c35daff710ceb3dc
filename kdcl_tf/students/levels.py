"""The levels of a student: what its stages give, for heads that need more than logits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

_STAGE = re.compile(r"(?:copy\d+_)?(stem|stage\d+)_")


def feature_levels(model: keras.Model) -> dict[int, str]:
    """The layer that each stage of a student ends with, by the stride of its output.

    Found by the names of layers, so the student may as well have been loaded from a
    file, or be a branch.

    Args:
        model: a student of `build` or `build_branches`, but none of `keras.applications`.

    Returns:
        `{stride: layer name}` in rising order. At stride s the output is
        `[B, ⌈H / s⌉, ⌈W / s⌉, C]`.

        | student | levels |
        |---|---|
        | resnet18, resnet34 | 4, 8, 16, 32: `stage{1..4}_block{last}_relu2` |
        | resnet50, 101, 152 | 4, 8, 16, 32: `stage{1..4}_block{last}_relu3` |
        | mobilenet_v2 | 4, 8, 16, 32: `stage{1..4}_block{last}_add`; `stage4_block4_project_norm` |
        | resnet{6n+2} | 1, 2, 4: `stage{1..3}_block{last}_relu2` |
        | wrn_{6n+4}_{k} | 1, 2, 4: `stage{1..3}_block{last}_add` |

        Those of a branch begin with `copy{k}_` where the branch has them to itself.

    Raises:
        ValueError: for a model without such layers.

    Examples:
        >>> feature_levels(build("resnet18", 1000, (224, 224, 3)))[32]
        'stage4_block2_relu2'
    """
    ends, stride = {}, 1
    for layer in model.layers:
        match = _STAGE.match(layer.name)
        if not match or "_shortcut_" in layer.name:
            continue
        stride *= getattr(layer, "strides", (1, 1))[0]
        # Layers are sorted as they run: the last that is kept ends the stage.
        ends[match[1]] = (stride, layer.name)
    ends.pop("stem", None)
    if not ends:
        raise ValueError(
            f"model {model.name!r} has no layers named stage1_..., stage2_..., ...: expected "
            "a student of kdcl_tf.students.build that is not of keras.applications; got layers "
            f"such as {model.layers[-1].name!r}"
        )
    return dict(ends.values())
