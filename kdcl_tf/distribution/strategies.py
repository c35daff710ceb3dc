"""Where a run's replicas live, and how a batch is split over them."""

import faulthandler
import itertools
import signal
from collections.abc import Callable, Iterable

import tensorflow as tf

from kdcl_tf import data
from kdcl_tf.distribution.cluster import Cluster

# All workers have met before the strategy is made, and a server starts in moments.
_START_SECONDS = 120.0


def create(name: str, cluster: Cluster | None = None, tpu: str = "local") -> tf.distribute.Strategy:
    """A `tf.distribute.Strategy` by its name.  It must be made before the first TensorFlow op.

    `mirrored` takes all GPUs, or the logical CPUs where there is none.  Over CPUs it
    reduces to one device, as a second collective in one process can abort there.
    `multi_worker` takes all GPUs of each worker, or its CPU.  `tpu` was never run on a TPU.

    Args:
      name: `one` device, `mirrored` over this machine, `multi_worker` or `tpu`.
      cluster: for `multi_worker`; all its workers must be about to call
        this, see `rendezvous.meet`.
      tpu: name of the TPU; `local` on the machine that has it.

    Raises:
      ValueError: when there is no such TPU, or this worker's server does not start.
    """
    if name == "multi_worker":
        return _create_multi_worker(cluster)
    if name == "tpu":
        return _create_tpu(tpu)
    return tf.distribute.get_strategy() if name == "one" else _create_mirrored()


def _create_mirrored():
    gpus = tf.config.list_logical_devices("GPU")
    devices = gpus or tf.config.list_logical_devices("CPU")
    reduction = None if gpus else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(
        [device.name for device in devices], cross_device_ops=reduction
    )


def _create_multi_worker(cluster):
    # Not physical devices, which also lists those that `devices.split_cpu` has hidden.
    gpus = len(tf.config.get_visible_devices("GPU"))
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.workers)}),
        task_type="worker",
        task_id=cluster.index,
        num_accelerators={"GPU": gpus} if gpus else {},
        rpc_layer="grpc",
    )
    kinds = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=kinds.AUTO if gpus else kinds.RING
    )
    # Should a worker die now, TensorFlow would wait an hour with Python's lock held, deaf to
    # SIGTERM: only a timer outside Python ends that.
    faulthandler.dump_traceback_later(_START_SECONDS, exit=True)
    on_terminate = signal.getsignal(signal.SIGTERM)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver, options)
    except (tf.errors.OpError, RuntimeError) as error:
        raise ValueError(
            f"worker {cluster.index} cannot start at {cluster.workers[cluster.index]}: "
            f"{str(error).splitlines()[0]}"
        ) from error
    finally:
        faulthandler.cancel_dump_traceback_later()
        # TensorFlow has installed a handler of its own, which ends nothing.
        signal.signal(signal.SIGTERM, on_terminate)
    # Off, as all workers know how many batches there are: on, they would ask each other
    # before every step.
    strategy.extended.experimental_enable_get_next_as_optional = False
    return strategy


def _create_tpu(name):
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, RuntimeError, OSError, tf.errors.OpError) as error:
        raise ValueError(
            f"strategy=tpu expected a TPU at tpu={name}; got none: {str(error).splitlines()[0]}"
        ) from error
    return tf.distribute.TPUStrategy(resolver)


def distribute(
    strategy: tf.distribute.Strategy, batches: Callable[[data.Share], Iterable]
) -> Iterable:
    """A distributed data set whose batches are split evenly over all replicas.

    Args:
      strategy: as `create` returns it.
      batches: a function of the part that this process reads.

    Returns:
      An iterable with `element_spec`; on one device what `batches` returns.
    """

    def of_process(context):
        replicas = context.num_replicas_in_sync
        own = replicas // context.num_input_pipelines
        return batches(data.Share(replicas, context.input_pipeline_id * own, own))

    return strategy.distribute_datasets_from_function(of_process)


def check_batches(
    strategy: tf.distribute.Strategy, images: int, batch_size: int, least: int = 1
) -> None:
    """Refuses batches that leave a replica, or a part of its batch, without images.

    Args:
      strategy: as `create` returns it.
      images: in an epoch.
      batch_size: images a step, over all replicas.
      least: images that each replica needs; of several, one for each part that it runs them in.

    Raises:
      ValueError: with the size of the batch that is too small.
    """
    replicas = strategy.num_replicas_in_sync
    smallest = min(batch_size, images % batch_size or batch_size)
    if smallest < replicas * least:
        raise ValueError(
            f"batch_size={batch_size} leaves {smallest} of {images} images for the last step: "
            f"expected at least one for each of {_parts(replicas, least)}"
        )


def has_accelerators() -> bool:
    """Whether there are devices other than CPUs."""
    return any(each.device_type != "CPU" for each in tf.config.list_logical_devices())


def takes_empty_batches() -> bool:
    """Whether a replica, or a part of its batch, may have no image: on GPUs.

    TensorFlow's convolution for CPUs gives an empty batch the shape of its input, and the
    layer after it fails.
    """
    return bool(tf.config.list_logical_devices("GPU"))


def _parts(replicas, accumulation_steps):
    """What each needs an image, and what to do where there are too few."""
    if accumulation_steps == 1:
        return f"{replicas} devices: choose another batch_size, or pass strategy=one"
    parts = f"the parts of accumulation_steps={accumulation_steps}"
    devices = f" on each of {replicas} devices" if replicas > 1 else ""
    return f"{parts}{devices}: choose another batch_size, or fewer accumulation_steps"


def check_split(strategy: tf.distribute.Strategy, name: str, images: int) -> None:
    """Refuses a set of images that is too small for every replica to have one.

    Raises:
      ValueError: as `check_batches`.
    """
    replicas = strategy.num_replicas_in_sync
    if 0 < images < replicas:
        raise ValueError(
            f"expected at least {replicas} {name} images, one for each device; got {images}: take "
            "fewer devices, or pass strategy=one"
        )


def evaluation_batch(strategy: tf.distribute.Strategy, images: int, largest: int = 256) -> int:
    """The largest batch, up to `largest`, whose last one still has images for every replica.

    Where no such batch does, the next larger one.
    """
    replicas = strategy.num_replicas_in_sync
    sizes = itertools.chain(range(largest, replicas - 1, -1), range(largest + 1, images + 1))
    return next((size for size in sizes if not 0 < images % size < replicas), largest)
