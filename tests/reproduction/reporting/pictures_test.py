"""Tests of kdcl_tf.reproduction.reporting.pictures."""

import pathlib
from unittest import mock

import numpy as np
import tensorflow as tf

from kdcl_tf.files import figures
from kdcl_tf.reproduction.reporting import pictures
from kdcl_tf.reproduction.reporting.charts import Series, telling_apart


class PicturesTest(tf.test.TestCase):
    def test_charts_side_by_side_below_150_kilobytes(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "curves.png"
        series = [
            Series(
                f"line {index}",
                ((1, 2.0 + index), (2, 5.0 - index)),
                index % 9,
                *telling_apart(index),
            )
            for index in range(14)
        ]
        pictures.write(path, [("A", series), ("B", series)], "x", "y", "small")
        self.assertLess(path.stat().st_size, 150_000)
        pixels = tf.io.decode_png(path.read_bytes(), channels=3).numpy()
        self.assertEqual(pixels.shape, (520, 1300, 3))
        self.assertGreater(np.mean(pixels < 255), 0.02)
        self.assertEqual([each.name for each in path.parent.iterdir()], ["curves.png"])

    def test_a_line_of_one_chart_alone_is_in_the_legend_too(self):
        alone, everywhere = Series("alone", ((1, 2.0),)), Series("everywhere", ((1, 1.0),))
        groups = [("A", [everywhere]), ("B", [everywhere, alone])]
        with mock.patch.object(figures, "save") as save:
            pictures.write("unused.png", groups, "x", "y", "small")
        (legend,) = save.call_args.args[0].legends
        self.assertEqual([text.get_text() for text in legend.get_texts()], ["everywhere", "alone"])

    def test_without_a_line_it_is_still_a_picture(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "curves.png"
        pictures.write(path, [("A", [Series("none", ())])], "x", "y", "small")
        self.assertTrue(path.exists())


if __name__ == "__main__":
    tf.test.main()
