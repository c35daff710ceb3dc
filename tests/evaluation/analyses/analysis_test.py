"""Tests of what each analysis gives: every number again, in numpy, from the SavedModel."""

import pathlib
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from kdcl_tf import data, serving, students
from kdcl_tf.evaluation import loaded
from kdcl_tf.evaluation.analyses import (
    categories,
    loss_gap,
    noise,
    overfitting,
    scores,
    spread,
)
from kdcl_tf.serving.cards import Card
from tests import class_folder


def _by_saved_model(path, images):
    """Probabilities from nothing but TensorFlow's own loader."""
    loaded = tf.saved_model.load(str(path))
    name = "pixels" if images.dtype == np.float32 else "images"
    signature = loaded.signatures["pixels" if name == "pixels" else "serving_default"]
    return signature(**{name: tf.constant(images)})["probabilities"].numpy().astype(np.float64)


class AnalysisTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = class_folder.make(cls)
        cls.dataset = data.load("digits", image_size=8, holdout_per_class=5, train_per_class=10)
        cls.paths = []
        for seed, run in enumerate(("alone", "cohort")):
            keras.utils.set_random_seed(seed)
            student = students.build("resnet8", 10, (8, 8, 3))
            student.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
            images, labels = (
                cls.dataset.normalization.apply(cls.dataset.train.images),
                cls.dataset.train.labels,
            )
            student.fit(images, labels, batch_size=20, epochs=1 + seed, verbose=0)
            path = cls.folder / run / "students" / "resnet8"
            card = Card.of(student, cls.dataset)
            cls.paths.append(serving.export_student(student, path, card=card))
        cls.students = loaded.load_students(cls.paths)
        cls.test = cls.dataset.test
        cls.probabilities = [_by_saved_model(path, cls.test.images) for path in cls.paths]

    def _drawn(self, analysis):
        path = pathlib.Path(self.create_tempdir().full_path) / "plot.png"
        analysis.draw(path)
        return path.stat().st_size

    def test_students_are_named_by_where_they_differ(self):
        names = [each.name for each in self.students]
        self.assertEqual(names, ["alone/resnet8", "cohort/resnet8"])
        self.assertEqual(loaded.load_students(self.paths[:1])[0].name, "resnet8")
        moved = self.folder / "alone" / "resnet8"
        shutil.copytree(self.paths[0], moved)
        names = [each.name for each in loaded.load_students([self.paths[0], moved])]
        self.assertEqual(names, ["students/resnet8", "resnet8"])

    def test_scores(self):
        found = scores.analyse(self.students, self.test, 100)
        for name, probabilities in zip(found.numbers, self.probabilities):
            of_label = probabilities[np.arange(360), self.test.labels]
            self.assertAllClose(found.numbers[name]["nll"], -np.log(of_label).mean(), rtol=1e-4)
            self.assertIn(name, found.text)

    @pytest.mark.slow
    def test_categories(self):
        found = categories.analyse(self.students, self.test, 100, self.dataset.class_names)
        accuracies = []
        for name, probabilities in zip(found.numbers["accuracy"], self.probabilities):
            hits = probabilities.argmax(axis=1) == self.test.labels
            expected = [hits[self.test.labels == label].mean() for label in range(10)]
            self.assertAllClose(found.numbers["accuracy"][name], expected)
            accuracies.append(np.array(expected))
        self.assertEqual(found.numbers["second_better"], np.sum(accuracies[1] > accuracies[0]))
        self.assertGreater(self._drawn(found), 5_000)

    def test_noise(self):
        options = noise.Noise(step=0.05, most=0.1, draws=2, seed=3)
        split = self.test.take(slice(40))
        found = noise.analyse(self.students, split, 16, options)
        self.assertEqual(found.numbers["deviations"], [0.0, 0.05, 0.1])
        for path, name in zip(self.paths, found.numbers["students"]):
            losses = found.numbers["students"][name]["nll"]
            for draw in range(2):
                generator = np.random.Generator(np.random.Philox(key=[3, draw]))
                added = generator.standard_normal(split.images.shape, np.float32)
                for level, deviation in enumerate((0.0, 0.05, 0.1)):
                    pixels = split.images / np.float32(255) + np.float32(deviation) * added
                    of_label = _by_saved_model(path, pixels)[np.arange(40), split.labels]
                    expected = -np.log(of_label).mean()
                    self.assertAllClose(losses[level][draw], expected, rtol=1e-4)
            clean = loaded.score(loaded.load_students([path])[0].predict, split)["nll"]
            self.assertAllClose(losses[0], [clean, clean], rtol=1e-5)
        self.assertGreater(self._drawn(found), 5_000)
        fine = noise.analyse(
            self.students, split.take(slice(2)), 2, noise.Noise(0.005, 0.01, draws=1)
        )
        told = [line.split()[0] for line in fine.text.splitlines()[2:]]
        self.assertEqual(told, ["0.0", "0.005", "0.01"])

    def test_spread(self):
        found = spread.analyse(self.students, self.test, 100)
        for name, probabilities in zip(found.numbers, self.probabilities):
            labels = self.test.labels
            expected = [probabilities[labels == label, label].std() for label in range(10)]
            self.assertAllClose(found.numbers[name]["true"], expected, rtol=1e-3, atol=1e-5)
            self.assertAllClose(found.numbers[name]["true_average"], np.mean(expected), rtol=1e-3)
        self.assertGreater(self._drawn(found), 5_000)

    def test_overfitting(self):
        datasets = {each.name: self.dataset for each in self.students}
        found = overfitting.analyse(self.students, datasets, 100)
        train = self.dataset.train
        for path, name, test in zip(self.paths, found.numbers, self.probabilities):
            probabilities = _by_saved_model(path, train.images)
            expected = np.mean(probabilities.argmax(axis=1) == train.labels)
            self.assertAllClose(found.numbers[name]["train"], expected)
            hits = test.argmax(axis=1) == self.test.labels
            self.assertAllClose(found.numbers[name]["test"], hits.mean())
            self.assertEqual(found.numbers[name]["train_images"], 100)
        self.assertGreater(self._drawn(found), 5_000)

    def test_loss_gap(self):
        logs = {
            name: [{"epoch": epoch, "test_a_cross_entropy": loss / epoch} for epoch in (1, 2)]
            for name, loss in (("alone", 4.0), ("cohort", 3.0))
        }
        found = loss_gap.analyse(logs, "a")
        self.assertEqual(found.numbers["gaps"], {"cohort": [(1, 1.0), (2, 0.5)]})
        self.assertIn("+0.5000", found.text)
        self.assertGreater(self._drawn(found), 5_000)


if __name__ == "__main__":
    tf.test.main()
