"""Real processes without the wait for imports: forked from one that has made them.

That one runs no operation, since TensorFlow does not survive a fork once its threads run.
"""

import importlib
import multiprocessing

from absl import flags

_PRELOADED = (
    "keras_cv",
    "kdcl_tf.detect",
    "kdcl_tf.programs.launch",
    "kdcl_tf.detection.task",
    "kdcl_tf.training.session",
    "tests.forked",
)


class Process:
    """A process that runs a function.

    Attributes:
      status: None while it runs, then its exit status.
    """

    def __init__(self, function, arguments):
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(_PRELOADED))
        self._process = context.Process(target=function, args=arguments)
        self._process.start()

    @property
    def status(self):
        return self._process.exitcode

    def wait(self):
        """Waits for its end; returns the status."""
        self._process.join()
        return self.status

    def kill(self):
        """Ends it at once, as `kill -9` does."""
        self._process.kill()
        self._process.join()


def start(function, *arguments):
    """Runs a function of an importable module in a process of its own."""
    return Process(function, arguments)


def door(name, *arguments):
    """Runs `kdcl-<name>` in this process."""
    module = importlib.import_module(f"kdcl_tf.{name}")
    values = flags.FlagValues()
    module.define_flags(values)
    values([f"kdcl-{name}", *arguments])
    module.main(values)
