"""Which devices compute, and which of them each student of a run lives on."""

import contextlib
import math
from typing import Any

import keras
import tensorflow as tf

from kdcl_tf import data, students
from kdcl_tf.distribution import traffic


def split_cpu(count: int) -> None:
    """Makes logical devices of the CPU, and hides GPUs, before TensorFlow starts.

    They share its cores: this is for trying out several devices, not for speed.

    Raises:
      ValueError: when TensorFlow has started already.
    """
    try:
        tf.config.set_visible_devices([], "GPU")
        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError as error:
        raise ValueError(
            f"logical_devices={count} came too late, TensorFlow has started: {error}"
        ) from error


def leave_gpus() -> None:
    """Hides GPUs, so that all is computed by CPUs; where TensorFlow has started, devices stay."""
    with contextlib.suppress(RuntimeError):
        tf.config.set_visible_devices([], "GPU")


def of_students(settings: Any, placement: str) -> dict[str, str]:
    """`{student: device}`, the devices taken in turn; `{}` for `placement="data"`.

    Args:
      settings: `classification.settings.Settings`.
      placement: "data" or "student".

    Raises:
      ValueError: for settings whose students cannot live apart, or fewer than two devices.
    """
    if placement == "data":
        return {}
    if settings.is_branched:
        raise ValueError(
            "placement=student expected students that share no layers; got "
            f"method={settings.method}, whose students do: pass placement=data"
        )
    if settings.strategy != "one":
        raise ValueError(
            f"placement=student expected strategy=one; got strategy={settings.strategy}, which "
            "copies all students to every device: pass strategy=one, or pass placement=data"
        )
    if settings.jit_compile:
        raise ValueError(
            "placement=student expected nojit_compile, since XLA compiles for one device; got "
            "jit_compile: leave it out, or pass placement=data"
        )
    if settings.precision == "float16":
        raise ValueError(
            "placement=student expected precision=float32 or bfloat16, since float16 needs a loss "
            "scale, which Keras applies on replicas alone; got float16: pass precision=bfloat16, or "
            "placement=data"
        )
    found = _names()
    if len(found) < 2:
        raise ValueError(
            f"placement=student expected 2 devices or more; got {len(found)}: pass placement=data, "
            "or pass logical_devices=2 to divide the CPU"
        )
    names = settings.student_names
    return {name: found[index % len(found)] for index, name in enumerate(names)}


def workload(settings: Any, cohort: keras.Model, dataset: data.ImageDataset) -> traffic.Workload:
    """What `traffic` needs to know of a run, in the epochs in which more than heads are trained.

    Args:
      settings: `classification.settings.Settings`.
      cohort: compiled.
      dataset: that it trains on.
    """
    members, frozen = cohort.networks(), _frozen(settings, cohort)
    layers = {id(each): each for member in members for each in member._flatten_layers()}
    return traffic.Workload(
        parameters=tuple(
            students.parameter_count(each)
            - sum(students.parameter_count(layer) for layer in _among(each, frozen))
            for each in members
        ),
        num_classes=dataset.num_classes,
        batch_size=settings.batch_size,
        view_bytes=4 * math.prod(dataset.image_shape),
        is_shared=not settings.invariant,
        shares_layers=settings.is_branched,
        is_clipped=settings.clips_gradients,
        synchronized_channels=tuple(
            layer.moving_mean.shape[0]
            for key, layer in layers.items()
            if getattr(layer, "synchronized", False) and key not in frozen
        ),
        accumulation_steps=cohort.accumulation_steps,
    )


def _frozen(settings, cohort):
    """`{id: layer}` of the batch norm that --freeze_batch_norm leaves as it is."""
    names = settings.sources if settings.freeze_batch_norm else ()
    return {
        id(layer): layer
        for name in names
        for layer in cohort.students[name].layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }


def _among(model, layers):
    return [each for each in model._flatten_layers() if id(each) in layers]


def _names():
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [each.name for each in found]
