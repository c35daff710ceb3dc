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


def check_batches(strategy, images, batch_size, accumulation_steps=1):
    """Refuses batches that leave a replica, or a part of its batch, without images.

    TensorFlow's convolution for CPUs gives an empty batch the shape of its input, and the
    layer after it fails.  GPUs take it, and are not asked.

    Args:
      strategy: what `create` gave.
      images: in an epoch.
      batch_size: images a step, over all replicas.
      accumulation_steps: parts that each replica runs its images in.

    Raises:
      ValueError: with the size of the batch that is too small.
    """
    replicas = strategy.num_replicas_in_sync
    smallest = min(batch_size, images % batch_size or batch_size)
    wanted = replicas * accumulation_steps
    if smallest < wanted and not tf.config.list_logical_devices("GPU"):
        raise ValueError(
            f"--batch_size={batch_size} leaves {smallest} of {images} images for the last step, "
            f"fewer than {_wanted(replicas, accumulation_steps)}"
        )


def _wanted(replicas, accumulation_steps):
    """What there are fewer images than, and what to do about it."""
    if accumulation_steps == 1:
        return f"the {replicas} devices: pass another --batch_size, or --strategy=one"
    parts = f"the {accumulation_steps} parts of --accumulation_steps"
    devices = f" on each of {replicas} devices" if replicas > 1 else ""
    return f"{parts}{devices}: pass another --batch_size, or fewer steps"


def evaluation_batch(strategy, images, largest=256):
    """The largest batch, up to `largest`, whose last one still has images for every replica."""
    replicas = strategy.num_replicas_in_sync
    sizes = range(largest, replicas - 1, -1)
    return next((size for size in sizes if not 0 < images % size < replicas), largest)
