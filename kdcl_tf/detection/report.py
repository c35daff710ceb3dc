"""What a run has reached, and COCO's figures, as lines for a person."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

# The most classes whose AP is printed; all are in the result.
_CLASSES_SHOWN = 20


def of_run(result: Mapping[str, Any], path: pathlib.Path) -> str:
    """What a person reads at the end of a run: COCO's figures, and where everything is."""
    return "\n".join(
        [
            *figures(result, "test_"),
            f"{result['parameters']:,} parameters, {path / result['detector']}",
            f"plot: {path / 'curves.png'}; numbers: {path / 'result.json'}",
        ]
    )


def figures(result: Mapping[str, Any], prefix: str = "") -> list[str]:
    """A line for boxes and one for masks, if there are any, and below each AP by class.

    Args:
      result: COCO's figures by name, see `CocoScorer.result`.
      prefix: of the names.
    """
    lines = []
    for kind in ("box", "mask"):
        values = {
            name: result.get(f"{prefix}{kind}_{name}") for name in ("ap", "ap50", "ap75", "ar100")
        }
        if f"{prefix}{kind}_ap" in result:
            parts = [f"{name.upper()} {_percent(value)}" for name, value in values.items()]
            lines.append(f"{kind}: {', '.join(parts)}")
            lines.extend(_by_class(result, f"{prefix}{kind}_ap/", f"{kind} AP by class"))
    return lines


def _by_class(result, prefix, title):
    """The line of AP by class; of many classes the best and the worst."""
    found = {name.removeprefix(prefix): result[name] for name in result if name.startswith(prefix)}
    if not found:
        return []
    if len(found) > _CLASSES_SHOWN:
        ranked = sorted((name for name in found if found[name] is not None), key=found.get)
        half = _CLASSES_SHOWN // 2
        title = f"{title}, the best and the worst {half} of {len(ranked)}"
        found = {name: found[name] for name in [*ranked[: -half - 1 : -1], *ranked[half - 1 :: -1]]}
    return [f"{title}: {', '.join(f'{name} {_percent(value)}' for name, value in found.items())}"]


def _percent(value):
    return "none" if value is None else f"{value:.1%}"
