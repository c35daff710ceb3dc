"""The machine that a run is on, since times and speeds of different machines do not compare.

Importing this module does not import TensorFlow, so that a report can put its facts in words.
"""

from __future__ import annotations

import os
import pathlib
import platform
import resource
from collections.abc import Mapping
from typing import Any

_CPUINFO = pathlib.Path("/proc/cpuinfo")
_STATUS = pathlib.Path("/proc/self/status")
# Clouds hide the name of a model, as in "AMD EPYC"; these two numbers tell its generation.
_GENERATION = ("cpu family", "model")
# TensorFlow's own rule, by Linux's names.
_FOR_NETWORKS = {"avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"}
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


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
            for device in tf.config.get_visible_devices()
            if device.device_type in ("GPU", "TPU")
        ],
    }


def processor(path: pathlib.Path = _CPUINFO) -> str:
    """The model of the processor, such as `AMD EPYC (family 25, model 1)`.

    Args:
      path: Linux's list of processors; without such a file, Python's `platform` tells.
    """
    told = _first_processor(path)
    name = told.get("model name") or platform.processor() or platform.machine()
    if all(key in told for key in _GENERATION):
        family, model = (told[key] for key in _GENERATION)
        return f"{name} (family {family}, model {model})"
    return name


def remark(path: pathlib.Path = _CPUINFO) -> list[str]:
    """A line where TensorFlow computes convolutions on CPUs without oneDNN, which is faster.

    TensorFlow for Linux uses oneDNN by default only on processors with instructions for neural
    networks.

    Args:
      path: Linux's list of processors; without such a file, nothing is told.
    """
    features = _first_processor(path).get("flags", "").split()
    if not features or _FOR_NETWORKS & {*features} or os.environ.get(_ONEDNN):
        return []
    return [
        "TensorFlow does not use oneDNN on this processor unless it is told to: with "
        f"{_ONEDNN}=1 in the environment, training is probably faster"
    ]


def _first_processor(path):
    """`{name: value}` of the first of Linux's list; `{}` without one."""
    try:
        first = path.read_text().partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def used(before: Mapping[str, Any]) -> dict[str, Any]:
    """What a run has used of this machine, for its result and its checkpoints.

    Args:
      before: the same of the process that the run continues; `{}` where nothing is known.

    Returns:
      `peak_memory_gib`, the most that any of its processes has had; and `machine`, the `facts` of
      this one.
    """
    peak = max(peak_memory() / 1024, before.get("peak_memory_gib", 0.0))
    return {"peak_memory_gib": round(peak, 2), "machine": facts()}


def peak_memory(path: pathlib.Path = _STATUS) -> float:
    """The most memory that this process has had so far, in MiB.

    `getrusage` begins with the memory of the process that started this one.

    Args:
      path: what Linux tells of this process; without such a file, `getrusage` tells.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError:
        lines = []
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    # Both count in KiB.
    kib = int(found[0]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib / 1024


def in_words(told: dict[str, Any]) -> str:
    """`2 cores of AMD EPYC (family 25, model 1)`, with its accelerators.

    Args:
      told: from `facts`.
    """
    cores = f"{told['cores']} core{'s' * (told['cores'] != 1)} of {told['processor']}"
    names = told["accelerators"]
    counted = [f"{names.count(name)} x {name}" for name in dict.fromkeys(names)]
    return ", ".join([*counted, cores])
