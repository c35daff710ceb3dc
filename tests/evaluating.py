"""Runs kdcl-evaluate, and writes digits as a folder of classes, for its tests."""

import tensorflow as tf

from kdcl_tf import data
from tests import in_process


def run(*arguments):
    """What the program prints to `(stdout, stderr)`, and its exit status."""
    done = in_process.run("evaluate", *arguments)
    return done.stdout, done.stderr, done.returncode


def write_digits(folder, names, labels=range(10)):
    """The digits' first test images as a folder of classes: `names[label]` is the class's."""
    digits = data.load("digits", image_size=8).test
    for split in ("train", "test"):
        for label in labels:
            place = folder / split / names[label]
            place.mkdir(parents=True)
            for number, image in enumerate(digits.images[digits.labels == label][:6]):
                (place / f"{number}.png").write_bytes(tf.io.encode_png(image).numpy())
