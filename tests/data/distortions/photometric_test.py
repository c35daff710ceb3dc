"""Tests of kdcl_tf.data.distortions.photometric: one matrix against each distortion alone."""

import itertools

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data.distortions import photometric

Photometric = photometric.Photometric
IMAGE = np.random.default_rng(1).random([6, 5, 3])
NONE = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, "lighting": 0.0}


def grey(image):
    return 0.299 * image[..., 0] + 0.587 * image[..., 1] + 0.114 * image[..., 2]


def brighten(image, factor):
    return image * factor


def contrast(image, factor):
    return factor * image + (1 - factor) * grey(image).mean()


def saturate(image, factor):
    return factor * image + (1 - factor) * grey(image)[..., None]


def turn(image, share):
    """Hue as an angle: the colour as a complex number I + iQ, times one of length 1."""
    y, i, q = np.moveaxis(image @ np.array(photometric.YIQ).T, -1, 0)
    colour = (i + 1j * q) * np.exp(2j * np.pi * share)
    turned = np.stack([y, colour.real, colour.imag], axis=-1)
    return turned @ np.linalg.inv(photometric.YIQ).T


def light(image, shares):
    return image + np.array(photometric.EIGENVECTORS) @ np.multiply(shares, photometric.EIGENVALUES)


STEPS = {"brightness": brighten, "contrast": contrast, "saturation": saturate, "hue": turn}


def distorted(policy, uniform, normal=(0.0, 0.0, 0.0), image=IMAGE):
    mean = image.mean(axis=(0, 1))
    given = (np.array([each], np.float32) for each in (uniform, normal, mean))
    matrix, added = policy.colours(*given)
    return image @ matrix[0].numpy().T + added[0].numpy()


class PhotometricTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(itertools.product(STEPS, (0.1, 0.5, 0.9)))
    def test_each_alone(self, name, draw):
        uniform = [0.3, 0.5, 0.5, 0.5, 0.5]
        uniform[1 + list(STEPS).index(name)] = draw
        change = 0.4 * (2 * draw - 1)
        expected = STEPS[name](IMAGE, change if name == "hue" else 1 + change)
        found = distorted(Photometric(**{**NONE, name: 0.4}), uniform)
        self.assertAllClose(found, expected, atol=1e-5)

    def test_lighting(self):
        found = distorted(Photometric(**{**NONE, "lighting": 0.1}), [0.5] * 5, [1.0, -2.0, 0.5])
        self.assertAllClose(found, light(IMAGE, [0.1, -0.2, 0.05]), atol=1e-6)
        # By hand: 0.1 * -0.5675 * 0.2175 - 0.2 * 0.7192 * 0.0188 + 0.05 * 0.4009 * 0.0045.
        self.assertAllClose((found - IMAGE)[0, 0, 0], -0.014957, atol=1e-6)

    def test_all_in_each_of_the_24_orders(self):
        policy, factors = Photometric(), {"brightness": 1.2, "contrast": 0.7}
        factors |= {"saturation": 0.88, "hue": 0.06}
        draws = [0.75, 0.125, 0.35, 0.8]
        for number, order in enumerate(itertools.permutations(STEPS)):
            expected = IMAGE
            for name in order:
                expected = STEPS[name](expected, factors[name])
            expected = light(expected, [0.1, 0.0, 0.0])
            found = distorted(policy, [(number + 0.5) / 24, *draws], [1.0, 0.0, 0.0])
            self.assertAllClose(found, expected, atol=1e-5, msg=str(order))

    def test_strength_0_is_no_change(self):
        uniform = np.random.default_rng(0).random(5)
        self.assertAllClose(distorted(Photometric(**NONE), uniform, [3, 3, 3]), IMAGE, atol=1e-6)

    def test_hue_keeps_luminance_and_greys_and_a_whole_turn_is_none(self):
        policy = Photometric(**{**NONE, "hue": 1.0})
        found = distorted(policy, [0, 0, 0, 0, 0.65])
        self.assertGreater(np.abs(found - IMAGE).max(), 0.1)
        self.assertAllClose(grey(found), grey(IMAGE), atol=1e-5)
        flat = np.full([2, 2, 3], 0.4)
        self.assertAllClose(distorted(policy, [0, 0, 0, 0, 0.65], image=flat), flat, atol=1e-5)
        self.assertAllClose(distorted(policy, [0, 0, 0, 0, 0.0]), IMAGE, atol=1e-5)

    def test_images_are_distorted_by_themselves(self):
        rng = np.random.default_rng(0)
        given = [rng.random([7, size], np.float32) for size in (5, 3, 3)]
        matrix, added = Photometric().colours(*given)
        alone = Photometric().colours(*(each[3:4] for each in given))
        self.assertAllClose((matrix[3:4], added[3:4]), alone)

    def test_a_negative_strength_is_refused(self):
        with self.assertRaisesRegex(ValueError, "hue: expected 0 or more; got -0.1"):
            Photometric(hue=-0.1)


if __name__ == "__main__":
    tf.test.main()
