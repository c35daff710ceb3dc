"""Batch normalization on TensorFlow's fused kernel."""

import keras
import tensorflow as tf

# Types the kernel reads; scale, offset and statistics are float32 for all of them.
_KERNEL_TYPES = (tf.float32, tf.bfloat16, tf.float16)


@keras.saving.register_keras_serializable(package="kdcl_tf")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, computed by one kernel where that is possible.

    Constructor, weights, config and numbers are those of the parent class, so
    weights move freely between the two. What differs is the speed: the parent
    builds the layer from elementwise operations and casts half-precision inputs
    to float32 first, while `FusedBatchNormV3` reads the inputs as they are and
    keeps only the statistics in float32.

    The kernel serves inputs `[B, H, W, C]` of type float32, bfloat16 or float16,
    normalised over the last axis. Anything else (another rank or axis, a mask,
    `renorm=True`, float64) is left to the parent class.

    Three points where a definition was needed:

    * An empty batch (B = 0) leaves the moving statistics as they were and gives
      zero gradients; the parent class turns both into NaN.
    * `synchronized=True` computes the statistics of the whole global batch, each
      replica counting with its own number of elements, so uneven and empty
      replicas are exact, gradients included. The parent weighs replicas in the
      same way but takes the variance as E[x²] - E[x]², which loses all digits
      when the mean is large beside the deviation; here it is E[(x - E[x])²].
    * Without `synchronized`, each replica of a `tf.distribute` strategy moves its
      own copy of the statistics, as in the parent class. After `fit` the first
      replica's copy is the one that is saved; `kdcl-train` saves their mean.

    Args:
        *args, **kwargs: those of `keras.layers.BatchNormalization`.

    Examples:
        >>> layer = FusedBatchNormalization(momentum=0.9, epsilon=1e-5)
        >>> layer(tf.random.normal([8, 32, 32, 16]), training=True).shape
        TensorShape([8, 32, 32, 16])

    Reference: Ioffe and Szegedy, "Batch Normalization", ICML 2015.
    """

    def call(self, inputs, training=None, mask=None):
        """Normalizes `inputs`.

        Args:
            inputs: `[B, H, W, C]` for the fused kernel, else as the parent class.
            training: normalise with the batch's statistics and move the moving
                ones. A layer with `trainable=False` ignores it and infers.
            mask: `[B, H, W]` or None; given, the parent class does the work.

        Returns:
            A tensor of the shape of `inputs`, in the layer's compute dtype.
        """
        if mask is not None or not self._kernel_applies(inputs):
            return super().call(inputs, training=training, mask=mask)
        if not (training and self.trainable):
            outputs = self._infer(inputs)
        elif self.synchronized and _several_replicas():
            outputs = self._train_synchronized(inputs)
        else:
            outputs = self._train(inputs)
        return tf.cast(outputs, self.compute_dtype)

    def _kernel_applies(self, inputs) -> bool:
        # Keras 3.12, the last for Python 3.10, has no `renorm`.
        return (
            not getattr(self, "renorm", False)
            and inputs.shape.rank == 4
            and self.axis in (-1, 3)
            and inputs.dtype in _KERNEL_TYPES
        )

    def _scale_and_offset(self):
        """gamma and beta, `[C]` float32; ones and zeros where the layer has none."""
        channels = self.moving_mean.shape
        scale = _float32(self.gamma) if self.scale else tf.ones(channels)
        offset = _float32(self.beta) if self.center else tf.zeros(channels)
        return scale, offset

    def _infer(self, inputs):
        scale, offset = self._scale_and_offset()
        return tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=scale,
            offset=offset,
            mean=_float32(self.moving_mean),
            variance=_float32(self.moving_variance),
            epsilon=self.epsilon,
            is_training=False,
        ).y

    def _train(self, inputs):
        scale, offset = self._scale_and_offset()
        count = _elements_per_channel(inputs)
        # Compiled by XLA, the kernel's gradient for the scale of an empty batch
        # is NaN; the branch not taken by `where` passes back exact zeros.
        scale = tf.where(count > 0, scale, tf.stop_gradient(scale))
        outputs = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=scale,
            offset=offset,
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
            is_training=True,
        )
        # The kernel reports the unbiased variance, n / (n - 1) times the one it
        # normalises with; Keras's moving variance is an average of the latter.
        variance = outputs.batch_variance * tf.math.divide_no_nan(count - 1.0, count)
        self._move_statistics(outputs.batch_mean, variance, count)
        return outputs.y

    def _train_synchronized(self, inputs):
        scale, offset = self._scale_and_offset()
        values = tf.cast(inputs, tf.float32)
        # What the moments add to the gradient is in `_normalized`.
        count, mean, variance = _global_moments(tf.stop_gradient(values))
        self._move_statistics(mean, variance, count)
        factor = tf.math.rsqrt(variance + self.epsilon)
        return _normalized(values, mean, factor, count, scale, offset)

    def _move_statistics(self, mean, variance, count):
        """Moves both moving statistics, unless the batch had no element.

        Args:
            mean, variance: `[C]` float32, the batch's; may be NaN when it is empty.
            count: float32 scalar, elements a channel of the batch.
        """
        for variable, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            old = _float32(variable)
            new = old * self.momentum + tf.stop_gradient(value) * (1.0 - self.momentum)
            variable.assign(tf.where(count > 0, new, old))


def with_stock_normalization(model: keras.Model) -> keras.Model:
    """A copy with `keras.layers.BatchNormalization` in the place of this module's layer.

    Keras alone can load it.  Its outputs differ by rounding.

    Args:
        model: a built functional or Sequential model; nested models and wrappers may hold
            the layer, too.

    Returns:
        A model that is not compiled, with weights of its own; or `model` itself, of any
        kind, when it has none of our layers.

    Raises:
        ValueError: when Keras cannot build the model again from its configuration.
    """
    layers = list(model._flatten_layers())  # Keras has no public name for it.
    if not any(isinstance(layer, FusedBatchNormalization) for layer in layers):
        return model
    try:
        config = _stock(keras.saving.serialize_keras_object(model))
        # Lambda layers are the model's own, and no stranger's code.
        copy = keras.saving.deserialize_keras_object(config, safe_mode=False)
    except (NotImplementedError, TypeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"student {model.name!r} cannot be written in Keras's own layers: expected a "
            f"functional or Sequential model; got {type(model).__name__}: {reason}"
        ) from error
    for layer, other in zip(layers, copy._flatten_layers(), strict=True):
        # More than `get_weights`: some layers derive constants of what they read.
        store = {}
        layer.save_own_variables(store)
        other.load_own_variables(store)
    return copy


def _stock(config):
    """A serialised configuration without our layer, and without what was compiled."""
    if isinstance(config, (list, tuple)):
        return type(config)(_stock(each) for each in config)
    if not isinstance(config, dict):
        return config
    stock = {name: _stock(value) for name, value in config.items() if name != "compile_config"}
    if config.get("registered_name") == "kdcl_tf>FusedBatchNormalization":
        names = {"module": "keras.layers", "class_name": "BatchNormalization"}
        stock |= {**names, "registered_name": None}
    return stock


def _float32(variable):
    """The value of a Keras variable of any float type, as a float32 tensor."""
    return keras.ops.cast(variable, "float32")


def _elements_per_channel(values):
    """B·H·W of `[B, H, W, C]` as a float32 scalar."""
    return tf.cast(tf.reduce_prod(tf.shape(values)[:-1]), tf.float32)


def _several_replicas() -> bool:
    """True inside a replica of a strategy that has more than one."""
    context = tf.distribute.get_replica_context()
    return context is not None and context.num_replicas_in_sync > 1


@tf.custom_gradient
def _normalized(values, mean, factor, count, scale, offset):
    """Values normalised by the moments of all replicas, whose gradient includes the moments'.

    As autodiff has it, the gradient of the values is a sum of three, which the graph's
    optimiser joins to further sums before it, and not in a loop of the graph, where it knows
    fewer shapes: how many steps are taken at once would then decide the last bits. Here it is
    a product, which nothing is joined to.

    Args:
        values: `[B, H, W, C]` float32, this replica's part; B may be 0.
        mean: `[C]` of all replicas' values.
        factor: `[C]`, one over their standard deviation.
        count: float32 scalar, all replicas' elements a channel.
        scale, offset: `[C]`.

    Returns:
        `[B, H, W, C]`.
    """
    # Not `tf.nn.batch_normalization`: it adds offset - mean * scale at the end,
    # where a large mean costs the digits that two passes have saved.
    centred = values - mean

    def gradient(upstream):
        standardised = centred * factor
        own = tf.stack(
            [
                tf.reduce_sum(upstream, axis=[0, 1, 2]),
                tf.reduce_sum(upstream * standardised, axis=[0, 1, 2]),
            ]
        )
        context = tf.distribute.get_replica_context()
        sums = context.all_reduce(tf.distribute.ReduceOp.SUM, own)
        shift, slope = tf.unstack(tf.math.divide_no_nan(sums, count))
        of_values = (upstream - shift - standardised * slope) * (scale * factor)
        return of_values, None, None, None, own[1], own[0]

    return centred * (scale * factor) + offset, gradient


def _global_moments(values):
    """Count, mean and biased variance over the batches of all replicas.

    Must run in a replica context. Two passes, so that the variance keeps its
    digits when the mean is large.

    Args:
        values: `[B, H, W, C]` float32, this replica's part; B may be 0.

    Returns:
        count (float32 scalar), mean `[C]` and variance `[C]`, the same on every
        replica, all zero when every replica is empty.
    """
    context = tf.distribute.get_replica_context()
    # The count travels with the sums: one collective fewer.
    count = _elements_per_channel(values)
    sums = tf.concat([tf.reduce_sum(values, axis=[0, 1, 2]), count[tf.newaxis]], axis=0)
    sums = context.all_reduce(tf.distribute.ReduceOp.SUM, sums)
    count = sums[-1]
    mean = tf.math.divide_no_nan(sums[:-1], count)
    squares = tf.reduce_sum(tf.math.squared_difference(values, mean), axis=[0, 1, 2])
    squares = context.all_reduce(tf.distribute.ReduceOp.SUM, squares)
    return count, mean, tf.math.divide_no_nan(squares, count)
