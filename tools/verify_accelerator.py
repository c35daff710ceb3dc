"""Checks on a machine with GPUs or a TPU what machines with CPUs alone cannot tell.

    bash tools/verify_accelerator.sh                               all checks, then the speed table
    bash tools/verify_accelerator.sh --check=xla --check=resume    some of them
    bash tools/verify_accelerator.sh --tpu=local                   on a TPU (never run so far)

Prints one line for each check: its name, what was compared, the largest difference, the bound, and
whether it has passed.  The status is 1 if one has failed.  Without an accelerator the same code
runs on two logical devices of the CPU.  Float32 is compared in full precision, without TF32; the
speed table is measured with TF32, as users have it.  KDCL_TORCH_VENV names an environment with
PyTorch, which the table compares with.
"""

from __future__ import annotations

from absl import flags

from kdcl_tf import files
from kdcl_tf.programs import command_line

# Of processes, which run first, before this one takes the devices; and of single steps.
_OF_RUNS = {
    "resume": "resumed",
    "steps_per_loop": "steps_per_loop",
    "float16": "float16",
    "xla_run": "compiled",
    "detector": "detector",
}
_OF_STEPS = {
    "methods": "methods",
    "mirrored": "mirrored",
    "batch_norm": "batch_norm",
    "xla": "compiled",
}


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines what is checked, and where."""
    names = [*_OF_RUNS, *_OF_STEPS]
    flags.DEFINE_multi_enum(
        "check",
        None,
        names,
        "What to check, all by default. May be repeated. resume: a run that is stopped and continued. "
        "steps_per_loop: several steps in one graph. float16: finite steps with a loss scale, and "
        "resuming them. xla_run: kdcl-train --jit_compile. detector: finite steps of kdcl-detect. "
        "methods: each method's step against the CPU's. mirrored: each method's step on all devices "
        "against one. batch_norm: synchronised over all devices. xla: a compiled step against a plain "
        "one.",
        flag_values=flag_values,
    )
    flags.DEFINE_string("tpu", "", "Name of a TPU; local on the machine that has it.", flag_values)
    flags.DEFINE_bool("speed", True, "Print the speed table at the end.", flag_values)


def main(flag_values: flags.FlagValues) -> None:
    """Runs the checks, prints a line for each, and then the speed table."""
    command_line.import_tensorflow()
    from verifying import speeds
    from verifying.findings import FAILED
    from verifying.machine import Machine

    machine = Machine(flag_values["tpu"].value)
    chosen = flag_values["check"].value or [*_OF_RUNS, *_OF_STEPS]
    found = []
    for finding in _findings(machine, chosen):
        print(finding.line, flush=True)
        found.append(finding)
    failed = [each for each in found if each.verdict == FAILED]
    print(
        f"{machine.told}: {len(found) - len(failed)} of {len(found)} checks passed or do not apply"
    )
    if flag_values["speed"].value:
        speeds.show(machine)
    if failed:
        command_line.fail(f"{len(failed)} of {len(found)} checks failed: {failed[0].line}")


def _findings(machine, chosen):
    from verifying import runs, steps

    with files.temporary_folder("kdcl_verify_") as folder:
        made = runs.Runs(machine, folder)
        for name, function in _OF_RUNS.items():
            if name in chosen:
                yield from getattr(runs, function)(machine, made)
    with steps.in_full_precision():
        for name, function in _OF_STEPS.items():
            if name in chosen:
                yield from getattr(steps, function)(machine)


if __name__ == "__main__":
    command_line.run(define_flags, main)
