"""Tests of kdcl_tf.evaluate, on students that were exported untrained."""

import json
import pathlib
import shutil

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf import data, serving, students
from kdcl_tf.files.identity import Identity
from kdcl_tf.serving.cards import Card
from kdcl_tf.training.workdir import Workdir
from tests import class_folder, evaluating, exported_photos, image_files


class EvaluateTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = class_folder.make(cls)
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
        table, stderr, status = evaluating.run(
            f"--workdir={self.folder / 'run'}", f"--output={output}"
        )
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
        table, _, _ = evaluating.run(f"--model={model}", "--split=train", "--batch_size=500")
        self.assertRegex(table.splitlines()[1], r"^resnet8 .* 1437$")

    def test_a_folder_of_photos(self):
        photos = self.folder / "photos"
        evaluating.write_digits(photos, [str(digit) for digit in range(10)])
        model = self.folder / "run" / "students" / "resnet8"
        table, stderr, status = evaluating.run(f"--model={model}", f"--dataset=folder:{photos}")
        self.assertEqual((stderr, status), ("", 0))
        self.assertRegex(table.splitlines()[1], r"^resnet8 .* 60$")

    def test_other_classes_are_refused_in_one_line(self):
        photos = self.folder / "pets"
        evaluating.write_digits(photos, ["cat", "dog"], range(2))
        _, stderr, status = evaluating.run(
            f"--workdir={self.folder / 'run'}", f"--dataset=folder:{photos}"
        )
        self.assertEqual(status, 1)
        self.assertRegex(
            stderr,
            "expected folder:.*pets to have the classes of student resnet8; got 2 of 2 that student resnet8 "
            "does not know, 'cat', 'dog', and 10 of 10 missing: '0', '1', '2' and 7",
        )
        self.assertEqual(stderr.count("\n"), 1)

    def test_analyses_write_numbers_and_plot_beside_the_run(self):
        run = self.folder / "run"
        for analysis in ("categories", "spread", "noise", "overfitting"):
            text, stderr, status = evaluating.run(
                f"--workdir={run}",
                f"--analysis={analysis}",
                "--images=20",
                *(["--noise_step=0.1", "--noise_draws=1"] if analysis == "noise" else []),
            )
            told = "only the first 20 of 360 images are evaluated\n"
            if analysis == "overfitting":
                told = "only the first 20 of 360 test images are evaluated\n" + "; ".join(
                    f"only the first 20 of the 1,437 training images of {name} are evaluated"
                    for name in ("resnet8", "wrn_10_1")
                )
                told += "\n"
            self.assertEqual((stderr, status), (told, 0))
            output, plot = (run / "analyses" / f"{analysis}.{kind}" for kind in ("json", "png"))
            self.assertEqual(text.splitlines()[-1], f"numbers: {output}; plot: {plot}")
            written = json.loads(output.read_text())
            self.assertEqual(written["analysis"], analysis)
            self.assertLen(written["students"], 2)
            self.assertGreater(plot.stat().st_size, 5_000)

    def test_overfitting_is_on_the_images_that_the_run_trained_on(self):
        flags_txt = self.folder / "run" / "flags.txt"
        model = f"--model={self.folder / 'run' / 'students' / 'resnet8'}"
        whole, _, _ = evaluating.run(model, "--analysis=overfitting")
        self.assertRegex(whole.splitlines()[1], " 1437$")
        flags_txt.write_text("--dataset=digits\n--holdout_per_class=5\n--train_per_class=10\n")
        self.addCleanup(flags_txt.unlink)
        subset, _, _ = evaluating.run(model, "--analysis=overfitting")
        self.assertRegex(subset.splitlines()[1], " 100$")
        first, _, _ = evaluating.run(model, "--analysis=overfitting", "--images=30")
        self.assertRegex(first.splitlines()[1], " 30$")
        # As many as there are, and fewer than there are to test on.
        _, told, _ = evaluating.run(model, "--analysis=overfitting", "--images=100")
        self.assertEqual(told, "only the first 100 of 360 test images are evaluated\n")

    def test_loss_gap_reads_the_logs_of_two_runs(self):
        runs = []
        for name, loss in (("alone", 2.0), ("cohort", 1.5)):
            run = Workdir(self.folder / name)
            run.log_epoch({"epoch": 1, "test_resnet8_cross_entropy": loss})
            runs.append(str(run.path))
        flag = f"--workdir={','.join(runs)}"
        text, stderr, status = evaluating.run(flag, "--analysis=loss_gap", "--student=resnet8")
        self.assertEqual((stderr, status), ("", 0))
        self.assertRegex(text, r"1 +\+0.5000")
        written = json.loads((self.folder / "alone" / "analyses" / "loss_gap.json").read_text())
        # It is of logs alone: students need not be exported yet, nor any more.
        self.assertEqual(written["digests"], [None, None])
        self.assertEqual(written["students"], [f"{run}/students/resnet8" for run in runs])
        # A complete run's log may have been changed for another's.
        result = {"epochs": 1, "students": {"resnet8": {"cross_entropy": 1.5}}}
        Workdir(pathlib.Path(runs[0])).write_result(result)
        _, stderr, status = evaluating.run(flag, "--analysis=loss_gap", "--student=resnet8")
        self.assertEqual(status, 1)
        self.assertIn("alone/log.jsonl is damaged (its epoch 1 has other numbers than", stderr)
        for run, classes in zip(runs, (["cat", "dog"], ["cat", "cow"])):
            facts = Identity({}, {"classes": classes}, versions={}).facts
            Workdir(pathlib.Path(run)).write_result({"identity": facts})
        _, stderr, status = evaluating.run(flag, "--analysis=loss_gap", "--student=resnet8")
        self.assertEqual(status, 1)
        self.assertIn("cohort was trained on other data than", stderr)
        for run in runs:
            pathlib.Path(run, "result.json").unlink()
        _, stderr, status = evaluating.run(flag, "--analysis=loss_gap", "--student=resnet9")
        self.assertEqual(status, 1)
        self.assertIn("that evaluated student resnet9; got one of resnet8", stderr)
        flag = f"--workdir={runs[0]},{self.folder}"
        _, stderr, status = evaluating.run(flag, "--analysis=loss_gap", "--student=resnet8")
        self.assertEqual((status, stderr.count("\n")), (1, 1))
        self.assertIn(f"got --workdir={self.folder}, which has no log.jsonl", stderr)

    def test_what_an_analysis_cannot_use_is_refused_in_one_line(self):
        run, model = self.folder / "run", self.folder / "run" / "students" / "resnet8"
        for arguments, message in (
            ((f"--model={model}", "--analysis=categories"), "expected two students for"),
            ((f"--workdir={run}", "--analysis=loss_gap"), "--workdir=BASELINE,OTHER"),
            ((f"--workdir={run}", f"--model={model}"), "exactly one of"),
            ((f"--workdir={run}", "--analysis=noise", "--noise_step=-1"), "a step of the noise"),
            ((f"--workdir={run}", "--analysis=spread", "--plot=/nowhere/a.png"), "make /nowhere"),
            ((f"--workdir={run}", f"--plot={run}/a.png"), "leave out --plot"),
            ((f"--workdir={run}", "--noise_max=0.3"), "leave out --noise_max"),
            ((f"--workdir={run}", "--analysis=noise", "--mistakes=3"), "leave out --mistakes"),
            (
                (f"--workdir={run}", f"--output={run}/s.CSV"),
                "name a JSON file, such as s.json; got",
            ),
            (
                (f"--model={model}", f"--output={model}/student.json"),
                "belongs to an exported model",
            ),
            ((f"--model={model}", f"--output={model}/scores.json"), "belongs to an exported model"),
            ((f"--workdir={run}", "--analysis=overfitting", "--split=train"), "leave out --split"),
            ((f"--workdir={run},{run}", "--analysis=loss_gap", "--images=2"), f"{run} twice"),
            ((f"--model={model},{run}/students/../students/resnet8",), f"{model} twice"),
            ((f"--model={model}", "--student=resnet8"), "leave out --student"),
            (
                (f"--model={model}", "--analysis=spread", f"--plot={run}/a.json"),
                "to name a picture, such as a.png; got",
            ),
        ):
            _, stderr, status = evaluating.run(*arguments)
            self.assertEqual(status, 1)
            self.assertIn(message, stderr)
            self.assertEqual(stderr.count("\n"), 1)

    def test_a_damaged_student_is_refused_in_one_line(self):
        run = self.folder / "damaged"
        shutil.copytree(self.folder / "run" / "students", run / "students")
        damaged = run / "students" / "wrn_10_1"
        for name, message in (
            ("saved_model.pb", f"{damaged} is damaged: saved_model.pb cannot be read"),
            ("student.json", f"{damaged}/student.json is not the card of an exported model"),
        ):
            (damaged / name).unlink()
            if name == "student.json":
                (damaged / name).write_text("{")
            _, stderr, status = evaluating.run(f"--workdir={run}")
            self.assertEqual(status, 1)
            self.assertIn(message, stderr)
            self.assertRegex(stderr, "; export it again$")
            self.assertEqual(stderr.count("\n"), 1)

    def test_files_of_other_runtimes_are_scored_by_their_class_names(self):
        photos = self.folder / "colours"
        # In the order of folders, which is not that of the logits.
        for split in ("train", "test"):
            exported_photos.write_colours(photos / split)
        litert, onnx = exported_photos.export_files(self.folder)
        flags = (f"--model={litert},{onnx}", f"--dataset=folder:{photos}")
        table, stderr, status = evaluating.run(*flags)
        self.assertEqual((stderr, status), ("", 0))
        for line, name in zip(table.splitlines()[1:], ("colours.tflite", "colours.onnx")):
            self.assertRegex(line, rf"^{name} +100.00% .* 3$")
        _, stderr, status = evaluating.run(*flags, "--analysis=noise")
        self.assertEqual(status, 1)
        self.assertRegex(stderr, "expected SavedModels for --analysis=noise, .*; got .*tflite: ")
        _, stderr, _ = evaluating.run(f"--model={onnx}", "--dataset=digits")
        self.assertRegex(stderr, "expected digits to have the classes of student colours.onnx")
        self.assertEqual(stderr.count("\n"), 1)

    def test_a_link_to_a_file_of_another_name_is_what_it_is_called(self):
        photos = self.folder / "linked"
        exported_photos.write_colours(photos / "test")
        onnx = exported_photos.export_files(class_folder.make(type(self)))[1]
        content = onnx.rename(onnx.with_name("0123abcd"))
        onnx.symlink_to(content)
        table, stderr, status = evaluating.run(f"--model={onnx}", f"--dataset=folder:{photos}")
        self.assertEqual((stderr, status), ("", 0))
        self.assertRegex(table.splitlines()[1], "^colours.onnx +100.00% ")

    def test_students_of_images_that_are_scaled_otherwise_are_refused_together(self):
        photos = self.folder / "scaled"
        exported_photos.write_colours(photos / "test")
        whole, cut = (
            exported_photos.export(
                self.folder / name, name, (16, 16, 3), tuple(sorted(exported_photos.COLOURS))
            )
            for name in ("padded_crop", "resized_crop")
        )
        dataset = f"--dataset=folder:{photos}"
        for path in (whole, cut):
            _, stderr, status = evaluating.run(f"--model={path}", dataset)
            self.assertEqual((stderr, status), ("", 0))
        _, stderr, status = evaluating.run(f"--model={whole},{cut}", dataset)
        self.assertEqual(status, 1)
        self.assertRegex(
            stderr,
            "got padded_crop of images scaled to 16 x 16, and resized_crop of images scaled to "
            "18 x 18 and cut to 16 x 16: analyse them one at a time\n$",
        )
        self.assertEqual(stderr.count("\n"), 1)

    def test_features_of_tfrecords_are_those_that_are_given(self):
        folder = self.folder / "records"
        folder.mkdir()
        for split in ("train", "test"):
            records = [
                image_files.example(
                    image_files.encode(image_files.photo(n)), n % 3, "picture", "kind"
                )
                for n in range(6)
            ]
            image_files.write_records(folder / f"{split}.tfrecord", records)
        student = exported_photos.export(
            self.folder / "of_words", shape=(16, 16, 3), classes=("0", "1", "2")
        )
        flags = (f"--model={student}", f"--dataset=tfrecord:{folder}")
        _, stderr, status = evaluating.run(*flags)
        self.assertEqual(status, 1)
        self.assertIn("pass --tfrecord_image_key=NAME", stderr)
        keys = ("--tfrecord_image_key=picture", "--tfrecord_label_key=kind")
        table, stderr, status = evaluating.run(*flags, *keys)
        self.assertEqual(status, 0, stderr)
        self.assertRegex(table.splitlines()[1], "^of_words ")
        _, stderr, status = evaluating.run(f"--model={student}", "--dataset=digits", keys[0])
        self.assertEqual((status, stderr.count("\n")), (1, 1))
        self.assertIn("expected a data set tfrecord:PATH; got 'digits'", stderr)

    def test_exports_of_different_epochs_are_told(self):
        photos = self.folder / "epochs"
        exported_photos.write_photos(photos, 2)
        for name, epoch in (("a", 100), ("ensemble", 40)):
            exported_photos.export(
                self.folder / "two" / "students" / name,
                shape=(16, 16, 3),
                classes=tuple(sorted(exported_photos.COLOURS)),
                epoch=epoch,
            )
        _, stderr, status = evaluating.run(
            f"--workdir={self.folder / 'two'}", f"--dataset=folder:{photos}"
        )
        self.assertEqual(status, 0, stderr)
        self.assertIn("at different epochs: a of epoch 100, ensemble of epoch 40;", stderr)

    def test_a_split_of_which_no_image_can_be_decoded_is_told_in_one_line(self):
        photos = self.folder / "broken"
        for name in exported_photos.COLOURS:
            image_files.write(photos / "test" / name, {"x.png": b"\x89PNG\r\n\x1a\n"})
        model = exported_photos.export(
            self.folder / "any", shape=(16, 16, 3), classes=exported_photos.COLOURS
        )
        for analysis in ("scores", "confusion", "noise"):
            _, stderr, status = evaluating.run(
                *(f"--model={model}", f"--dataset=folder:{photos}", "--skip_bad_images"),
                f"--analysis={analysis}",
            )
            self.assertEqual(status, 1)
            self.assertRegex(
                stderr.splitlines()[-1],
                ": expected images that can be decoded; got none among 3: ",
            )

    def test_a_student_of_no_known_data_set_is_told_to_name_one(self):
        student = self.folder / "of_nothing"
        exported_photos.export(student)
        for more in ([], ["--test_share=0.2"]):
            _, stderr, status = evaluating.run(f"--model={student}", *more)
            self.assertEqual(status, 1)
            self.assertIn("expected the name of a data set; got none", stderr)
            self.assertEqual(stderr.count("\n"), 1)

    def test_what_is_no_student_is_refused_in_one_line(self):
        _, stderr, status = evaluating.run(f"--model={self.folder}")
        self.assertEqual(status, 1)
        self.assertRegex(stderr, "expected an exported student, a folder with saved_model.pb")
        self.assertEqual(stderr.count("\n"), 1)


# In alphabetical order, which is that of folders, their numbers are 8, 5, 4, 9, 1, 7, 6, 3, 2, 0.


if __name__ == "__main__":
    tf.test.main()
