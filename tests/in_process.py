"""Runs a program's door in the test's own process: what it says, without the wait for a start.

As a script it runs many command lines one after the other, none of which is to import
TensorFlow, and tells what was imported:

    echo '[["train", ["--epochs=0"]]]' | python -m tests.in_process
"""

import contextlib
import importlib
import importlib.util
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from unittest import mock

from absl import flags

from kdcl_tf.programs import command_line
from kdcl_tf.training.interruption import SIGNALS

_SLOW = (
    "numpy",
    "tensorflow",
    "keras",
    "tensorflow_datasets",
    "sklearn",
    "matplotlib",
    "keras_cv",
)


def run(door, *arguments):
    """Runs `kdcl-<door>` with flags of its own.

    Args:
      door: name of a program of kdcl_tf, such as "train", or of tools/, such as "reproduce".
      *arguments: of the command line; made strings.

    Returns:
      `subprocess.CompletedProcess`; what C++ libraries print is the end of its `stderr`.
    """
    is_tool = importlib.util.find_spec(f"kdcl_tf.{door}") is None
    module = importlib.import_module(door if is_tool else f"kdcl_tf.{door}")
    argv = [f"kdcl-{door}", *map(str, arguments)]
    values = flags.FlagValues()
    module.define_flags(values)
    stdout, stderr, status = io.StringIO(), io.StringIO(), 0
    with contextlib.ExitStack() as stack:
        printed = stack.enter_context(_printed_by_libraries())
        stack.enter_context(contextlib.redirect_stdout(stdout))
        stack.enter_context(contextlib.redirect_stderr(stderr))
        stack.enter_context(mock.patch.object(sys, "argv", argv))
        stack.enter_context(_process_as_before())
        try:
            command_line.parse(values, argv, module.__doc__)
            module.main(values)
        except SystemExit as stop:
            status = stop.code or 0
    return subprocess.CompletedProcess(
        argv, status, stdout.getvalue(), stderr.getvalue() + printed()
    )


def run_all(cases):
    """Runs command lines in one fresh process, in an empty folder.

    Args:
      cases: `[(door, arguments)]`.

    Returns:
      `([CompletedProcess], names of slow modules that were imported)`.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.in_process", folder],
            input=json.dumps(cases),
            capture_output=True,
            text=True,
            check=True,
            cwd=pathlib.Path(__file__).parents[1],
        )
    found, imported = json.loads(done.stdout)
    return [subprocess.CompletedProcess(*each) for each in found], imported


@contextlib.contextmanager
def _printed_by_libraries():
    """Keeps what is written to the process's stderr itself; gives a function that tells it."""
    with tempfile.TemporaryFile() as printed:
        sys.stderr.flush()
        kept, told = os.dup(2), []
        os.dup2(printed.fileno(), 2)
        try:
            yield lambda: "".join(told)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            printed.seek(0)
            told.append(printed.read().decode(errors="replace"))


@contextlib.contextmanager
def _process_as_before():
    """Undoes what a program does to its process: folder, environment, signal handlers."""
    folder = os.getcwd()
    handlers = {each: signal.getsignal(each) for each in SIGNALS}
    with mock.patch.dict(os.environ):
        try:
            yield
        finally:
            os.chdir(folder)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _main(folder):
    os.chdir(folder)
    found = [run(door, *arguments) for door, arguments in json.load(sys.stdin)]
    told = [(each.args, each.returncode, each.stdout, each.stderr) for each in found]
    print(json.dumps((told, sorted(set(_SLOW) & set(sys.modules)))))


if __name__ == "__main__":
    _main(sys.argv[1])
