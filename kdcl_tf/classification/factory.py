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
    normalizations: Mapping[str, data.Normalization] | None = None,
) -> Cohort:
    """Creates the cohort of the settings' method.

    Args:
      settings: of the run.
      members: what `create_students` returned.
      dataset: its normalised images are what a teacher sees.
      steps_per_epoch: converts the settings' epochs to steps.
      normalizations: `{student: Normalization}` of their images; by default the data set's.
    """
    common = {
        "temperature": settings.temperature,
        "distillation_weight": settings.distillation_weight,
    }
    if settings.method == "kdcl":
        return methods.KDCL(members, ensemble=create_ensemble(settings), **common)
    if settings.method == "offline_distillation":
        return methods.OfflineDistillation(
            members, create_teacher(settings, dataset, normalizations), **common
        )
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


def create_teacher(
    settings: Settings,
    dataset: data.ImageDataset,
    normalizations: Mapping[str, data.Normalization] | None = None,
) -> teachers.ServedTeacher | dict[str, teachers.ServedTeacher]:
    """Loads the frozen teacher of `--teacher`.

    Args:
      settings: of the run.
      dataset: that students learn.
      normalizations: of the students' images; by default the data set's.

    Returns:
      A teacher; or, where normalisations differ, `{student: teacher}`, the same for images
      normalised as the student's.

    Raises:
      ValueError: when there is none, or when it takes images of another shape.
    """
    wanted = dict(normalizations or {"": dataset.normalization})
    distinct = list(dict.fromkeys(wanted.values()))
    teacher = teachers.ServedTeacher(
        settings.teacher,
        **distinct[0].as_card(),
        class_names=dataset.class_names,
        match_classes=settings.match_classes,
        image_shape=dataset.image_shape,
    )
    shape = tuple(teacher.card["image_shape"])
    if shape != tuple(dataset.image_shape):
        raise ValueError(
            f"expected a --teacher of images of shape {list(dataset.image_shape)}, those of "
            f"{dataset.name}; got one of {list(shape)} in {settings.teacher}: pass one trained "
            "on the same data"
        )
    if len(distinct) == 1:
        return teacher
    same = {each: teacher.renormalized(each) for each in distinct}
    return {name: same[each] for name, each in wanted.items()}


def create_compiled(
    settings: Settings,
    dataset: data.ImageDataset,
    steps_per_epoch: int,
    devices: Mapping[str, str] | None = None,
    normalizations: Mapping[str, data.Normalization] | None = None,
) -> Cohort:
    """Creates the compiled cohort, initialised from the settings' seed alone.

    Args:
      settings, dataset, steps_per_epoch, normalizations: as `create_cohort`.
      devices: as `create_students`.
    """
    keras.utils.set_random_seed(settings.seed)
    members = create_students(settings, dataset.num_classes, dataset.image_shape, devices)
    cohort = create_cohort(settings, members, dataset, steps_per_epoch, normalizations)
    cohort.compile(
        optimizer=create_optimizer(settings, steps_per_epoch),
        jit_compile=settings.jit_compile,
        accumulation_steps=settings.accumulation_steps,
        devices=devices,
    )
    # They were counted when the data was loaded.
    cohort.checks_labels = False
    return cohort


def create_optimizer(
    settings: Settings, steps_per_epoch: int
) -> keras.optimizers.Optimizer | dict[str, keras.optimizers.Optimizer]:
    """Creates the optimizer of all students, or one for each where they have rates of their own."""

    def of_rate(rate, name):
        return optimizers.create(settings, schedules.create(settings, steps_per_epoch, rate), name)

    if not isinstance(settings.learning_rate, str) or settings.is_branched:
        return of_rate(next(iter(settings.rates.values())), "optimizer")
    return {name: of_rate(rate, f"optimizer_{name}") for name, rate in settings.rates.items()}
