"""A model of the time of a step on several devices, and of when one student per device is faster.

The formulas use the letters of `kdcl_tf.distribution.traffic`.  Besides, F_i is the number of
floating-point operations that student i spends on an image, forward and backward: about 6 times
the multiply-adds of its forward pass (the argument `flops`, one number for each student).  R is
the number of operations that a device does per second, and W the bytes that a link moves per
second in each direction.
"""

import dataclasses
from collections.abc import Sequence

from kdcl_tf.distribution import traffic


@dataclasses.dataclass(frozen=True)
class Machine:
    """The devices that train the students.

    Attributes:
      devices: D, their number.
      flops_per_second: R, which a device reaches on these students.
      bytes_per_second: W of a link, in each direction.
    """

    devices: int
    flops_per_second: float
    bytes_per_second: float


def data_seconds(workload: traffic.Workload, flops: Sequence[float], machine: Machine) -> float:
    """The seconds of a data parallel step: computing, then reducing the gradients."""
    computing = sum(flops) * workload.batch_size / machine.devices
    sent = traffic.ring_all_reduce_bytes(traffic.reduced_numbers(workload), machine.devices)
    return computing / machine.flops_per_second + sent / machine.bytes_per_second


def student_seconds(workload: traffic.Workload, flops: Sequence[float], machine: Machine) -> float:
    """The seconds of a step with one student per device: the busiest device, then the logits."""
    computing = busiest_flops(flops, machine.devices) * workload.batch_size
    sent = traffic.student_bytes(workload, machine.devices)
    return computing / machine.flops_per_second + sent / machine.bytes_per_second


def busiest_flops(flops: Sequence[float], devices: int) -> float:
    """The operations per image of the device whose students need the most."""
    return max(sum(flops[first::devices]) for first in range(devices))


def crossover_bytes(workload: traffic.Workload, devices: int) -> float:
    """The batch size below which one student per device exchanges fewer bytes than data parallel.

    It is (D - 1) P / (C * away), with `away` the students that are not on the first device; for
    D = M that is P / C.  It is infinite if no student is away.
    """
    apart = traffic.away(workload, devices)
    if not apart:
        return float("inf")
    return (devices - 1) * traffic.reduced_numbers(workload) / (workload.num_classes * apart)


def crossover_seconds(
    workload: traffic.Workload, flops: Sequence[float], machine: Machine
) -> float:
    """The batch size below which one student per device is faster than data parallel.

    If students differ, the busiest device has more than its share to compute, and that excess
    grows with the batch, while the all-reduce of data parallel does not.
    """
    devices, rate = machine.devices, machine.flops_per_second
    uneven = busiest_flops(flops, devices) - sum(flops) / devices
    logits = 2 * traffic.BYTES * workload.num_classes * traffic.away(workload, devices)
    of_an_image = uneven / rate + logits / machine.bytes_per_second
    if not of_an_image:
        return float("inf")
    reducing = traffic.ring_all_reduce_bytes(traffic.reduced_numbers(workload), devices)
    return reducing / machine.bytes_per_second / of_an_image
