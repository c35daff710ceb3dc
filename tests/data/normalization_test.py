"""Tests of kdcl_tf.data.normalization, against NumPy and against photographs of ImageNet."""

import json
import subprocess
import sys

import numpy as np
import tensorflow as tf
from PIL import Image

from kdcl_tf.data import normalization
from tests import image_files

Normalization = normalization.Normalization


def noise(count):
    return np.random.default_rng(0).integers(0, 256, [count, 6, 5, 3]).astype(np.uint8)


def measured(images):
    return Normalization.measured(normalization.grey_levels(images))


class MeasuredTest(tf.test.TestCase):
    def test_known_numbers(self):
        images = np.zeros([2, 1, 1, 2], np.uint8)
        images[1] = [255, 51]
        found = measured(images)
        self.assertAllClose(found.mean, [0.5, 0.1], rtol=1e-15)
        self.assertAllClose(found.deviation, [0.5, 0.1], rtol=1e-15)

    def test_is_numpys_over_more_than_one_chunk(self):
        images = noise(2100)
        found = measured(images)
        unit = images.astype(np.float64) / 255.0
        self.assertAllClose(found.mean, unit.mean(axis=(0, 1, 2)), rtol=1e-12)
        self.assertAllClose(found.deviation, unit.std(axis=(0, 1, 2)), rtol=1e-12)

    def test_the_order_of_counting_changes_no_bit(self):
        images = noise(50)
        parts = sum(normalization.grey_levels(part) for part in (images[30:], images[:30]))
        self.assertEqual(Normalization.measured(parts), measured(images))

    def test_constant_channel_does_not_divide_by_zero(self):
        found = measured(np.full([4, 2, 2, 1], 9, np.uint8))
        self.assertAllClose(found.mean, [9 / 255])
        self.assertEqual(found.deviation, (normalization.MINIMUM_DEVIATION,))

    def test_numbers_of_any_kind_become_pythons_and_what_is_none_is_refused(self):
        made = normalization.Normalization(np.array([0.5, 0.25], np.float32), [1, 2])
        self.assertEqual(made, normalization.Normalization((0.5, 0.25), (1.0, 2.0)))
        self.assertEqual({*map(type, made.mean + made.deviation)}, {float})
        for mean in (0.5, None, (None,)):
            with self.assertRaisesRegex(ValueError, "mean: expected a number for each channel"):
                normalization.Normalization(mean, (0.5,))

    def test_photographs_have_imagenets(self):
        means, squares = [], []
        for file in image_files.imagenet_samples()[::2]:
            pixels = np.asarray(Image.open(file).convert("RGB"), np.float64) / 255.0
            means.append(pixels.mean((0, 1)))
            squares.append((pixels**2).mean((0, 1)))
        mean = np.mean(means, axis=0)
        deviation = np.sqrt(np.mean(squares, axis=0) - mean**2)
        # 71 photographs: the mean of theirs is known to some hundredths.
        self.assertAllClose(mean, normalization.IMAGENET.mean, atol=0.06)
        self.assertAllClose(deviation, normalization.IMAGENET.deviation, atol=0.08)


class ApplyTest(tf.test.TestCase):
    def test_the_images_that_were_measured_get_mean_0_and_deviation_1(self):
        images = noise(20)
        found = measured(images).apply(images).numpy()
        self.assertEqual(found.dtype, np.float32)
        self.assertAllClose(found.mean(axis=(0, 1, 2)), [0] * 3, atol=1e-5)
        self.assertAllClose(found.std(axis=(0, 1, 2)), [1] * 3, atol=1e-5)

    def test_is_the_same_in_a_graph_and_of_fractions(self):
        images, ours = noise(3), normalization.IMAGENET
        wanted = (images / 255.0 - ours.mean) / ours.deviation
        self.assertAllClose(tf.function(ours.apply)(images), wanted)
        fractions = tf.cast(images, tf.float32) / 255.0
        self.assertAllEqual(ours.apply_fractions(fractions), ours.apply(images))

    def test_fractions_are_what_was_normalised(self):
        images = noise(3)
        again = normalization.IMAGENET.fractions(normalization.IMAGENET.apply(images))
        self.assertAllClose(again, images / 255.0)

    def test_after_colours_is_the_one_after_the_other(self):
        generator = np.random.default_rng(1)
        matrix = generator.normal(size=[2, 3, 3]).astype(np.float32)
        added = generator.normal(size=[2, 3]).astype(np.float32)
        pixel, ours = np.array([9.0, 130.0, 250.0], np.float32), normalization.IMAGENET
        merged, sums = ours.after_colours(matrix, added)
        for view in range(2):
            wanted = ours.apply_fractions(matrix[view] @ (pixel / 255.0) + added[view])
            self.assertAllClose(pixel @ merged[view].numpy() + sums[view], wanted, rtol=1e-4)

    def test_one_number_for_all_channels_is_as_one_for_each(self):
        images, matrix = (
            tf.cast(noise(3), tf.float32),
            tf.random.stateless_normal([2, 3, 3], [1, 2]),
        )
        for order in (normalization.KEPT, normalization.REVERSED):
            one, each = (Normalization((0.25,) * count, (0.5,) * count, order) for count in (1, 3))
            for name in ("apply", "apply_at_once", "apply_fractions", "fractions"):
                self.assertAllEqual(getattr(one, name)(images), getattr(each, name)(images))
            for got, wanted in zip(
                one.after_colours(matrix, matrix[0, :2]), each.after_colours(matrix, matrix[0, :2])
            ):
                self.assertAllEqual(got, wanted)

    def test_a_card_says_it_and_gives_it_back(self):
        card = json.loads(json.dumps(normalization.IMAGENET.as_card()))
        self.assertEqual(card["mean"], [0.485, 0.456, 0.406])
        self.assertEqual(Normalization.from_card(card), normalization.IMAGENET)

    def test_costs_no_import_of_tensorflow(self):
        program = (
            "import sys, kdcl_tf.data.normalization as normalization;"
            "normalization.IMAGENET.as_card();"
            "sys.exit('tensorflow' in sys.modules)"
        )
        subprocess.run([sys.executable, "-c", program], check=True)

    def test_channels_in_the_other_order(self):
        caffe = normalization.MODES["caffe"]
        images = np.random.default_rng(0).integers(0, 256, [2, 3, 4, 3]).astype(np.uint8)
        wanted = images[..., ::-1].astype(np.float64) - [103.939, 116.779, 123.68]
        self.assertAllClose(caffe.apply(images), wanted, atol=1e-3)
        self.assertAllClose(caffe.fractions(caffe.apply(images)) * 255.0, images, atol=1e-3)
        # A distortion of colours comes before, in one product with it.
        random = np.random.default_rng(1)
        matrix, added = random.normal(size=[1, 3, 3]), random.normal(size=[1, 3])
        matrix, added = matrix.astype(np.float32), added.astype(np.float32)
        product, colour = caffe.after_colours(matrix, added)
        distorted = images / 255.0 @ matrix[0].T + added[0]
        wanted = caffe.apply_fractions(tf.constant(distorted, tf.float32))
        self.assertAllClose(images.astype(np.float32) @ product[0] + colour[0], wanted, atol=0.1)

    def test_at_once_is_the_same_but_for_rounding(self):
        images = np.random.default_rng(0).integers(0, 256, [4, 5, 6, 3]).astype(np.float32)
        for channels in ("RGB", "BGR"):
            each = normalization.Normalization((0.2, 0.4, 0.6), (0.3, 0.1, 0.2), channels)
            self.assertAllClose(each.apply_at_once(images), each.apply(images), atol=1e-5)

    def test_a_card_says_the_order_only_where_it_changes(self):
        for each in (*normalization.MODES.values(), normalization.IMAGENET):
            self.assertEqual(normalization.Normalization.from_card(each.as_card()), each)
        self.assertEqual(set(normalization.IMAGENET.as_card()), {"mean", "deviation"})
        self.assertEqual(normalization.MODES["caffe"].as_card()["channels"], "BGR")
        with self.assertRaisesRegex(ValueError, "channels: expected RGB or BGR; got 'GBR'"):
            normalization.Normalization((0.0,), (1.0,), "GBR")


if __name__ == "__main__":
    tf.test.main()
