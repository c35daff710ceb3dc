"""Tests of kdcl_tf.classification.curves."""

import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from matplotlib import colors

from kdcl_tf.classification import curves
from kdcl_tf.files import figures


def _log(students, epochs=4, evaluate_every=1):
    log = []
    for epoch in range(1, epochs + 1):
        record = {"epoch": epoch}
        for number, student in enumerate(students):
            record[f"{student}_accuracy"] = 0.1 * epoch + 0.1 * number
            if epoch % evaluate_every == 0:
                record[f"test_{student}_accuracy"] = 0.08 * epoch + 0.1 * number
        log.append(record)
    return log


def _pixels_of(image, colour):
    wanted = np.round(255 * np.array(colors.to_rgb(colour)))
    return (np.abs(image[..., :3] - wanted).max(axis=-1) <= 2).sum()


class PlotAccuracyTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((1, 1), (2, 1), (3, 2), (2, 4))
    def test_the_png_has_a_curve_for_each_student(self, count, evaluate_every):
        students = [f"student_{number}" for number in range(count)]
        path = pathlib.Path(self.create_tempdir().full_path) / "accuracy.png"
        curves.plot_accuracy(_log(students, 4, evaluate_every), students, path, "a title")
        image = tf.io.decode_png(path.read_bytes()).numpy().astype(np.int32)
        self.assertEqual(image.shape[:2], (600, 960))
        drawn = [_pixels_of(image, colour) > 50 for colour in figures.COLOURS[1:]]
        self.assertEqual(drawn, [number < count for number in range(len(figures.COLOURS[1:]))])
        self.assertEqual([each.name for each in path.parent.iterdir()], ["accuracy.png"])


if __name__ == "__main__":
    tf.test.main()
