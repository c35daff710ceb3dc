"""Which settings of a classifier go with each other, whatever its method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdcl_tf import data
from kdcl_tf.classification.settings.ramps import Ramp
from kdcl_tf.serving.weight_sources import NORMALIZATIONS
from kdcl_tf.training.settings import FLOAT32, as_text, float32_has

if TYPE_CHECKING:
    from kdcl_tf.classification.settings import Settings

__all__ = ["check", "schedule", "student_that_chooses"]


def check(settings: Settings) -> None:
    """Refuses settings of which one makes the other impossible.

    Args:
      settings: with all defaults, its names and numbers checked.

    Raises:
      ValueError: in one line.
    """
    _check_scheduled_weight(settings)
    _check_data(settings)
    _check_initial_weights(settings)
    if settings.is_branched and len(set(settings.rates.values())) > 1:
        raise ValueError(
            "--learning_rate: branches share their lower layers: expected one for all; got "
            f"{settings.learning_rate}"
        )


def schedule(settings: Settings) -> str:
    """The one text that `distillation_weight_schedule` has for its meaning.

    Raises:
      ValueError: when it cannot be read, or has nothing to weigh.
    """
    text = settings.distillation_weight_schedule
    if text and settings.method == "independent":
        raise ValueError(
            "--distillation_weight_schedule is for methods with a distillation loss; got "
            "--method=independent"
        )
    try:
        return str(Ramp(text)) if text else ""
    except ValueError as error:
        raise ValueError(f"--distillation_weight_schedule: {error}") from None


def student_that_chooses(settings: Settings) -> str:
    """The student whose accuracy chooses the epoch that is kept; "" where it is the last one.

    Raises:
      ValueError: when nothing could choose it, or no student of the run is named.
    """
    by, names = settings.keep_by, settings.student_names
    if settings.keep == "last":
        if by:
            raise ValueError(f"--keep_by={by} is for --keep=best; got --keep=last")
        return ""
    # A folder may have a validation set, but where test images are taken from the others.
    has_none = settings.test_share or not settings.dataset.startswith("folder:")
    if has_none and not settings.validation_share:
        raise ValueError(
            "--keep=best chooses an epoch on a validation set; got none: pass "
            "--validation_share=0.1"
        )
    if not by and len(names) == 1:
        return names[0]
    if by not in names:
        raise ValueError(
            f"expected --keep_by of {', '.join(names)}, whose accuracy on the validation set "
            f"chooses the epoch; got {by or 'none'}"
        )
    return by


def _check_scheduled_weight(settings):
    """A factor with which the weight of the distillation loss is not one of float32."""
    full = settings.distillation_weight
    for _, number in Ramp(settings.distillation_weight_schedule).points:
        weight = number * full
        is_lost = number and full and not weight
        if is_lost or not float32_has(weight):
            least, most = FLOAT32
            raise ValueError(
                "expected --distillation_weight_schedule of numbers whose products with "
                f"--distillation_weight={full} float32 has: 0, or from {least:g} to {most:g}; got "
                f"{number:g}"
            )


def _check_data(settings):
    data.check_storage(settings.dataset, settings.storage)
    data.check_keys(settings.dataset, settings.tfrecord_image_key, settings.tfrecord_label_key)
    data.check_shares(settings.dataset, settings.test_share, settings.validation_share)
    if settings.cutout and settings.distortion != "padded_crop":
        raise ValueError(f"--cutout goes with --distortion=padded_crop; got {settings.distortion}")


def _check_initial_weights(settings):
    sources = settings.sources
    for name in ("train_head_epochs", "freeze_batch_norm"):
        if getattr(settings, name) and not sources:
            raise ValueError(
                f"--{name}={as_text(getattr(settings, name))} is for students that start from "
                "weights: pass --initial_weights, too"
            )
    for name, mode in settings.source_normalizations.items():
        if name not in sources or mode not in NORMALIZATIONS:
            raise ValueError(
                f"expected --initial_normalization of {', '.join(NORMALIZATIONS)}, for students "
                f"of --initial_weights; got {name}={mode}"
            )
