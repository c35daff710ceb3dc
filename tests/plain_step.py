"""A training step in plain TensorFlow, written from the paper, to hold the methods against."""

import keras
import tensorflow as tf


def students(seed=0, num_classes=5):
    """Two small students, the same for the same seed."""
    keras.utils.set_random_seed(seed)
    return {
        name: keras.Sequential(
            [
                keras.Input((6, 6, 3)),
                keras.layers.Conv2D(width, 3, activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(num_classes),
            ],
            name=name,
        )
        for name, width in (("small", 3), ("large", 6))
    }


def batch(seed=0, examples=9, num_classes=5):
    """`({name: view}, labels)`."""
    rng = tf.random.Generator.from_seed(seed)
    views = {name: rng.normal([examples, 6, 6, 3]) for name in ("small", "large")}
    return views, rng.uniform([examples], maxval=num_classes, dtype=tf.int32)


def train(members, soft_targets, batches, weight=1.0, temperature=2.0, rate=0.1, momentum=0.9):
    """Trains in place by SGD with momentum, one student after the other.

    Args:
      members: `{name: model}`.
      soft_targets: a function of (list of logits, labels) that gives for each student a
        list of soft targets to imitate, softened already; their losses are averaged.
      batches: a list of `({name: view}, labels)`.
    """
    velocities = {name: [tf.zeros_like(v) for v in m.trainable_variables] for name, m in
                  members.items()}  # fmt: skip
    for views, labels in batches:
        logits = [member(views[name], training=True) for name, member in members.items()]
        wanted = soft_targets([tf.identity(each) for each in logits], labels)
        steps = {}
        for (name, member), targets in zip(members.items(), wanted):
            with tf.GradientTape() as tape:
                own = member(views[name], training=True)
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, own))
                for target in targets:
                    loss += weight * _imitation(target, own, temperature) / len(targets)
            steps[name] = tape.gradient(loss, member.trainable_variables)
        for name, member in members.items():
            for index, variable in enumerate(member.trainable_variables):
                velocity = momentum * velocities[name][index] - rate * steps[name][index]
                velocities[name][index] = velocity
                variable.assign_add(velocity)


def _imitation(target, logits, temperature):
    log_q = tf.nn.log_softmax(logits / temperature)
    divergence = tf.reduce_sum(target * (tf.math.log(target) - log_q), axis=-1)
    return temperature**2 * tf.reduce_mean(divergence)
