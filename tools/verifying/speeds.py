"""The speed table: ours beside Keras's own layers, PyTorch and the matrix product's peak."""

from __future__ import annotations

from benchmarking import cohorts, peak, torch_race
from benchmarking.options import Options

from verifying.machine import Machine


def show(machine: Machine) -> None:
    """Prints the rows, each a ratio of two programs that are timed in turn on one device."""
    for precision in ("float32",) if machine.kind == "CPU" else ("float32", "bfloat16"):
        options = _options(machine, precision)
        print(
            f"{precision}: a step of {' and '.join(options.students)}, {options.batch_size} images",
            flush=True,
        )
        cohorts.compare_batch_norm(options)
        _race(options)
        peak.share(options)


def _race(options):
    if not torch_race.is_at_hand():
        print(
            f"PyTorch over ours: not applicable: no PyTorch in {torch_race.environment()}; "
            "KDCL_TORCH_VENV may name another environment"
        )
        return
    try:
        torch_race.race(options)
    except RuntimeError as error:
        print(f"PyTorch over ours: not applicable: {error}")


def _options(machine, precision):
    """Enough for a figure on an accelerator; on CPUs enough to see that it works."""
    is_small = machine.kind == "CPU"
    return Options(
        students=["resnet8", "wrn_10_1"] if is_small else ["resnet32", "wrn_16_2"],
        precision=precision,
        batch_size=32 if is_small else 128,
        num_classes=100,
        image_size=32,
        pairs=3 if is_small else 15,
        steps=1 if is_small else 10,
        data_dir="",
        images="",
    )
