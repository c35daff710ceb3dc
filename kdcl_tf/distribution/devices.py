"""Which devices a run's students live on: `--placement` and `--logical_devices`."""

import math

import tensorflow as tf

from kdcl_tf import students
from kdcl_tf.distribution import traffic


def split_cpu(count):
    """Makes logical devices of the CPU, and hides GPUs, before TensorFlow starts.

    They share its cores: for trying out what many devices do, not for speed.

    Raises:
      ValueError: when TensorFlow has started.
    """
    try:
        tf.config.set_visible_devices([], "GPU")
        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError as error:
        raise ValueError(
            f"--logical_devices={count} came too late, TensorFlow has started: {error}"
        ) from error


def of_students(settings, placement):
    """`{student: device}`, students dealt out in turn; `{}` for `--placement=data`.

    Args:
      settings: `Settings`.
      placement: "data" or "student".

    Raises:
      ValueError: for settings whose students cannot live apart, or fewer than two devices.
    """
    if placement == "data":
        return {}
    if settings.is_branched:
        raise ValueError(
            f"--placement=student with --method={settings.method}, whose students share layers: "
            "pass --placement=data"
        )
    if settings.strategy != "one":
        raise ValueError(
            f"--placement=student with --strategy={settings.strategy}, which copies all students "
            "to every device: pass --strategy=one, or --placement=data"
        )
    found = _names()
    if len(found) < 2:
        raise ValueError(
            f"--placement=student wants 2 devices or more, this machine has {len(found)}: pass "
            "--placement=data, or --logical_devices=2 to divide the CPU"
        )
    names = settings.student_names
    return {name: found[index % len(found)] for index, name in enumerate(names)}


def workload(settings, cohort, dataset):
    """The `traffic.Workload` of a run, as far as what travels goes."""
    members = cohort.students.values()
    return traffic.Workload(
        parameters=tuple(students.parameter_count(each) for each in members),
        num_classes=dataset.num_classes,
        batch_size=settings.batch_size,
        view_bytes=4 * math.prod(dataset.image_shape),
        is_shared=not settings.invariant,
        synchronized_channels=tuple(
            layer.moving_mean.shape[0]
            for each in members
            for layer in _layers(each)
            if getattr(layer, "synchronized", False)
        ),
        accumulation_steps=cohort.accumulation_steps,
    )


def _layers(model):
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from _layers(layer)


def _names():
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [each.name for each in found]
