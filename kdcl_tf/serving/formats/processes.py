"""Processes that import one runtime alone, each running whatever files are given to it."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from kdcl_tf import files
from kdcl_tf.serving.formats import only_runtime

__all__ = ["Ran", "Runtimes"]


class Ran(NamedTuple):
    """What a runtime made of a file.

    Attributes:
      logits: `[N, num_classes]` float32.
      latency: seconds of one image on one thread, the median.
    """

    logits: np.ndarray
    latency: float


class Runtimes:
    """A process for each runtime, started at once, so that it is ready when a file is.

    A context manager, which ends them.

    Args:
      names: of runtimes, as `only_runtime` has them.
      images: `[N, H, W, C]` uint8, N above 0, that files are run on.
    """

    def __init__(self, names: Iterable[str], images: np.ndarray):
        self._processes = {}
        self._ending = contextlib.ExitStack()
        self._folder = self._ending.enter_context(files.temporary_folder())
        self._ending.enter_context(files.undone(self._kill))
        self._images = self._folder / "images.npy"
        np.save(self._images, images)
        for name in dict.fromkeys(names):
            self._start(name)

    def __enter__(self) -> Runtimes:
        return self

    def __exit__(self, *_: Any) -> None:
        self._kill()
        for process in self._processes.values():
            process.communicate()
        self._ending.close()

    def run(self, runtime: str, file: pathlib.Path, **facts: Any) -> Ran:
        """Loads a file in its runtime, and runs it on the images.

        Args:
          runtime: one of those that were started.
          file: of a format that it loads, or a folder.
          **facts: what `only_runtime` asks for of files that hold a Keras model.

        Raises:
          ValueError: in one line, when the runtime cannot load or run it.
        """
        output = self._folder / f"{runtime}.npy"
        with files.literal_path(file) as path:
            request = {"file": str(path.absolute()), "images": str(self._images)}
            answer = self._answer(runtime, {**request, "output": str(output), **facts})
        if not answer:
            status = self._processes[runtime].wait()
            self._start(runtime)
            raise ValueError(f"{runtime} ended with status {status} when it ran it")
        found = json.loads(answer)
        if "error" in found:
            raise ValueError(f"{runtime} cannot run it: {found['error']}")
        return Ran(np.load(output), found["latency"])

    def _answer(self, runtime, request):
        """The line that a process answers; "" where it has ended."""
        process = self._processes[runtime]
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            return process.stdout.readline()
        except BrokenPipeError:
            return ""

    def _kill(self):
        """None of them has work that anyone waits for."""
        for process in self._processes.values():
            process.kill()

    def _start(self, name):
        # The text and not the path, whose folder would come first where modules are looked for.
        program = pathlib.Path(only_runtime.__file__).read_text(encoding="utf-8")
        # This kdcl_tf and no other, which need not be installed.
        ours = pathlib.Path(files.__file__).absolute().parents[2]
        self._processes[name] = subprocess.Popen(
            [sys.executable, "-c", program, name, str(ours)],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
