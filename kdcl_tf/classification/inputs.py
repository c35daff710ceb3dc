"""What a run's settings say of its images: the data set, and the students' views of it."""

from __future__ import annotations

from collections.abc import Mapping

from kdcl_tf import data
from kdcl_tf.classification.settings import Settings
from kdcl_tf.data import bad_images

__all__ = ["check_evaluated", "create_views", "load_dataset"]


def load_dataset(settings: Settings, data_dir: str | None) -> data.ImageDataset:
    """The settings' data set, with its held-out images."""
    return data.load(
        settings.dataset,
        data_dir=data_dir,
        holdout_per_class=settings.holdout_per_class,
        train_per_class=settings.train_per_class,
        image_size=settings.image_size,
        distortion=settings.distortion,
        storage=settings.storage,
        skip_bad_images=settings.skip_bad_images,
        default_size=settings.default_image_size,
        tfrecord_image_key=settings.tfrecord_image_key or None,
        tfrecord_label_key=settings.tfrecord_label_key or None,
        rules=settings.image_rules,
        test_share=settings.test_share,
        validation_share=settings.validation_share,
    )


def check_evaluated(settings: Settings, dataset: data.ImageDataset) -> None:
    """Refuses images to evaluate on, or to fit General's weights to, of which none can be decoded.

    Args:
      settings: of the run; only with `skip_bad_images` are there such images.
      dataset: of the images.

    Raises:
      BadImageError: in one line.
    """
    if not settings.skip_bad_images:
        return
    bad_images.check_left(dataset.test, "test images")
    if dataset.validation is not None:
        bad_images.check_left(dataset.validation, "validation images")
    if settings.uses_general:
        bad_images.check_left(dataset.held_out, "held-out images")


def create_views(
    settings: Settings,
    dataset: data.ImageDataset,
    normalizations: Mapping[str, data.Normalization] | None = None,
) -> data.Views | data.EncodedViews:
    """The students' views of the data set, under the settings' distortion.

    Args:
      settings: of the run.
      dataset: of the images.
      normalizations: of students that have their own.
    """
    options = {"cutout": settings.cutout_size} if settings.cutout else {}
    return data.create_views(
        dataset,
        settings.student_names,
        settings.seed,
        settings.invariant,
        normalizations,
        **options,
    )
