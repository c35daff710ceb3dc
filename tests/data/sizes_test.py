"""Tests of kdcl_tf.data.sizes."""

import os

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data import bad_images, encoded, sizes, storage
from tests import image_files


class ByMedianTest(parameterized.TestCase, tf.test.TestCase):
    def _files(self, contents):
        folder = self.create_tempdir().full_path
        image_files.write(folder, contents)
        return storage.Files(folder, np.array([os.fsencode(name) for name in contents]))

    def _images(self, *shapes):
        return self._files(
            {
                f"{number}.jpg": image_files.encode(image_files.photo(0, *shape))
                for number, shape in enumerate(shapes)
            }
        )

    @parameterized.parameters(
        (((40, 50), (70, 33), (20, 90)), 33, "33, which is 96 or less"),
        (((96, 96), (96, 200)), 96, "96, which is 96 or less"),
        (((97, 200), (300, 97)), 224, "97, more than 96"),
        (((10, 10), (200, 200), (300, 300)), 224, "the default of these students, as .* 200"),
    )
    def test_small_images_keep_their_median_shorter_side(self, shapes, wanted, why):
        size, told = sizes.by_median(self._images(*shapes), 224)
        self.assertEqual(size, wanted)
        self.assertRegex(told, f"^image size: {wanted} pixels, .*{why}")

    def test_headers_are_enough_and_what_has_none_is_passed_over(self):
        whole = image_files.encode(image_files.photo(0, 60, 50))
        files = self._files(
            {"cut.jpg": whole[: len(whole) // 2], "page.jpg": b"<html>", "empty.png": b""}
        )
        self.assertEqual(sizes.by_median(files, 32)[0], 50)
        size, told = sizes.by_median(files.take(slice(1, 3)), 32)
        self.assertEqual((size, "no size of an image" in told), (32, True))

    def test_a_few_images_evenly_spread_tell(self):
        asked = []

        class Counted:
            def __len__(self):
                return 100_000

            def read(self, index):
                asked.append(int(index))
                return b""

        sizes.by_median(Counted(), 32)
        self.assertLen(set(asked), 256)
        self.assertEqual((min(asked), max(asked)), (0, 99_999))
        self.assertAllInRange(np.diff(asked), 391, 394)


class FitInMemoryTest(tf.test.TestCase):
    def _splits(self, count, size):
        names = np.array([b"x"] * count)
        split = encoded.EncodedSplit(
            storage.Files("/nowhere", names), names, (), (size, size), bad_images.BadImages()
        )
        return {"train": split, "test": split.take(slice(0))}

    def test_decoded_images_are_counted(self):
        fits = sizes.fit_in_memory
        self.assertEqual(fits("cifar100", self._splits(60_000, 32), False, "memory"), (True, ""))
        large = self._splits(1_281_167, 224)
        told = "1281167 images of 224x224 take 192.9 GB decoded"
        self.assertEqual(
            fits("x", large, False, "auto"),
            (False, f"images stay on disk: {told}, more than 16 GB"),
        )
        self.assertEqual(fits("x", large, False, "disk"), (False, ""))
        with self.assertRaisesRegex(ValueError, f"{told}; expected at most 16 GB; pass storage=di"):
            fits("x", large, False, "memory")


if __name__ == "__main__":
    tf.test.main()
