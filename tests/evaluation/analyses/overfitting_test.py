"""Tests of kdcl_tf.evaluation.analyses.overfitting."""

import pathlib

import tensorflow as tf

from kdcl_tf.evaluation.analyses import overfitting


class OverfittingTest(tf.test.TestCase):
    def test_a_plot_of_one_and_of_many(self):
        for count in (1, 12):
            path = pathlib.Path(self.create_tempdir().full_path) / "plot.png"
            results = {f"run {index}": {"train": 0.9, "test": 0.5} for index in range(count)}
            overfitting.plot(results, path)
            self.assertGreater(path.stat().st_size, 5_000)


if __name__ == "__main__":
    tf.test.main()
