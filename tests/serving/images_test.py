"""Tests of kdcl_tf.serving.images."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.serving import images

_SHAPE = (8, 6, 3)


def _levels(*shape, kind=np.uint8):
    return np.random.default_rng(0).integers(0, 256, shape).astype(kind)


class ImagesTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(0, 1, 5)
    def test_whole_numbers_stay_and_fractions_become_float32(self, count):
        levels = _levels(count, *_SHAPE)
        for given in (levels, tf.constant(levels)):
            found = images.checked(given, _SHAPE)
            self.assertEqual(found.dtype, tf.uint8)
            self.assertAllEqual(found, levels)
        for kind in (np.float16, np.float32, np.float64):
            found = images.checked((levels / 255.0).astype(kind), _SHAPE)
            self.assertEqual(found.dtype, tf.float32)
            self.assertAllClose(found, levels / 255.0, atol=1e-3)

    def test_colours_as_a_student_of_grey_images_takes_them(self):
        levels = _levels(2, *_SHAPE)
        self.assertIs(images.of_colours(levels, 3), levels)
        expected = levels @ [0.2989, 0.587, 0.114]
        for given, atol in ((levels, 1.0), ((levels / 255.0).astype(np.float32), 1e-6)):
            scale = 1.0 if given is levels else 255.0
            grey = images.of_colours(given, 1)
            self.assertIsInstance(grey, np.ndarray)
            self.assertEqual((grey.dtype, grey.shape), (given.dtype, (2, 8, 6, 1)))
            self.assertAllClose(grey[..., 0] * scale, expected, atol=atol * scale)
            self.assertAllEqual(images.of_colours(tf.constant(given), 1), grey)
        with self.assertRaisesRegex(
            ValueError, "^expected a student of .* or 1, grey; got one of 2"
        ):
            images.of_colours(levels, 2)

    def test_nested_lists(self):
        levels = _levels(2, *_SHAPE)
        self.assertAllEqual(images.checked(levels.tolist(), _SHAPE), levels)
        found = images.checked((levels / 255.0).tolist(), _SHAPE)
        self.assertAllClose(found, levels / 255.0)

    @parameterized.parameters(
        (_levels(2, 16, 12, 3), r"got uint8 \[2, 16, 12, 3\]: scale them to 8 x 6 pixels"),
        (_levels(2, 6, 8, 3), r"got uint8 \[2, 6, 8, 3\]: scale them to 8 x 6"),
        (_levels(8, 6, 3), r"got uint8 \[8, 6, 3\]: give a batch of one, images\[None\]"),
        (_levels(8, 6), r"got uint8 \[8, 6\]: give a batch of images, channels last"),
        (_levels(2, 8, 6, 1), "the student takes images of 3 channels"),
        (_levels(2, 8, 6, 3, kind=np.int64), r"got int64 .*: convert grey levels .* to uint8"),
        (_levels(2, 8, 6, 3, kind=np.float32), r"got float32 .* from 0 to 255: divide grey"),
        (_levels(2, 8, 6, 3) / 127.5 - 1.0, "from -1 to 1: .* do not normalise"),
        (np.full([1, 8, 6, 3], np.nan), "from nan to nan"),
        ([[[[300, 0, 0]] * 6] * 8], r"got int64 \[1, 8, 6, 3\]"),
        ([[1, 2], [3]], "expected images of one size; got nested lists"),
    )
    def test_what_is_no_such_image_is_refused_in_a_line(self, given, message):
        with self.assertRaisesRegex(ValueError, message) as caught:
            images.checked(given, _SHAPE)
        self.assertRegex(str(caught.exception), "^expected images (as uint8 .B, 8, 6, 3.|of one s)")

    def test_floats_of_any_range_for_those_who_ask(self):
        noisy = np.random.default_rng(0).normal(size=[2, *_SHAPE])
        self.assertAllClose(images.checked(noisy, _SHAPE, check_range=False), noisy)
        with self.assertRaisesRegex(ValueError, "scale them"):
            images.checked(noisy[:, :4], _SHAPE, check_range=False)

    def test_what_resampling_overshoots_passes(self):
        images.checked(np.linspace(-0.2, 1.2, 2 * 8 * 6 * 3).reshape(2, *_SHAPE), _SHAPE)

    def test_a_graph_has_no_values_but_a_shape(self):
        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
        def unknown(pixels):
            return images.checked(pixels, _SHAPE)

        self.assertEqual(unknown(tf.fill([1, *_SHAPE], 255.0)).shape, (1, *_SHAPE))

        @tf.function(input_signature=[tf.TensorSpec([None, 4, 6, 3], tf.float32)])
        def smaller(pixels):
            return images.checked(pixels, _SHAPE)

        with self.assertRaisesRegex(ValueError, r"got float32 \[None, 4, 6, 3\]: scale them"):
            smaller(tf.zeros([1, 4, 6, 3]))


if __name__ == "__main__":
    tf.test.main()
