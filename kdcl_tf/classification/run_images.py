"""Images of a run's data, for checks and calibration of what is exported of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdcl_tf import data
from kdcl_tf.classification import task
from kdcl_tf.classification.settings import Settings
from kdcl_tf.files import identity

__all__ = ["load"]


def load(
    settings: Settings, data_dir: str | None, before: Mapping[str, Any]
) -> data.ImageDataset:
    """The data set of a run, as it was trained on.

    Args:
      settings: of the run.
      data_dir: where TFDS keeps its data, or None.
      before: the digest of the data in the run's identity.

    Raises:
      ValueError: when the data is not there, or is not what the run was trained with.
    """
    try:
        dataset = task.load_dataset(settings, data_dir)
    except OSError as error:
        raise ValueError(f"{settings.dataset}, the data of the run, is not found: {error}") from error
    changes = identity.data_changes(before, dataset.digest())
    if changes:
        raise ValueError(
            f"{settings.dataset} is not what the run was trained with: {changes}"
        )
    return dataset
