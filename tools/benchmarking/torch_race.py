"""Times the KDCL step and the same step in PyTorch in turn, in two processes."""

import json
import os
import pathlib
import subprocess
import sys
import venv

import kdcl_tf
from benchmarking import steps, timing
from benchmarking.options import Options

_PEER = pathlib.Path(__file__).parent / "torch_peer.py"
_VERSION = "2.13.0"


def race(options: Options) -> None:
    """Prints the step in PyTorch over ours."""
    ours = kdcl_tf.KDCL(steps.students(options))
    counts = [kdcl_tf.students.parameter_count(each) for each in ours.students.values()]
    with _Peer(options) as peer:
        if peer.facts["parameters"] != counts:
            raise RuntimeError(
                f"expected networks of {counts} parameters in PyTorch; got "
                f"{peer.facts['parameters']}"
            )
        timings = timing.in_pairs(peer.run, steps.step_of(ours, options), options.pairs)
    timing.show(f"PyTorch {peer.facts['torch']} over ours", *timings, options.steps)


class _Peer:
    """The process that runs PyTorch. It sleeps while our step runs."""

    def __init__(self, options):
        self._steps = options.steps
        self._command = [
            str(_python()),
            str(_PEER),
            ",".join(options.students),
            f"--batch_size={options.batch_size}",
            f"--num_classes={options.num_classes}",
            f"--precision={options.precision}",
        ]

    def __enter__(self):
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.facts = json.loads(self._process.stdout.readline())
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

    def run(self):
        """The seconds of its steps, as it has timed them."""
        self._process.stdin.write(f"{self._steps}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


def _python():
    """The interpreter of an environment with PyTorch, which is made if there is none."""
    folder = pathlib.Path(os.environ.get("KDCL_TORCH_VENV", ".venv-torch")).absolute()
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        print(f"installing torch=={_VERSION} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", f"torch=={_VERSION}", "numpy"]
        subprocess.run(install, check=True, stdout=sys.stderr)
        (folder / ".installed").touch()
    return python
