"""Untrained students of eight by eight pixels, and a test case that exports them."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf import data, serving, students
from kdcl_tf.serving.cards import Card
from tests.students.plain_layers import move_statistics


def student(dtype: str = "float32", name: str = "resnet8", size: int = 8) -> keras.Model:
    """Untrained, with moving statistics that are not those of a fresh layer."""
    keras.utils.set_random_seed(1)
    student = students.build(name, 10, (size, size, 3), dtype=dtype)
    move_statistics(student)
    return student


def branch() -> keras.Model:
    """One of two branches of an untrained network."""
    branches = students.build_branches("resnet8", 10, (8, 8, 3), copies=(2,))
    move_statistics(branches["resnet8_2"])
    return branches["resnet8_2"]


class Probabilities(keras.Model):
    """A `call` of its own, which only its numbers tell of."""

    def __init__(self, student):
        super().__init__()
        self.student = student
        self(np.zeros([1, *student.input_shape[1:]], np.float32))

    def call(self, images):
        return tf.exp(tf.nn.log_softmax(self.student(images)))


class Pooling(keras.Model):
    """A subclass, which takes images of any size."""

    first = keras.layers.GlobalAveragePooling2D

    def __init__(self):
        super().__init__(name="own")
        self.reduced, self.dense = self.first(), keras.layers.Dense(10)
        self(np.zeros([1, 8, 8, 3], np.float32))

    def call(self, images):
        return self.dense(self.reduced(images))


class Flattening(Pooling):
    """A subclass, which takes images of one size."""

    first = keras.layers.Flatten


class Case(tf.test.TestCase):
    """A test with a folder of its own, and the digits as images."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dataset = data.load("digits", image_size=8)

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def export(self, student: keras.Model, name: str = "resnet8") -> pathlib.Path:
        card = Card.of(student, self.dataset)
        return serving.export_student(student, self.folder / name, card=card)
