"""Tests of tools/drawing/views.py."""

import numpy as np
from absl.testing import absltest
from drawing import views


class ViewsTest(absltest.TestCase):
    def test_every_student_and_epoch_has_a_view_of_its_own(self):
        photograph, found = views.views()
        self.assertEqual(photograph.shape, (427, 640, 3))
        self.assertEqual([title for title, _ in found],
                         ["epoch 1, student 1", "epoch 1, student 2",
                          "epoch 2, student 1", "epoch 2, student 2"])  # fmt: skip
        for number, (_, view) in enumerate(found):
            self.assertEqual(view.shape, (views.SIDE, views.SIDE, 3))
            self.assertBetween(float(view.min()), 0.0, 1.0)
            self.assertBetween(float(view.max()), 0.0, 1.0)
            # Of the pagoda in daylight, not of the flower on its dark ground.
            self.assertGreater(np.abs(view - found[number - 1][1]).mean(), 0.02)


if __name__ == "__main__":
    absltest.main()
