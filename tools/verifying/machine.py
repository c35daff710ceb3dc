"""The devices that are checked, and what they are compared with."""

from __future__ import annotations

import functools

import tensorflow as tf

from kdcl_tf.distribution import devices, strategies

# Of float32, in one step: what another order of sums makes of it.  On TPUs products of float32 are
# computed from bfloat16.
_STEP_BOUNDS = {"CPU": 1e-5, "GPU": 1e-4, "TPU": 2e-2}
_LOGICAL_DEVICES = 2


class Machine:
    """GPUs, a TPU, or two logical devices of the CPU where there is neither.

    Nothing is computed, and no device taken, before a strategy is asked for, so that other
    processes may use the devices until then.

    Args:
      tpu: its name, "local" on the machine that has it; "" for GPUs or CPUs.

    Attributes:
      kind: "GPU", "TPU" or "CPU".
      step_bound: how far weights may differ from the CPU's after one step.
    """

    def __init__(self, tpu: str = ""):
        self._tpu = tpu
        gpus = tf.config.list_physical_devices("GPU")
        self.kind = "TPU" if tpu else "GPU" if gpus else "CPU"
        if self.kind == "CPU":
            devices.split_cpu(_LOGICAL_DEVICES)
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        self.step_bound = _STEP_BOUNDS[self.kind]

    @property
    def arguments(self) -> list[str]:
        """What tells a program of kdcl_tf to run on one device of this kind."""
        return (
            ["--strategy=tpu", f"--tpu={self._tpu}"] if self.kind == "TPU" else ["--strategy=one"]
        )

    @property
    def is_repeatable(self) -> bool:
        """Whether two runs of a program here are the same bits."""
        return self.kind == "CPU"

    @functools.cached_property
    def reference(self) -> tf.distribute.Strategy:
        """The first CPU, which others are compared with."""
        return tf.distribute.OneDeviceStrategy("CPU:0")

    @property
    def one(self) -> tf.distribute.Strategy:
        """One device: the first accelerator, or the last logical CPU."""
        return self._strategies[0]

    @property
    def all(self) -> tf.distribute.Strategy:
        """All devices."""
        return self._strategies[1]

    @property
    def count(self) -> int:
        """The number of all devices."""
        return self.all.num_replicas_in_sync

    @property
    def told(self) -> str:
        """The machine in words."""
        names = f"{self.count} {'logical ' if self.kind == 'CPU' else ''}devices"
        return f"{names} of kind {self.kind}, TensorFlow {tf.__version__}"

    @functools.cached_property
    def _strategies(self):
        if self.kind == "TPU":
            return _of_tpu(self._tpu)
        name = "GPU:0" if self.kind == "GPU" else f"CPU:{_LOGICAL_DEVICES - 1}"
        return tf.distribute.OneDeviceStrategy(name), strategies.create("mirrored")


def _of_tpu(name):
    """Strategies of one core and of all; written from TensorFlow's documentation, never run."""
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
    tf.config.experimental_connect_to_cluster(resolver)
    topology = tf.tpu.experimental.initialize_tpu_system(resolver)
    core = tf.tpu.experimental.DeviceAssignment.build(topology, num_replicas=1)
    one = tf.distribute.TPUStrategy(resolver, experimental_device_assignment=core)
    return one, tf.distribute.TPUStrategy(resolver)
