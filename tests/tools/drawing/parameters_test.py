"""Tests of tools/drawing/parameters.py."""

import pathlib
from unittest import mock

from absl.testing import absltest
from drawing import parameters
from drawing.evidence import evidence

from kdcl_tf.reproduction.reporting import statistics


class ParametersTest(absltest.TestCase):
    def test_a_dash_for_each_student_alone_at_its_size(self):
        found = evidence()
        drawn = []
        with mock.patch.object(parameters.style, "save", lambda figure, path: drawn.append(figure)):
            parameters.draw(pathlib.Path("nowhere.svg"))
        lines = {line.get_label(): line for line in drawn[0].axes[0].lines}
        table, records = found.subject.table, found.subject.records
        baseline = table.row(table.baseline)
        for column in range(2):
            wanted = statistics.median(records.accuracies(baseline, column).values())
            self.assertAlmostEqual(lines["alone"].get_ydata()[column], wanted)
        self.assertSequenceAlmostEqual(lines["alone"].get_xdata(), [0.278324, 0.703284], places=6)
        markers = [line.get_marker() for line in lines.values()]
        self.assertLen(set(markers), len(markers))


if __name__ == "__main__":
    absltest.main()
