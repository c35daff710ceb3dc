"""From settings to a compiled cohort."""

import contextlib

import keras
import tensorflow as tf

from kdcl_tf import methods, students
from kdcl_tf.objectives import ensembles
from kdcl_tf.serving import teachers
from kdcl_tf.training import optimizers, schedules
from kdcl_tf.training.settings import POLICIES


def create_students(settings, num_classes, image_shape, devices=None):
    """`{name: keras.Model}`, fresh, in the order of the settings.

    `devices` is a `{name: device}`, where each student's variables are made, or empty.
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


def create_cohort(settings, members, dataset, steps_per_epoch):
    """The cohort of the settings' method.

    Args:
      settings: `Settings`.
      members: what `create_students` gave.
      dataset: `data.ImageDataset`, whose normalised images a teacher will see.
      steps_per_epoch: counts what the settings count in epochs.
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


def create_ensemble(settings):
    """The `Ensemble` that KDCL's soft target is made by."""
    if settings.uses_general:
        ensemble = ensembles.General(settings.general_error, settings.general_constraint)
    else:
        ensemble = ensembles.get(settings.ensemble)
    # Keras would count the ensembles of a process, and checkpoints hold the name.
    ensemble.name = settings.ensemble
    return ensemble


def create_teacher(settings, dataset):
    """The frozen teacher of `--teacher`.

    Raises:
      ValueError: when there is none, or one for other images.
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
            f"--teacher={settings.teacher} takes images of {list(shape)}, {dataset.name} has "
            f"{list(dataset.image_shape)}: pass one trained on the same data"
        )
    return teacher


def create_compiled(settings, dataset, steps_per_epoch, devices=None):
    """The cohort with its optimizer, initialised from the settings' seed alone."""
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
