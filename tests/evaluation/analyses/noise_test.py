"""Tests of kdcl_tf.evaluation.analyses.noise."""

import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.evaluation.analyses import noise


def _split(examples=50):
    random = np.random.default_rng(0)
    images = random.integers(256, size=[examples, 4, 4, 3]).astype(np.uint8)
    return ImageSplit(images, random.integers(5, size=examples))


def _predict(scale):
    weights = np.random.default_rng(1).normal(size=[48, 5])

    def predict(pixels):
        assert pixels.dtype == np.float32
        return {"logits": scale * pixels.reshape(len(pixels), 48) @ weights}

    return predict


def _nll(logits, labels):
    chosen = logits[np.arange(len(labels)), labels]
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - chosen)


class NoiseTest(tf.test.TestCase):
    def test_without_noise_it_is_the_clean_loss_in_every_draw(self):
        split, predict = _split(), _predict(0.3)
        found = noise.noise_curves({"a": predict}, split, [0.0, 0.1], draws=3)["a"]
        logits = predict(split.images.astype(np.float32) / np.float32(255))["logits"]
        self.assertAllClose(found["nll"][0], [_nll(logits, split.labels)] * 3, rtol=1e-6)
        hits = np.mean(logits.argmax(axis=1) == split.labels)
        self.assertAllClose(found["accuracy"][0], [hits] * 3)
        self.assertGreater(np.ptp(found["nll"][1]), 1e-4)

    def test_noise_is_gaussian_of_the_deviation_in_units_of_0_to_1_and_unclipped(self):
        split, seen = _split(400), []

        def predict(pixels):
            seen.append(pixels)
            return {"logits": np.zeros([len(pixels), 5])}

        noise.noise_curves({"a": predict}, split, [0.15], draws=1, batch_size=400)
        added = seen[0] - split.images / np.float32(255)
        self.assertAllClose(added.mean(), 0.0, atol=0.005)
        self.assertAllClose(added.std(), 0.15, rtol=0.02)
        self.assertLess(seen[0].min(), -0.1)
        self.assertGreater(seen[0].max(), 1.1)

    def test_it_does_not_depend_on_batches_or_on_who_else_is_there(self):
        split, first, second = _split(), _predict(0.3), _predict(0.6)
        expected = noise.noise_curves({"a": first, "b": second}, split, [0.05, 0.1], draws=2)
        for size in (7, 50, 64):
            found = noise.noise_curves({"b": second}, split, [0.05, 0.1], draws=2, batch_size=size)
            self.assertAllClose(found["b"]["nll"], expected["b"]["nll"], rtol=1e-6)

    def test_draws_differ_and_seeds_do_and_a_seed_repeats(self):
        found = [
            noise.noise_curves({"a": _predict(1.0)}, _split(), [0.1], draws=2, seed=seed)["a"][
                "nll"
            ]
            for seed in (0, 0, 1, 2**63, 2**63 + 1, 2**64 - 1)
        ]
        self.assertAllEqual(found[0], found[1])
        self.assertLen(np.unique(np.concatenate(found[1:])), 10)

    def test_a_plot_of_one_and_of_two(self):
        for names in ("a", "ab"):
            curves = noise.noise_curves(
                {name: _predict(0.3) for name in names}, _split(), [0.0, 0.1], draws=2
            )
            path = pathlib.Path(self.create_tempdir().full_path) / "plot.png"
            noise.plot(curves, [0.0, 0.1], path)
            self.assertGreater(path.stat().st_size, 5_000)


class NoiseOptionsTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        (0.0, 0.1), (-0.01, 0.1), (0.01, -0.1), (float("nan"), 0.1), (0.1, float("inf"))
    )
    def test_noise_below_zero_is_refused(self, step, most):
        with self.assertRaisesRegex(ValueError, "expected a step of the noise above 0"):
            noise.Noise(step=step, most=most)

    def test_noise_without_draws_is_refused(self):
        with self.assertRaisesRegex(ValueError, "expected 1 or more draws of the noise; got 0"):
            noise.Noise(draws=0)

    def test_a_seed_has_64_bits(self):
        for seed in (0, 2**64 - 1):
            self.assertEqual(noise.Noise(seed=seed).seed, seed)
        for seed in (-1, 2**64):
            with self.assertRaisesRegex(ValueError, f"a seed of 0 or more .*; got {seed}"):
                noise.Noise(seed=seed)

    @parameterized.parameters(
        (0.01, 0.155, 15), (0.1, 0.3, 3), (0.2, 0.1, 0), (0.05, 0.0, 0), (0.07, 0.2, 2)
    )
    def test_no_deviation_is_above_the_greatest(self, step, most, last):
        deviations = noise.Noise(step=step, most=most).deviations
        self.assertAllClose(deviations, step * np.arange(last + 1))

    def test_the_papers_deviations_are_the_default(self):
        deviations = noise.Noise().deviations
        self.assertLen(deviations, 16)
        self.assertAllClose(deviations, np.arange(16) / 100)


if __name__ == "__main__":
    tf.test.main()
