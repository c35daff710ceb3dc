"""How long a user waits for the help, and for the first step."""

import pathlib
import subprocess
import tempfile
import time

import numpy as np

from benchmarking.options import Options
from kdcl_tf.reproduction import child_programs


def time_start_up(options: Options) -> None:
    """Prints the time of `kdcl-train --help`, and from the start of a run to its first step."""
    _show("kdcl-train --help", [_seconds_of_help() for _ in range(options.pairs)])
    first_steps = [_first_step(options) for _ in range(options.pairs)]
    _show("from the start to the end of the first step", first_steps)


def _show(what, seconds):
    low, middle, high = min(seconds), float(np.median(seconds)), max(seconds)
    print(f"{what}: {middle:.2f} s ({low:.2f} to {high:.2f})", flush=True)


def _train(*arguments):
    return child_programs.command("train", arguments)


def _seconds_of_help():
    began = time.perf_counter()
    subprocess.run(_train("--help"), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _first_step(options):
    """Seconds from the start of a run to the end of its first step, after which it is killed."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            f"--students={','.join(options.students)}", f"--batch_size={options.batch_size}",
            "--epochs=1", "--milestones=", f"--workdir={folder}/run",
            "--dataset=cifar100", f"--data_dir={options.data_dir}", "--checkpoint_seconds=0",
        ]  # fmt: skip
        began = time.perf_counter()
        process = subprocess.Popen(
            _train(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        # The first checkpoint is written right after the first step.
        checkpoints = pathlib.Path(folder, "run", "checkpoints")
        while process.poll() is None and not list(checkpoints.glob("step-*")):
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        is_taken = bool(list(checkpoints.glob("step-*")))
        process.kill()
        process.wait()
    if not is_taken:
        raise RuntimeError(
            f"expected a run that takes a step; got status {process.returncode} of {arguments}: "
            "--data_dir names where TFDS keeps CIFAR-100"
        )
    return seconds
