"""Times the KDCL step and the same step in PyTorch in turn, each PyTorch in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import venv

import tensorflow as tf

import kdcl_tf
from benchmarking import steps, timing
from benchmarking.options import Options

_PEER = pathlib.Path(__file__).parent / "torch_peer.py"
_VERSION = "2.13.0"


def race(options: Options) -> None:
    """Prints the step in PyTorch over ours, eager and compiled by `torch.compile`.

    Raises:
      RuntimeError: when PyTorch cannot run the same step on the same kind of device.
    """
    ours = kdcl_tf.KDCL(steps.students(options))
    counts = [kdcl_tf.students.parameter_count(each) for each in ours.students.values()]
    python, missing = _python(), missing_compiler()
    modes = ("eager",) if missing else ("eager", "compiled")
    if missing:
        print(f"PyTorch compiled: {missing}; eager alone is timed", flush=True)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(_Peer(python, options, mode)) for mode in modes]
        for peer in peers:
            _check(peer.facts, counts)
        runs = [*(peer.run for peer in peers), steps.step_of(ours, options)]
        *theirs, own = timing.in_turn(runs, options.pairs)
    for peer, seconds in zip(peers, theirs):
        name = f"PyTorch {peer.facts['torch']} {peer.mode} on {peer.facts['device']} over ours"
        timing.show(name, seconds, own, options.steps)
    if len(theirs) == 2:
        timing.show("PyTorch compiled over eager", theirs[1], theirs[0], options.steps)


def missing_compiler() -> str:
    """Why `torch.compile` cannot compile for the CPU here; "" where it can.

    It takes the compiler that CXX names, or g++.
    """
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler):
        return ""
    return f"expected a C++ compiler; got no {compiler}: install g++, or set CXX to another one"


def environment() -> pathlib.Path:
    """The folder of the environment with PyTorch, which may not be there."""
    return pathlib.Path(os.environ.get("KDCL_TORCH_VENV", ".venv-torch")).absolute()


def is_at_hand() -> bool:
    """Whether the environment is there and has a PyTorch."""
    python = environment() / "bin" / "python"
    if not python.exists():
        return False
    return subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0


def _check(facts, counts):
    """Refuses networks of other sizes than ours, or another kind of device."""
    if facts["parameters"] != counts:
        raise RuntimeError(
            f"expected networks of {counts} parameters in PyTorch; got {facts['parameters']}"
        )
    device = "cuda" if tf.config.list_logical_devices("GPU") else "cpu"
    if facts["device"] != device:
        raise RuntimeError(
            f"expected a PyTorch that runs on {device}, as TensorFlow does; got one on "
            f"{facts['device']}: install the other build of PyTorch into {environment()}"
        )


class _Peer:
    """The process that runs PyTorch in a mode. It sleeps while another step runs."""

    def __init__(self, python, options, mode):
        self.mode, self._steps = mode, options.steps
        self._command = [
            str(python),
            str(_PEER),
            ",".join(options.students),
            f"--batch_size={options.batch_size}",
            f"--num_classes={options.num_classes}",
            f"--image_size={options.image_size}",
            f"--precision={options.precision}",
            *(["--compiled"] if mode == "compiled" else []),
        ]

    def __enter__(self):
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.facts = json.loads(self._line())
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

    def run(self):
        """The seconds of its steps, as it has timed them."""
        self._process.stdin.write(f"{self._steps}\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self):
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"PyTorch {self.mode} ended with status {self._process.wait()}; what it said is above"
            )
        return line


def _python():
    """The interpreter of an environment with PyTorch, which is installed if there is none."""
    folder = environment()
    python = folder / "bin" / "python"
    if is_at_hand():
        return python
    if not (folder / "pyvenv.cfg").exists():
        if folder.exists() and any(folder.iterdir()):
            raise RuntimeError(
                f"expected a virtual environment or no folder at {folder}; got something else: set "
                "KDCL_TORCH_VENV to another folder"
            )
        venv.create(folder, with_pip=True)
    print(f"installing torch=={_VERSION} into {folder}", file=sys.stderr)
    install = [python, "-m", "pip", "install", "--quiet", f"torch=={_VERSION}", "numpy"]
    subprocess.run(install, check=True, stdout=sys.stderr)
    return python
