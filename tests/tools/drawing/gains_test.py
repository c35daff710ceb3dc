"""Tests of tools/drawing/gains.py."""

import pathlib
from unittest import mock

from absl.testing import absltest
from drawing import gains
from drawing.evidence import evidence


class GainsTest(absltest.TestCase):
    def test_every_gain_has_its_marker(self):
        found = evidence()
        drawn = []
        with mock.patch.object(gains.style, "save", lambda figure, path: drawn.append(figure)):
            gains.draw(pathlib.Path("nowhere.svg"))
        for column, axes in enumerate(drawn[0].axes):
            values = sorted(
                value for line in axes.lines if line.get_label().startswith("seed")
                for value in line.get_xdata()
            )  # fmt: skip
            wanted = sorted(
                gain for row in found.gaining
                if not found.subject.records.is_teacher(row, column)
                for gain in found.subject.records.gains(row, column).values()
            )  # fmt: skip
            self.assertSequenceAlmostEqual(values, wanted)


if __name__ == "__main__":
    absltest.main()
