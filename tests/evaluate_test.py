"""Tests of kdcl_tf.evaluate, on students that were exported untrained."""

import json
import pathlib
import shutil
import tempfile

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf import data, serving, students
from kdcl_tf.serving.cards import Card
from kdcl_tf.training.workdir import Workdir
from tests import in_process


def _main(*arguments):
    """What the program prints to `(stdout, stderr)`, and its exit status."""
    done = in_process.run("evaluate", *arguments)
    return done.stdout, done.stderr, done.returncode


def _write_photos(folder, classes=2):
    random = np.random.default_rng(0)
    for split, count in (("train", 4), ("test", 3)):
        for label in range(classes):
            place = folder / split / f"class_{label}"
            place.mkdir(parents=True)
            for number in range(count):
                image = random.integers(256, size=[9, 9, 3], dtype=np.uint8)
                (place / f"{number}.png").write_bytes(tf.io.encode_png(image).numpy())


class EvaluateTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name)
        cls.dataset = data.load("digits", image_size=8)
        keras.utils.set_random_seed(0)
        for name in ("resnet8", "wrn_10_1"):
            student = students.build(name, 10, (8, 8, 3))
            path = cls.folder / "run" / "students" / name
            serving.export_student(student, path, card=Card.of(student, cls.dataset))

    def test_all_students_of_a_workdir_as_a_table_and_as_json(self):
        (self.folder / "run" / "students" / ".partial-0123abcd-resnet8").mkdir()
        (self.folder / "run" / "students" / ".partial-0123abcd-resnet8" / "saved_model.pb").touch()
        output = self.folder / "scores.json"
        table, stderr, status = _main(f"--workdir={self.folder / 'run'}", f"--output={output}")
        self.assertEqual((stderr, status), ("", 0))
        scores = json.loads(output.read_text())
        self.assertEqual(list(scores), ["resnet8", "wrn_10_1"])
        lines = table.splitlines()
        self.assertEqual(lines[0].split(), ["student", "top-1", "top-5", "NLL", "ECE", "images"])
        for line, (name, each) in zip(lines[1:], scores.items(), strict=True):
            self.assertEqual(line.split()[0], name)
            self.assertEqual(line.split()[1], f"{each['top_1']:.2%}")
            self.assertEqual(line.split()[-1], "360")
            self.assertAllClose(each["top_1"], self._accuracy(name))

    def _accuracy(self, name):
        predict, _ = serving.load_student(self.folder / "run" / "students" / name)
        logits = predict(self.dataset.test.images)["logits"].numpy()
        return np.mean(logits.argmax(axis=1) == self.dataset.test.labels)

    def test_one_model_on_the_training_images(self):
        model = self.folder / "run" / "students" / "resnet8"
        table, _, _ = _main(f"--model={model}", "--split=train", "--batch_size=500")
        self.assertRegex(table.splitlines()[1], r"^resnet8 .* 1437$")

    def test_a_folder_of_photos(self):
        photos = self.folder / "photos"
        _write_photos(photos, 10)
        model = self.folder / "run" / "students" / "resnet8"
        table, _, status = _main(f"--model={model}", f"--dataset=folder:{photos}")
        self.assertEqual(status, 0)
        self.assertRegex(table.splitlines()[1], r"^resnet8 .* 30$")

    def test_other_classes_are_refused_in_one_line(self):
        photos = self.folder / "two"
        _write_photos(photos, 2)
        _, stderr, status = _main(f"--workdir={self.folder / 'run'}", f"--dataset=folder:{photos}")
        self.assertEqual(status, 1)
        self.assertRegex(stderr, "expected a data set of 10 classes for student resnet8; got .* of 2: choose")
        self.assertEqual(stderr.count("\n"), 1)

    def test_analyses_write_numbers_and_plot_beside_the_run(self):
        run = self.folder / "run"
        for analysis in ("categories", "spread", "noise", "overfitting"):
            text, stderr, status = _main(
                f"--workdir={run}",
                f"--analysis={analysis}",
                "--images=20",
                "--noise_step=0.1",
                "--noise_draws=1",
            )
            self.assertEqual((stderr, status), ("", 0))
            output, plot = (run / "analyses" / f"{analysis}.{kind}" for kind in ("json", "png"))
            self.assertEqual(text.splitlines()[-1], f"numbers: {output}; plot: {plot}")
            written = json.loads(output.read_text())
            self.assertEqual(written["analysis"], analysis)
            self.assertLen(written["students"], 2)
            self.assertGreater(plot.stat().st_size, 5_000)

    def test_overfitting_is_on_the_images_that_the_run_trained_on(self):
        flags_txt = self.folder / "run" / "flags.txt"
        model = f"--model={self.folder / 'run' / 'students' / 'resnet8'}"
        whole, _, _ = _main(model, "--analysis=overfitting")
        self.assertRegex(whole.splitlines()[1], " 1437$")
        flags_txt.write_text("--dataset=digits\n--holdout_per_class=5\n--train_per_class=10\n")
        self.addCleanup(flags_txt.unlink)
        subset, _, _ = _main(model, "--analysis=overfitting")
        self.assertRegex(subset.splitlines()[1], " 100$")

    def test_loss_gap_reads_the_logs_of_two_runs(self):
        runs = []
        for name, loss in (("alone", 2.0), ("cohort", 1.5)):
            run = Workdir(self.folder / name)
            run.log_epoch({"epoch": 1, "test_resnet8_cross_entropy": loss})
            shutil.copytree(self.folder / "run" / "students", run.path / "students")
            runs.append(str(run.path))
        flag = f"--workdir={','.join(runs)}"
        text, stderr, status = _main(flag, "--analysis=loss_gap", "--student=resnet8")
        self.assertEqual((stderr, status), ("", 0))
        self.assertRegex(text, r"1 +\+0.5000")
        _, stderr, status = _main(flag, "--analysis=loss_gap", "--student=resnet9")
        self.assertEqual(status, 1)
        self.assertIn("expected --student to be one of resnet8, wrn_10_1", stderr)

    def test_what_an_analysis_cannot_use_is_refused_in_one_line(self):
        run, model = self.folder / "run", self.folder / "run" / "students" / "resnet8"
        for arguments, message in (
            ((f"--model={model}", "--analysis=categories"), "expected two students for --analysis=categories; got 1"),
            ((f"--workdir={run}", "--analysis=loss_gap"), "--workdir=BASELINE,OTHER"),
            ((f"--workdir={run}", f"--model={model}"), "exactly one of"),
            ((f"--workdir={run}", "--analysis=noise", "--noise_step=-1"), "expected a step of the noise above 0"),
            ((f"--workdir={run}", "--plot=/nowhere/a.png"), "there is no folder /nowhere"),
        ):
            _, stderr, status = _main(*arguments)
            self.assertEqual(status, 1)
            self.assertIn(message, stderr)
            self.assertEqual(stderr.count("\n"), 1)

    def test_what_is_no_student_is_refused_in_one_line(self):
        _, stderr, status = _main(f"--model={self.folder}")
        self.assertEqual(status, 1)
        self.assertRegex(stderr, "expected an exported student, a folder with saved_model.pb")
        self.assertEqual(stderr.count("\n"), 1)


if __name__ == "__main__":
    tf.test.main()
