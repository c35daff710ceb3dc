"""Two worker processes of one run, for tests of what they do together."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

_ROOT = pathlib.Path(__file__).resolve().parents[1]
# Seconds, on a machine that is busy with other things, too.
_PATIENCE = 600


def _free_ports(count):
    """So many ports of this machine that nobody listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def _tf_config(ports, index):
    """TF_CONFIG of one of the workers at these ports."""
    workers = [f"localhost:{port}" for port in ports]
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": workers}, "task": task})


class WorkerPair:
    """Two workers of one run, on this machine.

    Args:
      settings: a `TrainingSettings`.
      workdir: of the first worker.
      module: the program.
      folders: the current folder of each worker.
      **flags: further flags, which decide no number of a run.
    """

    def __init__(self, settings, workdir, module="kdcl_tf.train", folders=(None, None), **flags):
        ports = _free_ports(2)
        given = {**settings.as_flags(), "strategy": "multi_worker", **flags}
        given = [f"--{name}={value}" for name, value in given.items()]
        command = [sys.executable, "-m", module, *given, f"--workdir={workdir}"]
        # As a user has it: the tests' own level lets TensorFlow's errors through.
        environment = {**os.environ}
        environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
        # The tested package, wherever a worker is.
        paths = [str(_ROOT), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        self.workers = [
            subprocess.Popen(
                command,
                env={**environment, "TF_CONFIG": _tf_config(ports, index)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=folder,
            )
            for index, folder in enumerate(folders)
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for worker in self.workers:
            worker.kill()
            worker.communicate()

    def wait(self):
        """`[(status, stdout, stderr)]`."""
        told = [worker.communicate(timeout=_PATIENCE) for worker in self.workers]
        return [(worker.returncode, *each) for worker, each in zip(self.workers, told)]

    def wait_for_epochs(self, folder, count):
        """Until the run's log has that many epochs."""
        deadline = time.monotonic() + _PATIENCE
        log = folder / "log.jsonl"
        while not log.exists() or log.read_text().count("\n") < count:
            if time.monotonic() > deadline or any(each.poll() for each in self.workers):
                raise AssertionError(f"no epoch {count}")
            time.sleep(0.05)
