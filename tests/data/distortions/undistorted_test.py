"""Tests of kdcl_tf.data.distortions.undistorted, and of the registry."""

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data import distortions
from kdcl_tf.data.distortions import undistorted


class UndistortedTest(tf.test.TestCase, parameterized.TestCase):
    def test_images_stay_as_they_are(self):
        images = np.random.default_rng(0).normal(size=[3, 4, 5, 3]).astype(np.float32)
        policy = undistorted.Undistorted()
        draws = policy.draw(np.array([1, 2]), 3, 4, 5)
        self.assertAllEqual(policy.apply(images, draws), images)

    @parameterized.parameters(*distortions.DISTORTIONS)
    def test_every_name_gives_a_policy_that_mirrors_or_not(self, name):
        for flip in (False, True):
            self.assertEqual(distortions.create(name, flip=flip).flip, flip)

    @parameterized.parameters(*distortions.DISTORTIONS)
    def test_policies_of_whole_images_and_of_windows_have_their_manners(self, name):
        policy = distortions.create(name)
        windows = distortions.DISTORTIONS[name].windows
        self.assertEqual(hasattr(policy, "views"), windows)
        self.assertEqual(isinstance(policy, undistorted.Undistorted), not windows)


if __name__ == "__main__":
    tf.test.main()
