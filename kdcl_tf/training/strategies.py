"""Where a run's replicas live."""

import tensorflow as tf


def create(name):
    """A `tf.distribute.Strategy` by its flag: `one` device, or `mirrored` over all.

    `mirrored` takes all GPUs, or the logical CPUs where there is none.  Over CPUs it
    reduces to one device, as a second collective in one process can abort there.
    """
    if name == "one":
        return tf.distribute.get_strategy()
    gpus = tf.config.list_logical_devices("GPU")
    devices = gpus or tf.config.list_logical_devices("CPU")
    reduction = None if gpus else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(
        [device.name for device in devices], cross_device_ops=reduction
    )
