"""The four soft targets of one example, of two students and three classes."""

from __future__ import annotations

import pathlib

import numpy as np
import tensorflow as tf

from drawing import style
from kdcl_tf.objectives import targets

CLASSES = ("cat", "dog", "fox")
# Both students are unsure, each of another class.
LOGITS = np.array([[[2.0, 1.6, -0.6]], [[1.4, -0.9, 1.2]]], np.float32)
LABELS = np.array([0])
# Of three held-out images, to which General's weights are fitted: students, images, classes.
HELD_OUT = np.array(
    [
        [[2.5, 0.2, 0.0], [0.3, 1.0, 1.2], [0.2, 1.4, 0.9]],
        [[0.8, 0.2, 0.9], [0.1, 2.1, 0.1], [0.4, -0.2, 1.4]],
    ],
    np.float32,
)
HELD_OUT_LABELS = np.array([0, 1, 2])
ALT = (
    "Probabilities of three classes, cat, dog and fox, of an image of a cat. Student 1 takes it "
    "for a cat or a dog, student 2 for a cat or a fox. Below them the soft targets: Naive copies "
    "the better student, Linear mixes the logits of both for the least loss, MinLogit is surest "
    "of the cat, and General averages the probabilities of both with fitted weights."
)


def weights() -> np.ndarray:
    """General's weights, `[2]`, fitted to the held-out images."""
    errors = tf.nn.softmax(HELD_OUT) - targets.dense_labels(HELD_OUT_LABELS, 3)
    return np.asarray(targets.general_weights(errors))


def panels() -> list[tuple[str, np.ndarray]]:
    """`(title, probabilities [3])` of both students and the four soft targets, at T = 1."""
    fitted = weights()
    share = np.asarray(targets.linear_weights(LOGITS, LABELS))[0]
    found = [(f"student {number}", each) for number, each in enumerate(tf.nn.softmax(LOGITS), 1)]
    found += [
        ("Naive: the better one", targets.naive(LOGITS, LABELS)),
        (f"Linear: {share[0]:.2f} : {share[1]:.2f}", targets.linear(LOGITS, LABELS)),
        ("MinLogit: least logits", targets.min_logit(LOGITS, LABELS)),
        (
            f"General: {fitted[0]:.2f} : {fitted[1]:.2f}",
            targets.general(LOGITS, tf.constant(fitted, tf.float32)),
        ),
    ]
    return [(title, np.asarray(each)[0]) for title, each in found]


def draw(path: pathlib.Path) -> None:
    """Draws the picture."""
    figure, axes = style.new(4.1, rows=2, columns=4, sharey=True)
    places = [axes[0, 1], axes[0, 2], *axes[1]]
    for each in (axes[0, 0], axes[0, 3]):
        style.without_axes(each)
    for place, (title, values) in zip(places, panels(), strict=True):
        _bars(place, title, values, is_student=title.startswith("student"))
    axes[0, 0].text(
        0.5, 0.5, "An image\nof a cat,\nT = 1", ha="center", va="center", fontsize=11,
        transform=axes[0, 0].transAxes,
    )  # fmt: skip
    axes[0, 3].text(
        0.5, 0.5, "Below: the four\nsoft targets", ha="center", va="center", fontsize=11,
        transform=axes[0, 3].transAxes,
    )  # fmt: skip
    for place in (axes[0, 1], axes[1, 0]):
        place.set_ylabel("probability")
    style.save(figure, path)


def _bars(axes, title, values, is_student):
    colour = style.SKY if is_student else style.BLUE
    # The bar of the true class is full, the others are hatched.
    for index, value in enumerate(values):
        axes.bar(
            index,
            value,
            0.7,
            facecolor=colour if index == LABELS[0] else style.PAPER,
            edgecolor=colour,
            hatch=None if index == LABELS[0] else "////",
        )
        axes.text(index, value + 0.02, f"{value:.2f}", ha="center", fontsize=9)
    axes.set_xticks(range(3), CLASSES)
    axes.set(ylim=(0, 1.0))
    axes.set_title(title, fontsize=9.5)
