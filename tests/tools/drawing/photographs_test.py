"""Tests of tools/drawing/photographs.py."""

import json
import pathlib
from unittest import mock

import pytest
from absl.testing import absltest
from drawing import photographs

from tests import in_process


class PhotographsTest(absltest.TestCase):
    def test_squares_are_square_and_inside_the_photographs(self):
        for name in photographs.SQUARES:
            height, width, channels = photographs.square(name).shape
            self.assertEqual((height, channels), (width, 3))
            self.assertGreaterEqual(height, 300)

    def test_what_is_committed_names_its_run_and_has_a_prediction_for_every_square(self):
        numbers = json.loads(photographs.NUMBERS.read_text())
        self.assertRegex(numbers["run"], r"^\w+, seed \d, \d+ epochs$")
        self.assertLen(numbers["students"], 2)
        for student in numbers["students"]:
            self.assertBetween(student["accuracy"], 0.1, 1.0)
            self.assertEqual(set(student["predictions"]), set(photographs.SQUARES))
            for predictions in student["predictions"].values():
                shares = [share for _, share in predictions]
                self.assertEqual(shares, sorted(shares, reverse=True))
                self.assertLessEqual(sum(shares), 1.0)

    @pytest.mark.slow
    def test_numbers_come_from_the_students_of_a_run(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        run = folder / "min_logit" / "seed0"
        done = in_process.run(
            "train", "--students=resnet8,resnet8", "--ensemble=min_logit", "--train_per_class=2",
            "--holdout_per_class=0", "--epochs=1", "--milestones=", f"--workdir={run}",
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        numbers = folder / "numbers.json"
        with mock.patch.object(photographs, "NUMBERS", numbers):
            photographs.write(run)
        found = json.loads(numbers.read_text())
        self.assertEqual(found["run"], "min_logit, seed 0, 1 epochs")
        self.assertEqual([each["name"] for each in found["students"]], ["resnet8", "resnet8_2"])
        for student in found["students"]:
            self.assertLen(student["predictions"]["lake"], 3)

    def test_a_run_without_exported_students_is_refused(self):
        with self.assertRaisesRegex(ValueError, "expected a run with exported students; got /no"):
            photographs.write(pathlib.Path("/nowhere"))


if __name__ == "__main__":
    absltest.main()
