"""Tests of kdcl_tf.data.distortions.resized_crop; its views are tested where they are streamed."""

import numpy as np
import tensorflow as tf

from kdcl_tf.data.distortions import resized_crop
from tests import image_files


def keys(count):
    return [tf.constant([7, number], tf.int64) for number in range(count)]


class DrawTest(tf.test.TestCase):
    def test_draws_are_even_and_normal_and_independent(self):
        draw = tf.function(lambda key: resized_crop.ResizedCrop().draw(key, 2))
        draws = [draw(key) for key in keys(500)]
        uniform = np.stack([np.concatenate([d.window, d.colour], axis=1) for d in draws])
        self.assertAllInRange(uniform.mean(axis=0), 0.42, 0.58)
        light = np.stack([d.light for d in draws])
        self.assertAllInRange(light.std(axis=0), 0.88, 1.12)
        together = np.concatenate([uniform, light], axis=2).reshape(len(draws), -1)
        correlation = np.corrcoef(together.T) - np.eye(together.shape[1])
        self.assertLess(np.abs(correlation).max(), 0.2)

    def test_mirrored_half_of_the_time_and_never_where_flips_are_off(self):
        draw = tf.function(lambda key: resized_crop.ResizedCrop().draw(key, 8).mirror)
        self.assertAllInRange(np.mean([draw(key) for key in keys(300)]), 0.47, 0.53)
        never = resized_crop.ResizedCrop(flip=False)
        self.assertFalse(any(never.draw(key, 1).mirror[0] for key in keys(20)))

    def test_a_view_depends_on_the_key_and_its_number_alone(self):
        policy, key = resized_crop.ResizedCrop(), keys(1)[0]
        for few, many in zip(policy.draw(key, 2), policy.draw(key, 5)):
            self.assertAllEqual(few, many[:2])


class ViewsTest(tf.test.TestCase):
    def test_views_have_the_size_asked_for_and_the_colours_of_the_image(self):
        policy, content = resized_crop.ResizedCrop(), image_files.encode(image_files.photo())
        images, matrix, added = policy.views(content, policy.draw(keys(1)[0], 3), 6, 9)
        self.assertEqual([each.shape for each in images], [(6, 9, 3)] * 3)
        self.assertEqual((matrix.shape, added.shape), ((3, 3, 3), (3, 3)))
        self.assertAllInRange(images[0], 0.0, 255.0)


if __name__ == "__main__":
    tf.test.main()
