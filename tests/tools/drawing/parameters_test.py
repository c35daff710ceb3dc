"""Tests of tools/drawing/parameters.py."""

import pathlib
from unittest import mock

from absl.testing import absltest
from drawing import parameters
from drawing.evidence import evidence

from kdcl_tf.reproduction.reporting import statistics
from tests.reproduction.written_runs import write_run


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

    def test_a_marker_lies_above_the_dash_by_the_gain_of_the_same_seeds(self):
        results = pathlib.Path(self.create_tempdir().full_path)

        def write(row, seed, first, second):
            students = {
                name: {"accuracy": accuracy, "train_accuracy": 0.9, "parameters": size}
                for name, accuracy, size in (("a", first, 300_000), ("b", second, 700_000))
            }
            folder = results / "proof" / "table7_small"
            write_run(folder, row, seed, {"a": first, "b": second}, students=students)

        for seed, accuracy in enumerate((0.30, 0.36, 0.34)):
            write("vanilla", seed, accuracy, 0.5)
        # Less than the median of training alone, and more than its own seed's.
        write("dml", 0, 0.32, 0.49)
        drawn = []
        self.enter_context(mock.patch.object(parameters, "evidence", lambda: evidence(results)))
        self.enter_context(
            mock.patch.object(parameters.style, "save", lambda figure, path: drawn.append(figure))
        )
        parameters.draw(pathlib.Path("nowhere.svg"))
        lines = {line.get_label(): line.get_ydata() for line in drawn[0].axes[0].lines}
        self.assertSequenceAlmostEqual(lines["alone"], [34.0, 50.0])
        self.assertSequenceAlmostEqual(lines["DML"], [36.0, 49.0])


if __name__ == "__main__":
    absltest.main()
