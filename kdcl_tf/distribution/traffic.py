"""What travels in a step on several devices, for students on one each and replicas of them all.

Formulas of plain numbers.  Below, P is the parameters of all students, M the students, D the
devices, B the images of a step, and C the classes.

* Data parallel: every device trains all students on B / D images, then gradients are
  summed by a ring all-reduce, in which each device sends 2 (D - 1) / D * 4 P bytes and
  receives as many at the same time; twice where an optimizer clips the sum.  Batch norm that
  is synchronised reduces besides, in every part of the batch, C_l + 1 and C_l numbers of a
  layer of C_l channels, forward and again backward.
* A student a device: student i trains on device i mod D on all B images.  Logits go to
  device 0, and their gradients back: 4 B C bytes each way for every student that is not on
  device 0, whose link carries them all, one direction after the other.
"""

import dataclasses

# Of a float32 number.
BYTES = 4


@dataclasses.dataclass(frozen=True)
class Workload:
    """What is trained.

    Attributes:
      parameters: trained ones of each student; of students that share layers, one number for all.
      num_classes: C.
      batch_size: B, over all devices.
      view_bytes: of one student's view of one image.
      is_shared: whether all students see one view.
      shares_layers: whether students share layers, and so cannot live on devices of their own.
      is_clipped: whether gradients are clipped.
      synchronized_channels: C_l of each synchronised batch norm layer.
      accumulation_steps: parts a batch is run in.
    """

    parameters: tuple[int, ...]
    num_classes: int
    batch_size: int
    view_bytes: int = 0
    is_shared: bool = False
    shares_layers: bool = False
    is_clipped: bool = False
    synchronized_channels: tuple[int, ...] = ()
    accumulation_steps: int = 1


def ring_all_reduce_bytes(numbers: int, devices: int) -> float:
    """What each device sends to sum that many float32 numbers; it receives as much."""
    return 2 * (devices - 1) / devices * BYTES * numbers


def reduced_numbers(workload: Workload) -> int:
    """float32 numbers that data parallel training sums over its devices in a step."""
    statistics = sum(2 * (2 * channels + 1) for channels in workload.synchronized_channels)
    gradients = sum(workload.parameters) * (2 if workload.is_clipped else 1)
    return gradients + workload.accumulation_steps * statistics


def away(workload: Workload, devices: int) -> int:
    """How many students are not on device 0."""
    students = len(workload.parameters)
    return students - len(range(0, students, devices))


def data_bytes(workload: Workload, devices: int) -> float:
    """Bytes that travel between devices in a data parallel step, all of them together."""
    return devices * ring_all_reduce_bytes(reduced_numbers(workload), devices)


def student_bytes(workload: Workload, devices: int) -> int:
    """Bytes that travel between devices in a step with a student a device."""
    logits = BYTES * workload.batch_size * workload.num_classes
    return 2 * logits * away(workload, devices)


def data_image_bytes(workload: Workload) -> int:
    """Bytes of images that all devices together are given in a data parallel step."""
    views = 1 if workload.is_shared else len(workload.parameters)
    return workload.batch_size * workload.view_bytes * views


def student_image_bytes(workload: Workload, devices: int) -> int:
    """The same with a student a device; a shared view goes to each device once."""
    students = len(workload.parameters)
    views = min(devices, students) if workload.is_shared else students
    return workload.batch_size * workload.view_bytes * views


def describe(workload: Workload, devices: int) -> str:
    """One line: what the placements that are possible exchange a step on that many devices."""
    gradients = f"{_megabytes(data_bytes(workload, devices))} of gradients"
    images = _megabytes(data_image_bytes(workload))
    if workload.shares_layers:
        return f"{devices} devices exchange a step: {gradients}; images to devices: {images}"
    return (
        f"{devices} devices exchange a step: --placement=data {gradients}, --placement=student "
        f"{_megabytes(student_bytes(workload, devices))} of logits; images to devices: "
        f"{images} and {_megabytes(student_image_bytes(workload, devices))}"
    )


def _megabytes(count):
    return f"{count / 1e6:,.3f} MB"
