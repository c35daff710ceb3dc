"""Tests of tools/drawing/step.py."""

import pathlib
from unittest import mock

from absl.testing import absltest
from drawing import step


class StepTest(absltest.TestCase):
    def test_it_names_every_part_of_a_step(self):
        figure_texts = []
        with mock.patch.object(step.style, "save", lambda figure, path: figure_texts.extend(
            text.get_text() for text in figure.axes[0].texts
        )):  # fmt: skip
            step.draw(pathlib.Path("nowhere.svg"))
        for part in ("view 1", "view 2", "student 1", "student 2", "logits 1", "logits 2",
                     "soft target", "label"):  # fmt: skip
            self.assertIn(part, figure_texts)


if __name__ == "__main__":
    absltest.main()
