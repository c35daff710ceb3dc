"""Test-wide set-up: two logical CPU devices, before TensorFlow runs its first op."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "KDCL_DATA_DIR" in os.environ:
    # Tests change their working directory.
    os.environ["KDCL_DATA_DIR"] = os.path.abspath(os.environ["KDCL_DATA_DIR"])

import tensorflow as tf
from absl import flags

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


def pytest_configure(config):
    # absl's create_tempdir reads flags, which only absl's own runner parses.
    flags.FLAGS.mark_as_parsed()
