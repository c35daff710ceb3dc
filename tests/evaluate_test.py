"""Tests of kdcl_tf.evaluate, on students that were exported untrained."""

import dataclasses
import json
import pathlib
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from kdcl_tf import data, serving, students
from kdcl_tf.files.identity import Identity
from kdcl_tf.serving.cards import Card
from kdcl_tf.training.workdir import Workdir
from tests import class_folder, exported_photos, image_files, in_process


def _main(*arguments):
    """What the program prints to `(stdout, stderr)`, and its exit status."""
    done = in_process.run("evaluate", *arguments)
    return done.stdout, done.stderr, done.returncode


def _write_digits(folder, names, labels=range(10)):
    """The digits' first test images as a folder of classes: `names[label]` is the class's."""
    digits = data.load("digits", image_size=8).test
    for split in ("train", "test"):
        for label in labels:
            place = folder / split / names[label]
            place.mkdir(parents=True)
            for number, image in enumerate(digits.images[digits.labels == label][:6]):
                (place / f"{number}.png").write_bytes(tf.io.encode_png(image).numpy())


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
        _write_digits(photos, [str(digit) for digit in range(10)])
        model = self.folder / "run" / "students" / "resnet8"
        table, stderr, status = _main(f"--model={model}", f"--dataset=folder:{photos}")
        self.assertEqual((stderr, status), ("", 0))
        self.assertRegex(table.splitlines()[1], r"^resnet8 .* 60$")

    def test_other_classes_are_refused_in_one_line(self):
        photos = self.folder / "pets"
        _write_digits(photos, ["cat", "dog"], range(2))
        _, stderr, status = _main(f"--workdir={self.folder / 'run'}", f"--dataset=folder:{photos}")
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
            text, stderr, status = _main(
                f"--workdir={run}",
                f"--analysis={analysis}",
                "--images=20",
                *(["--noise_step=0.1", "--noise_draws=1"] if analysis == "noise" else []),
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
        first, _, _ = _main(model, "--analysis=overfitting", "--images=30")
        self.assertRegex(first.splitlines()[1], " 30$")

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
        # A complete run's log may have been changed for another's.
        result = {"epochs": 1, "students": {"resnet8": {"cross_entropy": 1.5}}}
        Workdir(pathlib.Path(runs[0])).write_result(result)
        _, stderr, status = _main(flag, "--analysis=loss_gap", "--student=resnet8")
        self.assertEqual(status, 1)
        self.assertIn("alone/log.jsonl is damaged (its epoch 1 has other numbers than", stderr)
        for run, classes in zip(runs, (["cat", "dog"], ["cat", "cow"])):
            facts = Identity({}, {"classes": classes}, versions={}).facts
            Workdir(pathlib.Path(run)).write_result({"identity": facts})
        _, stderr, status = _main(flag, "--analysis=loss_gap", "--student=resnet8")
        self.assertEqual(status, 1)
        self.assertIn("cohort was trained on other data than", stderr)
        for run in runs:
            pathlib.Path(run, "result.json").unlink()
        _, stderr, status = _main(flag, "--analysis=loss_gap", "--student=resnet9")
        self.assertEqual(status, 1)
        self.assertIn("expected --student to be one of resnet8, wrn_10_1", stderr)

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
            _, stderr, status = _main(*arguments)
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
            _, stderr, status = _main(f"--workdir={run}")
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
        table, stderr, status = _main(*flags)
        self.assertEqual((stderr, status), ("", 0))
        for line, name in zip(table.splitlines()[1:], ("colours.tflite", "colours.onnx")):
            self.assertRegex(line, rf"^{name} +100.00% .* 3$")
        _, stderr, status = _main(*flags, "--analysis=noise")
        self.assertEqual(status, 1)
        self.assertRegex(stderr, "expected SavedModels for --analysis=noise, .*; got .*tflite: ")
        _, stderr, _ = _main(f"--model={onnx}", "--dataset=digits")
        self.assertRegex(stderr, "expected digits to have the classes of student colours.onnx")
        self.assertEqual(stderr.count("\n"), 1)

    def test_a_link_to_a_file_of_another_name_is_what_it_is_called(self):
        photos = self.folder / "linked"
        exported_photos.write_colours(photos / "test")
        onnx = exported_photos.export_files(class_folder.make(type(self)))[1]
        content = onnx.rename(onnx.with_name("0123abcd"))
        onnx.symlink_to(content)
        table, stderr, status = _main(f"--model={onnx}", f"--dataset=folder:{photos}")
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
            _, stderr, status = _main(f"--model={path}", dataset)
            self.assertEqual((stderr, status), ("", 0))
        _, stderr, status = _main(f"--model={whole},{cut}", dataset)
        self.assertEqual(status, 1)
        self.assertRegex(
            stderr,
            "got padded_crop of images scaled to 16 x 16, and resized_crop of images scaled to "
            "18 x 18 and cut to 16 x 16: analyse them one at a time\n$",
        )
        self.assertEqual(stderr.count("\n"), 1)

    def _of_photos(self, photos, name, **settings):
        """An exported student whose card says that it is of a run on these photographs."""
        share = float(settings.get("test_share", 0))
        subset = {
            key: int(settings.get(key, 0)) for key in ("holdout_per_class", "train_per_class")
        }
        dataset = data.load(f"folder:{photos}", image_size=16, test_share=share, **subset)
        told = {"dataset": f"folder:{photos}", **settings}
        path = exported_photos.export(
            self.folder / f"of_{photos.name}" / name,
            shape=(16, 16, 3),
            classes=tuple(sorted(exported_photos.COLOURS)),
            dataset=f"folder:{photos}",
            identity={"settings": told, "data": dataset.digest()},
        )
        return f"{path}"

    def _photos(self, name, count):
        photos = self.folder / name
        for seed, colour in enumerate(exported_photos.COLOURS):
            contents = {
                f"{number}.jpg": image_files.encode(image_files.photo(10 * seed + number))
                for number in range(count)
            }
            image_files.write(photos / colour, contents)
        return photos

    def test_the_split_of_any_student_counts_whatever_their_order(self):
        photos = self._photos("ours", 6)
        other = self._of_photos(self._photos("theirs", 4), "other", test_share="0.5")
        mine = self._of_photos(photos, "mine", test_share="0.5")
        for models in (f"{mine},{other}", f"{other},{mine}"):
            stdout, stderr, status = _main(f"--model={models}", f"--dataset=folder:{photos}")
            self.assertEqual(status, 0, stderr)
            self.assertIn("9 of 18", stderr)
        third = self._of_photos(photos, "third", test_share="0.34")
        _, stderr, status = _main(f"--model={mine},{third}", f"--dataset=folder:{photos}")
        self.assertEqual((status, stderr.count("\n")), (1, 1))
        self.assertRegex(
            stderr, "split .*ours alike; got mine by test_share=0.5; third by test_sha"
        )

    def test_the_share_of_the_students_own_run_is_the_only_one(self):
        photos = self._photos("shared", 8)
        copy = self.folder / "copied"
        shutil.copytree(photos, copy)
        model = self._of_photos(photos, "mine", test_share="0.25")
        places = ([], [f"--dataset=folder:{photos}"], [f"--dataset=folder:{copy}"])
        for dataset in places:
            for share in ("0", "0.5"):
                _, stderr, status = _main(f"--model={model}", f"--test_share={share}", *dataset)
                self.assertEqual((status, stderr.count("\n")), (1, 1), stderr)
                self.assertRegex(
                    stderr,
                    "expected --test_share=0.25, by which mine's run split folder:.*; got "
                    f"{share}, whose test images it was trained on: leave out --test_share",
                )
            tables = [
                _main(f"--model={model}", *flags, *dataset) for flags in ([], ["--test_share=0.25"])
            ]
            self.assertEqual(tables[0], tables[1])
            self.assertIn("6 of 24", tables[0][1])
        other = self._photos("unknown", 4)
        for share, warns in (("0.5", True), ("0.25", False)):
            _, stderr, status = _main(
                f"--model={model}", f"--dataset=folder:{other}", f"--test_share={share}"
            )
            self.assertEqual(status, 0, stderr)
            self.assertEqual("if some of these images were in it" in stderr, warns)

    def test_a_folder_that_changed_since_its_split_is_told(self):
        photos = self._photos("changing", 8)
        copy = self.folder / "copy_of_changing"
        model = self._of_photos(photos, "mine", test_share="0.25")
        own = f"--dataset=folder:{photos}"
        _, stderr, status = _main(f"--model={model}", own)
        self.assertEqual(status, 0, stderr)
        self.assertNotIn("split it", stderr)
        for path in sorted(photos.rglob("*.jpg"))[::3]:
            path.unlink()
        shutil.copytree(photos, copy)
        _, stderr, status = _main(f"--model={model}")
        self.assertEqual(status, 1)
        self.assertIn("evaluate on them as they are, some of which it may have been", stderr)
        moved = [f"--dataset=folder:{copy}", "--test_share=0.25"]
        for flags in ([own], moved):
            _, stderr, status = _main(f"--model={model}", *flags)
            self.assertEqual(status, 0, stderr)
            self.assertIn("the folder is not as mine's run split it: some of these ima", stderr)

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
        _, stderr, status = _main(*flags)
        self.assertEqual(status, 1)
        self.assertIn("pass --tfrecord_image_key=NAME", stderr)
        keys = ("--tfrecord_image_key=picture", "--tfrecord_label_key=kind")
        table, stderr, status = _main(*flags, *keys)
        self.assertEqual(status, 0, stderr)
        self.assertRegex(table.splitlines()[1], "^of_words ")
        _, stderr, status = _main(f"--model={student}", "--dataset=digits", keys[0])
        self.assertEqual((status, stderr.count("\n")), (1, 1))
        self.assertIn("expected a data set tfrecord:PATH; got 'digits'", stderr)

    def test_training_images_are_those_of_the_run_however_its_folder_is_named(self):
        photos = self._photos("named", 6)
        settings = {"test_share": "0.5", "train_per_class": "1", "holdout_per_class": "0"}
        model = self._of_photos(photos, "mine", **settings)
        for name in (photos, photos / ".." / photos.name):
            stdout, stderr, status = _main(
                f"--model={model}", f"--dataset=folder:{name}", "--analysis=overfitting"
            )
            self.assertEqual(status, 0, stderr)
            self.assertRegex(stdout.splitlines()[1], " 3$")

    @pytest.mark.slow
    def test_other_training_images_than_the_runs_are_refused(self):
        photos = self.folder / "fewer"
        self._photos("fewer/train", 4)
        self._photos("fewer/test", 2)
        run = {"test_share": "0.0", "holdout_per_class": "1", "train_per_class": "0"}
        model = self._of_photos(photos, "mine", **run)
        of_train = ("--analysis=overfitting", "--split=train")
        for flag in of_train:
            _, stderr, status = _main(f"--model={model}", flag)
            self.assertEqual(status, 0, stderr)
        next((photos / "train").rglob("*.jpg")).unlink()
        for flag in of_train:
            _, stderr, status = _main(f"--model={model}", flag)
            self.assertEqual((status, stderr.count("\n")), (1, 1), stderr)
            self.assertIn("is not what mine was trained with: train has 8 images; the run", stderr)
            _, stderr, status = _main(f"--model={model}", f"--dataset=folder:{photos}", flag)
            self.assertEqual(status, 0, stderr)
        _, stderr, status = _main(f"--model={model}", "--analysis=scores")
        self.assertEqual(status, 0, stderr)

    def test_a_run_with_a_validation_set_needs_only_its_test_images(self):
        photos = self.folder / "split"
        self._photos("split/train", 3)
        self._photos("split/test", 2)
        model = self._of_photos(photos, "mine", validation_share="0.3")
        shutil.rmtree(photos / "train")
        stdout, stderr, status = _main(f"--model={model}")
        self.assertEqual(status, 0, stderr)
        _, stderr, status = _main(f"--model={model}", "--split=validation")
        self.assertEqual((status, stderr.count("\n")), (1, 1))

    def test_exports_of_different_epochs_are_told(self):
        photos = self._photos("epochs", 2)
        for name, epoch in (("a", 100), ("ensemble", 40)):
            exported_photos.export(
                self.folder / "two" / "students" / name,
                shape=(16, 16, 3),
                classes=tuple(sorted(exported_photos.COLOURS)),
                epoch=epoch,
            )
        _, stderr, status = _main(f"--workdir={self.folder / 'two'}", f"--dataset=folder:{photos}")
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
            _, stderr, status = _main(
                *(f"--model={model}", f"--dataset=folder:{photos}", "--skip_bad_images"),
                f"--analysis={analysis}",
            )
            self.assertEqual(status, 1)
            self.assertRegex(
                stderr.splitlines()[-1], ": expected images that can be decoded; got none among 3: "
            )

    def test_a_student_of_no_known_data_set_is_told_to_name_one(self):
        student = self.folder / "of_nothing"
        exported_photos.export(student)
        for more in ([], ["--test_share=0.2"]):
            _, stderr, status = _main(f"--model={student}", *more)
            self.assertEqual(status, 1)
            self.assertIn("expected the name of a data set; got none", stderr)
            self.assertEqual(stderr.count("\n"), 1)

    def test_what_is_no_student_is_refused_in_one_line(self):
        _, stderr, status = _main(f"--model={self.folder}")
        self.assertEqual(status, 1)
        self.assertRegex(stderr, "expected an exported student, a folder with saved_model.pb")
        self.assertEqual(stderr.count("\n"), 1)


# In alphabetical order, which is that of folders, their numbers are 8, 5, 4, 9, 1, 7, 6, 3, 2, 0.
_WORDS = "zero one two three four five six seven eight nine".split()


class MatchedClassesTest(tf.test.TestCase):
    """A student of digits by their words, on folders with other names and other orders."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = class_folder.make(cls)
        cls.dataset = dataclasses.replace(
            data.load("digits", image_size=8), class_names=tuple(_WORDS)
        )
        keras.utils.set_random_seed(0)
        student = students.build("resnet8", 10, (8, 8, 3))
        student.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        train = cls.dataset.train
        images = cls.dataset.normalization.apply(train.images)
        student.fit(images, train.labels, batch_size=32, epochs=3, verbose=0)
        cls.model = cls.folder / "students" / "resnet8"
        serving.export_student(student, cls.model, card=Card.of(student, cls.dataset))

    def _scores(self, photos, *arguments, analysis="scores"):
        output = self.folder / "found.json"
        flags = (f"--model={self.model}", f"--dataset=folder:{photos}", f"--output={output}")
        _, stderr, status = _main(*flags, f"--analysis={analysis}", *arguments)
        self.assertEqual(status, 0, stderr)
        return json.loads(output.read_text()), stderr

    def _expected(self, labels=range(10)):
        """Accuracy on the folder's images by TensorFlow's own loader, classes as exported."""
        predict = tf.saved_model.load(str(self.model)).signatures["serving_default"]
        test = self.dataset.test
        hits = []
        for label in labels:
            images = test.images[test.labels == label][:6]
            logits = predict(images=tf.constant(images))["logits"].numpy()
            hits.extend(logits.argmax(axis=1) == label)
        return np.mean(hits)

    def test_folders_in_another_order_have_the_same_accuracy(self):
        photos = self.folder / "alphabetical"
        _write_digits(photos, _WORDS)
        scores, stderr = self._scores(photos)
        self.assertEqual(stderr, "")
        self.assertGreater(self._expected(), 0.7)
        self.assertAllClose(scores["resnet8"]["top_1"], self._expected())
        overfitted, _ = self._scores(photos, analysis="overfitting")
        found = overfitted["numbers"]["resnet8"]
        self.assertAllClose([found["train"], found["test"]], [self._expected()] * 2)
        noisy, _ = self._scores(photos, "--noise_max=0", analysis="noise")
        accuracy = noisy["numbers"]["students"]["resnet8"]["accuracy"]
        self.assertAllClose(accuracy[0][0], self._expected())
        by_position, _ = self._scores(photos, "--match_classes=position")
        self.assertLess(by_position["resnet8"]["top_1"], 0.5)

    def test_a_part_of_the_classes_is_evaluated_among_all(self):
        photos, labels = self.folder / "part", (7, 2, 9)
        _write_digits(photos, _WORDS, labels)
        scores, stderr = self._scores(photos)
        self.assertAllClose(scores["resnet8"]["top_1"], self._expected(labels))
        self.assertRegex(stderr, "^student resnet8 knows 10 classes, of which .*part has 3: ")
        self.assertEqual(stderr.count("\n"), 1)

    def test_a_part_of_the_classes_by_category(self):
        photos, labels = self.folder / "categories", (7, 2, 9)
        _write_digits(photos, _WORDS, labels)
        shutil.copytree(self.model, self.model.with_name("again"))
        output = self.folder / "categories.json"
        _, _, status = _main(
            f"--model={self.model},{self.model.with_name('again')}",
            *(f"--dataset=folder:{photos}", f"--output={output}", "--analysis=categories"),
        )
        self.assertEqual(status, 0)
        numbers = json.loads(output.read_text())["numbers"]
        self.assertEqual(numbers["categories"], ["nine", "seven", "two"])
        self.assertEqual(numbers["equal"], 3)
        for name, label in (("nine", 9), ("seven", 7), ("two", 2)):
            place = numbers["categories"].index(name)
            self.assertAllClose(numbers["accuracy"]["again"][place], self._expected([label]))

    def test_numbers_for_words_are_refused_with_the_flag_that_helps(self):
        photos = self.folder / "numbers"
        _write_digits(photos, [str(digit) for digit in range(10)])
        flags = (f"--model={self.model}", f"--dataset=folder:{photos}")
        _, stderr, status = _main(*flags)
        self.assertEqual(status, 1)
        self.assertRegex(stderr, "only numbers: .*, pass --match_classes=position$")
        self.assertEqual(stderr.count("\n"), 1)
        scores, _ = self._scores(photos, "--match_classes=position")
        self.assertAllClose(scores["resnet8"]["top_1"], self._expected())

    def test_a_renamed_class_is_named(self):
        photos = self.folder / "renamed"
        _write_digits(photos, ["null", *_WORDS[1:]])
        _, stderr, status = _main(f"--model={self.model}", f"--dataset=folder:{photos}")
        self.assertEqual(status, 1)
        self.assertRegex(stderr, "1 of 10 .* not know, 'null', and 1 of 10 missing: 'zero': choose")

    def test_a_teacher_is_matched_by_name(self):
        photos = self.folder / "taught"
        _write_digits(photos, [str(digit) for digit in range(10)])
        flags = (
            *("--method=offline_distillation", "--students=resnet8", f"--teacher={self.model}"),
            *(f"--dataset=folder:{photos}", "--epochs=1", "--milestones=", "--image_size=8"),
        )
        refused = in_process.run("train", f"--workdir={self.folder / 'refused'}", *flags)
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, "the teacher; got 10 of 10 .* --match_classes=position$")
        done = in_process.run(
            "train", f"--workdir={self.folder / 'done'}", *flags, "--match_classes=position"
        )
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    tf.test.main()
