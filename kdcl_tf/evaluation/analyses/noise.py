"""Robustness to noise: loss on test images with Gaussian noise (paper section 5, Fig. 4)."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kdcl_tf.data import bad_images
from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.data.encoded import EncodedSplit
from kdcl_tf.evaluation import loaded
from kdcl_tf.evaluation.analyses.analysis import Analysis
from kdcl_tf.files import figures
from kdcl_tf.objectives.scores import hits, log_softmax


@dataclasses.dataclass(frozen=True)
class Noise:
    """The noise that `noise` adds.

    Attributes:
      step, most: deviations are 0, step, 2 step ... up to most, in units of 0..1.
      draws: independent noises of each deviation, 1 or more.
      seed: of the noise, 0 or more and below 2^64.

    Raises:
      ValueError: when the step is not above 0, `most` is below 0, one of them is infinite, there
        are no draws, or the seed is none.
    """

    step: float = 0.01
    most: float = 0.15
    draws: int = 10
    seed: int = 0

    def __post_init__(self):
        if not 0 < self.step < math.inf or not 0 <= self.most < math.inf:
            raise ValueError(
                "expected a step of the noise above 0 and a greatest deviation of 0 or more, in "
                f"units of 0..1; got a step of {self.step} and a deviation of {self.most}"
            )
        if self.draws < 1:
            raise ValueError(f"expected 1 or more draws of the noise; got {self.draws}")
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"expected a seed of 0 or more and below 2**64; got {self.seed}")

    @property
    def deviations(self) -> list[float]:
        """The deviations from 0 to `most`, none above it but for rounding."""
        # 0.15 / 0.01 is a little less than 15.
        steps = math.floor(self.most / self.step + 1e-6)
        return [round(index * self.step, 10) for index in range(steps + 1)]


def noise_curves(
    predictors: Mapping[str, Callable[[np.ndarray], Mapping[str, Any]]],
    split: ImageSplit | EncodedSplit,
    deviations: Sequence[float],
    draws: int = 10,
    seed: int = 0,
    batch_size: int = 256,
) -> dict[str, dict[str, np.ndarray]]:
    """Loss and accuracy of students on images with independent noise in every pixel.

    Noise is N(0, deviation^2) in units of 0..1, and is not clipped.  One draw is the same for
    every student, every deviation (scaled) and every batch size: a pure function of seed,
    draw and image.  At deviation 0 all draws are the clean images, which count once.

    Args:
      predictors: `{name: predict}`, as `serving.load_student` gives `predict`, for floats of any
        range.
      split: the images.
      deviations: numbers of 0 or more, in units of 0..1.
      draws: independent noises of each deviation.
      seed: of the noise, as in `Noise`.
      batch_size: images at a time.

    Returns:
      `{name: {"nll": [D, draws], "accuracy": [D, draws]}}`, float64, in nats and 0..1.

    Raises:
      BadImageError: at the first image that cannot be decoded, unless such images are skipped;
        and where that leaves none.
    """
    found = {
        name: {kind: np.zeros([len(deviations), draws]) for kind in ("nll", "accuracy")}
        for name in predictors
    }
    for draw in range(draws):
        # From 2^63 on, NumPy would take a list for floats, of which many seeds are one.
        key = np.array([seed, draw], np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key))
        count = 0
        for images, labels in split.pixels(batch_size):
            count += len(labels)
            # One generator from batch to batch gives the same numbers however they are cut.
            noise = generator.standard_normal(images.shape, np.float32)
            for level, deviation in enumerate(deviations):
                if deviation == 0 and draw > 0:
                    continue
                pixels = images / np.float32(255) + np.float32(deviation) * noise
                for name, predict in predictors.items():
                    _count(found[name], level, draw, predict(pixels)["logits"], labels)
        bad_images.check_any(count, split)
    for result in found.values():
        for values in result.values():
            values /= count
            # The clean images are the same in every draw.
            clean = np.asarray(deviations) == 0
            values[clean] = values[clean][:, :1]
    return found


def _count(
    result: dict[str, np.ndarray], level: int, draw: int, logits: Any, labels: np.ndarray
) -> None:
    """Adds a batch to the sums of a student."""
    log_probabilities = log_softmax(logits)
    result["nll"][level, draw] -= log_probabilities[np.arange(len(labels)), labels].sum()
    result["accuracy"][level, draw] += hits(logits, labels).sum()


def plot(
    curves: Mapping[str, Mapping[str, np.ndarray]],
    deviations: Sequence[float],
    path: str | os.PathLike,
) -> None:
    """Draws the loss by deviation and, for more than one student, the gap to the first.

    Args:
      curves: from `noise_curves`; the first student is the baseline.
      deviations: of the noise.
      path: of the PNG.
    """
    names = list(curves)
    figure, axes = figures.new(13 if len(names) > 1 else 7, 5, columns=min(2, len(names)))
    losses = {name: curves[name]["nll"] for name in names}
    for index, name in enumerate(names):
        colour = figures.COLOURS[index % len(figures.COLOURS)]
        _band(axes[0], deviations, losses[name], name, colour)
        if index:
            _band(axes[1], deviations, losses[names[0]] - losses[name], name, colour)
    axes[0].set(xlabel="standard deviation of the noise", ylabel="test loss (nats)")
    axes[0].legend()
    if len(names) > 1:
        axes[1].axhline(0, color=figures.COLOURS[0], linewidth=1)
        axes[1].set(
            xlabel="standard deviation of the noise", ylabel=f"loss of {names[0]} minus this (nats)"
        )
        axes[1].legend()
    figures.save(figure, path)


def _band(axes: Any, x: Sequence[float], values: np.ndarray, label: str, colour: str) -> None:
    """Draws the mean over the draws of noise, and their range around it."""
    axes.plot(x, values.mean(axis=1), color=colour, label=label, marker=".")
    axes.fill_between(x, values.min(axis=1), values.max(axis=1), color=colour, alpha=0.2, lw=0)


def analyse(
    students: Sequence[loaded.LoadedStudent],
    split: ImageSplit | EncodedSplit,
    batch_size: int,
    options: Noise,
) -> Analysis:
    """Loss under noise, and the gap to the first student; see `noise_curves`."""
    # Noise leaves 0..1.
    predictors = {
        each.name: functools.partial(each.predict, check_range=False) for each in students
    }
    deviations = options.deviations
    curves = noise_curves(predictors, split, deviations, options.draws, options.seed, batch_size)
    width = max(8, *map(len, predictors))
    lines = ["deviation  " + "  ".join(f"{name:>{width}}" for name in predictors)]
    for level, deviation in enumerate(deviations):
        means = [curves[name]["nll"][level].mean() for name in predictors]
        lines.append(f"{deviation:>9}  " + "  ".join(f"{mean:{width}.4f}" for mean in means))
    numbers = {
        **dataclasses.asdict(options),
        "deviations": deviations,
        "students": {
            name: {kind: values.tolist() for kind, values in curve.items()}
            for name, curve in curves.items()
        },
    }
    text = "\n".join(["Test loss (nats) by standard deviation of the noise", *lines])
    return Analysis(numbers, text, lambda path: plot(curves, deviations, path))
