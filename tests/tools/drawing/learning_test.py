"""Tests of tools/drawing/learning.py."""

import pathlib
from unittest import mock

from absl.testing import absltest
from drawing import learning
from drawing.evidence import evidence

from kdcl_tf.reproduction.reporting import statistics


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
            self.assertAlmostEqual(lines[label], wanted)


if __name__ == "__main__":
    absltest.main()
