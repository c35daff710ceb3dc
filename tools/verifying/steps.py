"""Single steps: on the accelerator and on the CPU, on all devices and on one, compiled and not.

Steps are compared one by one: whatever differs at rounding flips a ReLU sooner or later, and then
runs part.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import tensorflow as tf

from kdcl_tf.cohort.cohort import Cohort
from verifying import cohorts
from verifying.findings import Finding, NotApplicable, measured
from verifying.machine import Machine

# Images of a batch for each device, and one more, so that parts differ in size.
_IMAGES = 8


def methods(machine: Machine) -> Iterator[Finding]:
    """Each method's step on one device against the CPU's."""
    size = _IMAGES if machine.kind == "TPU" else _IMAGES + 1
    for method in cohorts.METHODS:
        compared = f"a step on one {machine.kind} against the CPU's"

        def difference(method=method):
            reference, tested = _pair(method, cohorts.networks, machine.reference, machine.one)
            _require_place(tested, machine.kind)
            return _difference(tested, reference, size)

        yield measured(f"method {method}", compared, machine.step_bound, difference)


def mirrored(machine: Machine) -> Iterator[Finding]:
    """Each method's step on all devices against that on one, with synchronised batch norm."""
    for method in cohorts.METHODS:
        compared = f"a step on {machine.count} devices against one"

        def difference(method=method):
            _require_several(machine)
            one, every = _pair(method, cohorts.small_networks, machine.one, machine.all)
            return _difference(every, one, _size(machine))

        yield measured(f"mirrored {method}", compared, machine.step_bound, difference)


def batch_norm(machine: Machine) -> Iterator[Finding]:
    """A step of whole networks with synchronised batch norm, on all devices against one."""

    def difference():
        _require_several(machine)
        networks = functools.partial(cohorts.networks, synchronized=True)
        one, every = _pair("KDCL min_logit", networks, machine.one, machine.all)
        return _difference(every, one, _size(machine))

    compared = f"a step of resnet8 and wrn_10_1 on {machine.count} devices against one"
    yield measured("synchronised batch norm", compared, machine.step_bound, difference)


def compiled(machine: Machine) -> Iterator[Finding]:
    """A step that XLA compiles against one that it does not, on one device and on all."""
    for name, bound in (("one", 1e-5), ("all", 5e-4)):

        def difference(name=name):
            if machine.kind == "TPU":
                raise NotApplicable("XLA compiles every step on a TPU")
            if name == "all":
                _require_several(machine)
            strategy = getattr(machine, name)
            size = _size(machine)
            plain, tested = _pair(
                "KDCL min_logit", cohorts.networks, strategy, strategy, jit_compile=True
            )
            wanted = cohorts.after_step(plain, size)
            if not is_compiled(cohorts.step(tested, size)):
                raise RuntimeError("no part of the step was compiled")
            return cohorts.difference(cohorts.after_step(tested, size), wanted)

        compared = f"a step compiled against one that is not, on {name} of the devices"
        yield measured("XLA", compared, bound, difference)


@contextlib.contextmanager
def in_full_precision() -> Iterator[None]:
    """Without TF32, which GPUs multiply float32 in: it has 10 bits of the 23 of a fraction."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def is_compiled(function: tf.types.experimental.ConcreteFunction) -> bool:
    """Whether a function of the graph is compiled by XLA."""
    found = function.graph.as_graph_def().library.function
    return any(each.attr["_XlaMustCompile"].b for each in found)


def _pair(method, students, first, second, **options):
    """Two cohorts of the same weights under two strategies; options are of the second."""
    made = []
    for strategy, own in ((first, {}), (second, options)):
        with strategy.scope():
            made.append(cohorts.create(method, students, **own))
    cohorts.copy(made[0], to=made[1])
    return made


def _difference(tested: Cohort, reference: Cohort, size: int) -> float:
    found, wanted = (cohorts.after_step(each, size) for each in (tested, reference))
    return cohorts.difference(found, wanted)


def _size(machine):
    return _IMAGES * machine.count + (machine.kind != "TPU")


def _require_place(cohort, kind):
    """Whatever lies on a CPU in place of the accelerator would be compared with itself."""
    device = tf.DeviceSpec.from_string(cohort.variables[0].value.device)
    if device.device_type != kind:
        raise RuntimeError(f"expected weights on a {kind}; got them on {device.to_string()}")


def _require_several(machine):
    if machine.count == 1:
        raise NotApplicable(f"one {machine.kind} alone")
