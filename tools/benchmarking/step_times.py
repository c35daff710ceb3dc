"""How long a step takes on several devices, and at which batch a student a device is faster.

Formulas of plain numbers on top of `kdcl_tf.distribution.traffic`, whose letters they use.
Besides, F_i is the floating-point operations that student i spends on an image, forward and
backward: about 6 times its multiply-adds forward (the argument `flops`, one for each student).
R is the operations a device does a second, and W the bytes a link moves a second in each
direction.
"""

import dataclasses

from kdcl_tf.distribution import traffic


@dataclasses.dataclass(frozen=True)
class Machine:
    """What it is trained on.

    Attributes:
      devices: D.
      flops_per_second: R, that a device reaches on these students.
      bytes_per_second: W, of a link, in each direction.
    """

    devices: int
    flops_per_second: float
    bytes_per_second: float


def data_seconds(workload, flops, machine):
    """The time of a data parallel step: computing, then reducing."""
    computing = sum(flops) * workload.batch_size / machine.devices
    sent = traffic.ring_all_reduce_bytes(traffic.reduced_numbers(workload), machine.devices)
    return computing / machine.flops_per_second + sent / machine.bytes_per_second


def student_seconds(workload, flops, machine):
    """The time of a step with a student a device: the busiest device, then logits."""
    computing = busiest_flops(flops, machine.devices) * workload.batch_size
    sent = traffic.student_bytes(workload, machine.devices)
    return computing / machine.flops_per_second + sent / machine.bytes_per_second


def busiest_flops(flops, devices):
    """Operations an image of the device whose students need most."""
    return max(sum(flops[first::devices]) for first in range(devices))


def crossover_bytes(workload, devices):
    """The batch at which both exchange as many bytes: below, a student a device is less.

    (D - 1) P / (C * students away), for D = M so P / C; infinite where nothing is away.
    """
    apart = traffic.away(workload, devices)
    if not apart:
        return float("inf")
    return (devices - 1) * traffic.reduced_numbers(workload) / (workload.num_classes * apart)


def crossover_seconds(workload, flops, machine):
    """The batch at which both take as long: below, a student a device is faster.

    Where students are unlike, the lead of data parallel grows with the batch, by what the
    busiest device has more than its share, and its all-reduce does not.
    """
    devices, rate = machine.devices, machine.flops_per_second
    uneven = busiest_flops(flops, devices) - sum(flops) / devices
    logits = 2 * traffic.BYTES * workload.num_classes * traffic.away(workload, devices)
    of_an_image = uneven / rate + logits / machine.bytes_per_second
    if not of_an_image:
        return float("inf")
    reducing = traffic.ring_all_reduce_bytes(traffic.reduced_numbers(workload), devices)
    return reducing / machine.bytes_per_second / of_an_image
