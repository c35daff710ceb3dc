"""The machine that a run ends on: times and speeds of different machines do not compare.

Importing this module does not import TensorFlow, so that a report can put its facts in words.
"""

from __future__ import annotations

import os
import pathlib
import platform
from typing import Any

_CPUINFO = pathlib.Path("/proc/cpuinfo")
# Clouds hide the name of a model, as in "AMD EPYC"; these two numbers tell its generation.
_GENERATION = ("cpu family", "model")


def facts() -> dict[str, Any]:
    """What this process computes with.

    Returns:
      `processor`, in the words of the operating system; `cores`, which this process may use; and
      `accelerators`, the name of each GPU or TPU core.
    """
    import tensorflow as tf

    return {
        "processor": processor(),
        "cores": _cores(),
        "accelerators": [
            tf.config.experimental.get_device_details(device).get("device_name", device.device_type)
            for device in tf.config.list_physical_devices()
            if device.device_type in ("GPU", "TPU")
        ],
    }


def processor(path: pathlib.Path = _CPUINFO) -> str:
    """The model of the processor, such as `AMD EPYC (family 25, model 1)`.

    Args:
      path: Linux's list of processors; without such a file, Python's `platform` tells.
    """
    try:
        first = path.read_text().partition("\n\n")[0]
    except OSError:
        first = ""
    pairs = (line.partition(":") for line in first.splitlines())
    told = {name.strip(): value.strip() for name, _, value in pairs}
    name = told.get("model name") or platform.processor() or platform.machine()
    if all(key in told for key in _GENERATION):
        family, model = (told[key] for key in _GENERATION)
        return f"{name} (family {family}, model {model})"
    return name


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def in_words(told: dict[str, Any]) -> str:
    """`2 cores of AMD EPYC (family 25, model 1)`, with its accelerators.

    Args:
      told: from `facts`.
    """
    cores = f"{told['cores']} core{'s' * (told['cores'] != 1)} of {told['processor']}"
    names = told["accelerators"]
    counted = [f"{names.count(name)} x {name}" for name in dict.fromkeys(names)]
    return ", ".join([*counted, cores])
