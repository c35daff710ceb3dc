"""Tests of kdcl_tf.classification.report."""

import pathlib

from absl.testing import absltest

from kdcl_tf.classification import report

RESULT = {
    "students": {
        "resnet8": {
            "accuracy": 0.5,
            "top_5_accuracy": 0.75,
            "parameters": 78042,
            "saved_model": "students/resnet8",
        }
    },
    "ensemble_accuracy": 0.625,
}


class ReportTest(absltest.TestCase):
    def test_a_line_a_student_and_where_everything_is(self):
        lines = report.of_run(RESULT, pathlib.Path("runs/one")).splitlines()
        self.assertEqual(
            lines,
            [
                (
                    "resnet8: test accuracy 50.00%, top-5 75.00%, 78,042 parameters, "
                    "runs/one/students/resnet8"
                ),
                "ensemble: test accuracy 62.50%",
                "plot: runs/one/accuracy.png; numbers: runs/one/result.json",
            ],
        )

    def test_the_exported_epoch_and_balanced_accuracy(self):
        student = {**RESULT["students"]["resnet8"], "balanced_accuracy": 0.25}
        del student["top_5_accuracy"]
        result = {**RESULT, "students": {"resnet8": student}, "exported_epoch": 2, "epochs": 3}
        lines = report.of_run({**result, "kept": "the best"}, pathlib.Path("run")).splitlines()
        self.assertStartsWith(lines[0], "resnet8: test accuracy 50.00%, balanced 25.00%, 78,042 ")
        self.assertEqual(lines[2], "exported: epoch 2 of 3, the best")


if __name__ == "__main__":
    absltest.main()
