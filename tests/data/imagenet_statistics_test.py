"""Tests of kdcl_tf.data.imagenet_statistics, against photographs of ImageNet."""

import image_files
import numpy as np
from absl.testing import absltest
from PIL import Image

from kdcl_tf.data import imagenet_statistics


class ImagenetStatisticsTest(absltest.TestCase):
    def test_photographs_have_them(self):
        means, squares = [], []
        for file in image_files.imagenet_samples()[::2]:
            pixels = np.asarray(Image.open(file).convert("RGB"), np.float64) / 255.0
            means.append(pixels.mean((0, 1)))
            squares.append((pixels**2).mean((0, 1)))
        mean = np.mean(means, axis=0)
        deviation = np.sqrt(np.mean(squares, axis=0) - mean**2)
        # 71 photographs: the mean of theirs is known to some hundredths.
        np.testing.assert_allclose(mean, imagenet_statistics.MEAN, atol=0.06)
        np.testing.assert_allclose(deviation, imagenet_statistics.DEVIATION, atol=0.08)


if __name__ == "__main__":
    absltest.main()
