"""Tests of kdcl_tf.files.figures."""

import pathlib

import tensorflow as tf

from kdcl_tf.files import figures


class FiguresTest(tf.test.TestCase):
    def test_a_png_of_the_asked_size_and_nothing_beside_it(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "figure.png"
        for columns in (1, 2):
            figure, axes = figures.new(4, 2, columns)
            self.assertLen(axes, columns)
            axes[0].plot([0, 1], [1, 0])
            figures.save(figure, path, dpi=100)
            pixels = tf.io.decode_png(path.read_bytes(), channels=3).numpy()
            self.assertEqual(pixels.shape, (200, 400, 3))
            self.assertLess(pixels.min(), 100)
        self.assertEqual([each.name for each in path.parent.iterdir()], ["figure.png"])

    def test_dollar_signs_are_drawn_and_no_mathematics(self):
        name = "5$ to $_"
        figure, (axes,) = figures.new(4, 2)
        axes.plot([0, 1], [1, 0], label=name)
        axes.set_xticks([0, 1], [name, "$^$"])
        axes.set(title=name, ylabel=name)
        axes.legend()
        figures.save(figure, pathlib.Path(self.create_tempdir().full_path) / "figure.png")
        for text in (axes.title, *axes.get_xticklabels(), *axes.get_legend().get_texts()):
            self.assertFalse(text.get_parse_math())


if __name__ == "__main__":
    tf.test.main()
