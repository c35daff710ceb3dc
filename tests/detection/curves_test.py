"""Tests of kdcl_tf.detection.curves."""

import pathlib

import tensorflow as tf

from kdcl_tf.detection import curves


class CurvesTest(tf.test.TestCase):
    def test_a_picture_of_losses_and_figures(self):
        log = [
            {"epoch": 1, "loss": 2.0, "boxes_loss": 1.0, "test_box_ap": None},
            {"epoch": 2, "loss": 1.0, "boxes_loss": 0.5, "test_box_ap": 0.1},
        ]
        path = pathlib.Path(self.create_tempdir().full_path) / "curves.png"
        curves.plot(log, path, "Faster R-CNN")
        picture = tf.io.decode_png(path.read_bytes())
        self.assertGreater(picture.shape[1], picture.shape[0])
        # White paper, and something on it.
        self.assertGreater(len(set(picture.numpy().reshape([-1, 3]).mean(1).tolist())), 10)


if __name__ == "__main__":
    tf.test.main()
