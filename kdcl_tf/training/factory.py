"""From settings to a compiled cohort."""

import keras

from kdcl_tf import ensembles, methods, students
from kdcl_tf.training import optimizers, schedules

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def create_students(settings, num_classes, image_shape):
    """`{name: keras.Model}`, fresh, in the order of the settings."""
    return {
        name: students.build(
            architecture,
            num_classes,
            image_shape,
            dtype=POLICIES[settings.precision],
            model_name=name,
        )
        for name, architecture in zip(settings.student_names, settings.students)
    }


def create_cohort(settings, members):
    """The cohort of the settings' method."""
    common = {
        "temperature": settings.temperature,
        "distillation_weight": settings.distillation_weight,
    }
    if settings.method == "kdcl":
        ensemble = ensembles.get(settings.ensemble)
        # Keras would count the ensembles of a process, and checkpoints hold the name.
        ensemble.name = settings.ensemble
        return methods.KDCL(members, ensemble=ensemble, **common)
    method = {"independent": methods.Independent, "mutual_learning": methods.MutualLearning}
    return method[settings.method](members, **common)


def create_compiled(settings, dataset, steps_per_epoch):
    """The cohort with its optimizer, initialised from the settings' seed alone."""
    keras.utils.set_random_seed(settings.seed)
    members = create_students(settings, dataset.num_classes, dataset.image_shape)
    cohort = create_cohort(settings, members)
    cohort.compile(
        optimizer=optimizers.CoupledSGD(
            schedules.create(settings, steps_per_epoch),
            momentum=settings.momentum,
            coupled_weight_decay=settings.weight_decay,
            name="optimizer",
        )
    )
    return cohort
