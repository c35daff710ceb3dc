"""Tests of how kdcl-evaluate matches the classes of a data set with a student's."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import tensorflow as tf

from kdcl_tf import data, serving, students
from kdcl_tf.serving.cards import Card
from tests import class_folder, evaluating, in_process

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
        _, stderr, status = evaluating.run(*flags, f"--analysis={analysis}", *arguments)
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
        evaluating.write_digits(photos, _WORDS)
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
        evaluating.write_digits(photos, _WORDS, labels)
        scores, stderr = self._scores(photos)
        self.assertAllClose(scores["resnet8"]["top_1"], self._expected(labels))
        self.assertRegex(stderr, "^student resnet8 knows 10 classes, of which .*part has 3: ")
        self.assertEqual(stderr.count("\n"), 1)

    def test_a_part_of_the_classes_by_category(self):
        photos, labels = self.folder / "categories", (7, 2, 9)
        evaluating.write_digits(photos, _WORDS, labels)
        shutil.copytree(self.model, self.model.with_name("again"))
        output = self.folder / "categories.json"
        _, _, status = evaluating.run(
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
        evaluating.write_digits(photos, [str(digit) for digit in range(10)])
        flags = (f"--model={self.model}", f"--dataset=folder:{photos}")
        _, stderr, status = evaluating.run(*flags)
        self.assertEqual(status, 1)
        self.assertRegex(stderr, "only numbers: .*, pass --match_classes=position$")
        self.assertEqual(stderr.count("\n"), 1)
        scores, _ = self._scores(photos, "--match_classes=position")
        self.assertAllClose(scores["resnet8"]["top_1"], self._expected())

    def test_a_renamed_class_is_named(self):
        photos = self.folder / "renamed"
        evaluating.write_digits(photos, ["null", *_WORDS[1:]])
        _, stderr, status = evaluating.run(f"--model={self.model}", f"--dataset=folder:{photos}")
        self.assertEqual(status, 1)
        self.assertRegex(stderr, "1 of 10 .* not know, 'null', and 1 of 10 missing: 'zero': choose")

    def test_a_teacher_is_matched_by_name(self):
        photos = self.folder / "taught"
        evaluating.write_digits(photos, [str(digit) for digit in range(10)])
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
