"""Tests that every method trains students that mask classes as it trains them without these."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import methods

_KEPT, _CLASSES = 4, 6


class _Mask(keras.layers.Layer):
    """Gives the classes from `_KEPT` on logits of -inf."""

    def call(self, logits):
        is_kept = tf.range(logits.shape[-1]) < _KEPT
        return tf.where(is_kept, logits, -np.inf)


def _students(masked):
    """Three branches of one network, or students alone, of four classes, or six of which two
    are masked; those that are kept have the same weights."""
    keras.utils.set_random_seed(3)
    images = keras.Input((5,))
    x = keras.layers.Dense(4, "tanh", name="trunk")(images)
    students = {}
    for name in ("a", "b", "c"):
        logits = keras.layers.Dense(_CLASSES if masked else _KEPT, name=f"head_{name}")(x)
        students[name] = keras.Model(images, _Mask()(logits) if masked else logits, name=name)
    return students


def _apart(masked):
    keras.utils.set_random_seed(3)
    students = _students(masked)
    return {name: keras.models.clone_model(student) for name, student in students.items()}


def _teacher(masked):
    return next(iter(_students(masked).values()))


_METHODS = {
    "independent": lambda masked: methods.Independent(_apart(masked)),
    "naive": lambda masked: methods.KDCL(_apart(masked), "naive"),
    "linear": lambda masked: methods.KDCL(_apart(masked), "linear"),
    "min_logit": lambda masked: methods.KDCL(_apart(masked), "min_logit"),
    "general": lambda masked: methods.KDCL(_apart(masked), "general"),
    "mutual": lambda masked: methods.MutualLearning(_apart(masked)),
    "offline": lambda masked: methods.OfflineDistillation(_apart(masked), _teacher(masked)),
    "clnn": lambda masked: methods.CLNN(_students(masked)),
    "one": lambda masked: methods.ONE(_students(masked)),
}


def _copy_kept(source, target):
    """Gives a cohort of six classes the weights of one of four, and 0 for the others."""
    for own, other in zip(target.variables, source.variables, strict=True):
        value = other.numpy()
        missing = [(0, large - small) for large, small in zip(own.shape, value.shape)]
        own.assign(np.pad(value, missing))


class MaskedClassesTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(*_METHODS)
    @pytest.mark.slow
    def test_two_steps_are_those_of_the_other_classes(self, name):
        kept, masked = _METHODS[name](False), _METHODS[name](True)
        _copy_kept(kept, masked)
        if name == "offline":
            _copy_kept(kept.teacher, masked.teacher)
        rng = np.random.default_rng(0)
        images, labels = rng.normal(size=[8, 5]).astype(np.float32), rng.integers(_KEPT, size=8)
        for cohort in (kept, masked):
            cohort.compile(keras.optimizers.SGD(0.3))
            for _ in range(2):
                cohort.train_on_batch(images, labels)
        expected, found = (
            {metric.name: float(metric.result()) for metric in cohort.metrics}
            for cohort in (kept, masked)
        )
        for metric in found:
            # Of four classes all are among the top five.
            if not metric.endswith("top_5_accuracy"):
                self.assertAllClose(found[metric], expected[metric], atol=1e-4, msg=metric)
        for own, other in zip(masked.variables, kept.variables, strict=True):
            value = own.numpy()
            same = value[tuple(slice(size) for size in other.shape)]
            # Linear's weights are known to the root of its gap.
            self.assertAllClose(same, other, atol=1e-3 if name == "linear" else 1e-5, msg=own.path)
            self.assertAllClose(value.sum(), same.sum(), atol=1e-5, msg=own.path)


if __name__ == "__main__":
    tf.test.main()
