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


def check_batches(strategy, images, batch_size):
    """Refuses batches that leave a replica without images, where the kernels cannot have it.

    TensorFlow's convolution for CPUs gives an empty batch the shape of its input, and the
    layer after it fails.  GPUs take it.

    Args:
      strategy: what `create` gave.
      images: in an epoch.
      batch_size: images a step, over all replicas.

    Raises:
      ValueError: with the size of the batch that is too small.
    """
    replicas = strategy.num_replicas_in_sync
    smallest = min(batch_size, images % batch_size or batch_size)
    if smallest < replicas and not tf.config.list_logical_devices("GPU"):
        raise ValueError(
            f"--batch_size={batch_size} leaves {smallest} of {images} images for the last step, "
            f"fewer than the {replicas} devices: pass another --batch_size, or --strategy=one"
        )


def evaluation_batch(strategy, images, largest=256):
    """The largest batch, up to `largest`, whose last one still has images for every replica."""
    replicas = strategy.num_replicas_in_sync
    sizes = range(largest, replicas - 1, -1)
    return next((size for size in sizes if not 0 < images % size < replicas), largest)
