"""Tests of tools/drawing/learning.py."""

import pathlib
from unittest import mock

from absl.testing import absltest
from drawing import learning
from drawing.evidence import evidence

from kdcl_tf.reproduction.reporting import statistics
from tests.reproduction.written_runs import write_run


class LearningTest(absltest.TestCase):
    def test_the_ends_of_the_curves_are_the_accuracies_of_the_last_epoch(self):
        found = evidence()
        drawn = []
        with mock.patch.object(learning.style, "save", lambda figure, path: drawn.append(figure)):
            learning.draw(pathlib.Path("nowhere.svg"))
        records, row = found.subject.records, found.best()
        for column, axes in enumerate(drawn[0].axes):
            lines = {line.get_label(): line.get_ydata()[-1] for line in axes.lines}
            self.assertLen(lines, 4)
            label = f"test, in a cohort ({row.full_label})"
            wanted = statistics.median(records.accuracies(row, column).values())
            # The lines are what was counted in float32.
            self.assertAlmostEqual(lines[label], wanted, places=4)

    def test_both_curves_are_of_the_same_seeds(self):
        results = pathlib.Path(self.create_tempdir().full_path)
        folder = results / "proof" / "table7_small"
        for seed, accuracy in enumerate((0.30, 0.36, 0.34)):
            write_run(folder, "vanilla", seed, {"a": accuracy, "b": 0.5})
        write_run(folder, "min_logit_icl", 0, {"a": 0.32, "b": 0.5})
        drawn = []
        self.enter_context(mock.patch.object(learning, "evidence", lambda: evidence(results)))
        self.enter_context(
            mock.patch.object(learning.style, "save", lambda figure, path: drawn.append(figure))
        )
        learning.draw(pathlib.Path("nowhere.svg"))
        ends = [
            line.get_ydata()[-1] for line in drawn[0].axes[0].lines if len(line.get_xdata()) == 2
        ]
        self.assertSequenceAlmostEqual(ends, [30.0, 32.0])
        self.assertIn("seed 0", drawn[0].get_suptitle())


if __name__ == "__main__":
    absltest.main()
