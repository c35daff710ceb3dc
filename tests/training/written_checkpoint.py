"""A checkpoint without variables, for tests of what a run's folder tells."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf.training import manifests


def write_checkpoint(
    workdir: pathlib.Path,
    log: Sequence[Mapping[str, Any]],
    identity: Mapping[str, Any] | None = None,
) -> None:
    """Writes the manifest of a run's first checkpoint, with its log and the facts of its identity."""
    folder = manifests.folder_of(workdir / "checkpoints", 1)
    folder.mkdir(parents=True)
    own = identity or {"settings": {}}
    manifests.write(folder, {"identity": own, "progress": {"log": log}, "variables": []})
