"""Creates a compiled cohort from settings."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import keras
import tensorflow as tf

from kdcl_tf import data, methods, students
from kdcl_tf.classification.settings import Settings
from kdcl_tf.cohort.cohort import Cohort
from kdcl_tf.objectives import ensembles
from kdcl_tf.serving import teachers
from kdcl_tf.training import optimizers, schedules
from kdcl_tf.training.settings import POLICIES


def create_students(
    settings: Settings,
    num_classes: int,
    image_shape: tuple[int, ...],
    devices: Mapping[str, str] | None = None,
) -> dict[str, keras.Model]:
    """Creates the untrained students, by name, in the order of the settings.

    Args:
      settings: of the run.
      num_classes: of the data set.
      image_shape: `(height, width, channels)`.
      devices: `{name: device}` on which each student's variables are made, or empty.
    """
    dtype = POLICIES[settings.precision]
    if settings.is_branched:
        return students.build_branches(
            settings.students[0],
            num_classes,
            image_shape,
            copies=settings.copies,
            synchronized=settings.synchronized_batch_norm,
            dtype=dtype,
            model_names=settings.student_names,
        )
    made = {}
    for name, architecture in zip(settings.student_names, settings.students):
        with tf.device(devices[name]) if devices else contextlib.nullcontext():
            made[name] = students.build(
                architecture,
                num_classes,
                image_shape,
                synchronized=settings.synchronized_batch_norm,
                dtype=dtype,
                model_name=name,
            )
    return made


def create_cohort(
    settings: Settings,
    members: Mapping[str, keras.Model],
    dataset: data.ImageDataset,
    steps_per_epoch: int,
) -> Cohort:
    """Creates the cohort of the settings' method.

    Args:
      settings: of the run.
      members: what `create_students` returned.
      dataset: its normalised images are what a teacher sees.
      steps_per_epoch: converts the settings' epochs to steps.
    """
    common = {
        "temperature": settings.temperature,
        "distillation_weight": settings.distillation_weight,
    }
    if settings.method == "kdcl":
        return methods.KDCL(members, ensemble=create_ensemble(settings), **common)
    if settings.method == "offline_distillation":
        return methods.OfflineDistillation(members, create_teacher(settings, dataset), **common)
    if settings.method == "one":
        steps = settings.ramp_up_epochs * steps_per_epoch
        return methods.ONE(members, ramp_up_steps=steps, **common)
    method = {
        "independent": methods.Independent,
        "mutual_learning": methods.MutualLearning,
        "clnn": methods.CLNN,
    }
    return method[settings.method](members, **common)


def create_ensemble(settings: Settings) -> ensembles.Ensemble:
    """Creates the `Ensemble` that makes KDCL's soft target."""
    if settings.uses_general:
        ensemble = ensembles.General(settings.general_error, settings.general_constraint)
    else:
        ensemble = ensembles.get(settings.ensemble)
    # Keras would number the ensembles of a process, and checkpoints hold the name.
    ensemble.name = settings.ensemble
    return ensemble


def create_teacher(settings: Settings, dataset: data.ImageDataset) -> teachers.ServedTeacher:
    """Loads the frozen teacher of `--teacher`.

    Raises:
      ValueError: when there is none, or when it takes images of another shape.
    """
    teacher = teachers.ServedTeacher(
        settings.teacher,
        **dataset.normalization.as_card(),
        class_names=dataset.class_names,
        match_classes=settings.match_classes,
    )
    shape = tuple(teacher.card["image_shape"])
    if shape != tuple(dataset.image_shape):
        raise ValueError(
            f"expected a --teacher of images of shape {list(dataset.image_shape)}, those of "
            f"{dataset.name}; got one of {list(shape)} in {settings.teacher}: pass one trained "
            "on the same data"
        )
    return teacher


def create_compiled(
    settings: Settings,
    dataset: data.ImageDataset,
    steps_per_epoch: int,
    devices: Mapping[str, str] | None = None,
) -> Cohort:
    """Creates the compiled cohort, initialised from the settings' seed alone."""
    keras.utils.set_random_seed(settings.seed)
    members = create_students(settings, dataset.num_classes, dataset.image_shape, devices)
    cohort = create_cohort(settings, members, dataset, steps_per_epoch)
    cohort.compile(
        optimizer=optimizers.CoupledSGD(
            schedules.create(settings, steps_per_epoch),
            momentum=settings.momentum,
            coupled_weight_decay=settings.weight_decay,
            name="optimizer",
        ),
        accumulation_steps=settings.accumulation_steps,
        devices=devices,
    )
    return cohort
