"""Test-wide set-up: two logical CPU devices, before TensorFlow runs its first op."""

import collections
import gc
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "KDCL_DATA_DIR" in os.environ:
    # Tests change their working directory.
    os.environ["KDCL_DATA_DIR"] = os.path.abspath(os.environ["KDCL_DATA_DIR"])

import pytest
import tensorflow as tf
from absl import flags
from tensorflow.python.framework import ops

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

# A context manager, whose name makes it an empty test of every class, which skips.
tf.test.TestCase.test_session.__test__ = False

# The files that take longest, since they start processes or build large networks.  They begin
# first, so that no process of `-n 2 --dist loadfile` is left alone with one of them.
_LONG = (
    # TensorFlow tells it of every function that the process has, so it comes before there are many.
    "tools/partitions_test.py",
    "tools/torture_test.py",
    "streamed_run_test.py",
    "multi_worker_test.py",
    "serving/other_runtimes_test.py",
    "serving/formats/writing_test.py",
    "reproduce_test.py",
    "programs_test.py",
    "detection_workers_test.py",
    "comparison/comparing_test.py",
    "predict_test.py",
    "keras_files_test.py",
    "students/keras_applications_test.py",
    "detection/run_test.py",
    "classification/initial/weights_test.py",
    "classification/initial/initial_runs_test.py",
    "students/weights/reading_test.py",
    "cohort/cohort_test.py",
    "students/students_test.py",
    "students/branches_test.py",
    "students/resnet_test.py",
    "cohort/placement_test.py",
    "detect_test.py",
    "replicated/fitting_test.py",
    "replicated/training_step_test.py",
    "cohort/saving_test.py",
)
_FOLDER = pathlib.Path(__file__).parent
# What each class of tests has before its set-up.
_OWN = {}
_UNTIL = time.monotonic() + float(os.environ.get("KDCL_TEST_SECONDS", "inf"))


def pytest_collection_modifyitems(items):
    missing = [name for name in _LONG if not (_FOLDER / name).exists()]
    if missing:
        raise pytest.UsageError(f"tests/conftest.py names files that are not there: {missing}")
    place = {_FOLDER / name: index for index, name in enumerate(_LONG)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


def pytest_collection_finish(session):
    # What is imported by now stays: a full collection of garbage need not walk it every time.
    gc.collect()
    gc.freeze()
    _OWN.update({item.cls: set(vars(item.cls)) for item in session.items if item.cls})


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if time.monotonic() > _UNTIL:
        pytest.skip("the time of KDCL_TEST_SECONDS is over")


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Forgets what a class has set up, such as cohorts and runs with their graphs, after its tests.

    The class itself lives as long as the process, and would keep them all.
    """
    if item.cls and getattr(nextitem, "cls", None) is not item.cls:
        for name in set(vars(item.cls)) - _OWN[item.cls]:
            delattr(item.cls, name)
        # TensorFlow registers the gradient of each `tf.custom_gradient` in a graph, which holds
        # the graph, and has no public way to forget it.
        gradients = ops.gradient_registry._registry
        for name in [each for each in gradients if each.startswith("CustomGradient-")]:
            del gradients[name]
        gc.collect()


def pytest_terminal_summary(terminalreporter):
    seconds = collections.Counter()
    for reports in terminalreporter.stats.values():
        for each in reports:
            if hasattr(each, "duration"):
                seconds[each.nodeid.partition("::")[0]] += each.duration
    if sum(seconds.values()) > 60:
        files = [f"{name} {total:.0f} s" for name, total in seconds.most_common(25)]
        terminalreporter.write_line(f"longest of {len(seconds)} files: {', '.join(files)}")


def pytest_configure(config):
    # absl's create_tempdir reads flags, which only absl's own runner parses.
    flags.FLAGS.mark_as_parsed()
