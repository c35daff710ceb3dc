"""Tests of kdcl_tf.evaluation.loaded."""

import dataclasses
import pathlib

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data, serving, students
from kdcl_tf.data import dataset as dataset_lib
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.evaluation import loaded
from kdcl_tf.serving.cards import Card
from kdcl_tf.training.workdir import Workdir

_CARD = {
    "image_shape": [8, 8, 3],
    "class_names": [str(digit) for digit in range(10)],
    "dataset": "digits",
}


def _by_numpy(logits, labels):
    """Top-1, top-5 and negative log-likelihood, each in the plainest way."""
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    ranks = np.argsort(-logits, axis=1)
    return {
        "top_1": np.mean(ranks[:, 0] == labels),
        "top_5": np.mean((ranks[:, :5] == labels[:, None]).any(axis=1)),
        "nll": -np.mean(np.log(probabilities[np.arange(len(labels)), labels])),
    }


class ServedTest(tf.test.TestCase, parameterized.TestCase):
    def test_scores_are_of_every_image_whatever_the_batch_size(self):
        dataset = data.load("digits", image_size=8)
        path = pathlib.Path(self.create_tempdir().full_path) / "student"
        student = students.build("resnet8", 10, (8, 8, 3))
        serving.export_student(student, path, card=Card.of(student, dataset))
        predict, _ = serving.load_student(path)
        logits = predict(dataset.test.images)["logits"].numpy().astype(np.float64)
        expected = _by_numpy(logits, dataset.test.labels)
        for batch_size in (100, 360, 1000):
            found = loaded.score(predict, dataset.test, batch_size)
            self.assertEqual(found["examples"], 360)
            for name, value in expected.items():
                self.assertAllClose(found[name], value, rtol=1e-4, msg=name)

    def test_epochs_are_told_where_those_of_one_run_differ(self):
        def student(run, name, epoch):
            path = pathlib.Path(run, "students", name)
            return loaded.LoadedStudent(f"{run}/{name}", path, dict, {"epoch": epoch})

        apart = [student("one", "x", 40), student("two", "x", 100), student("two", "y", 100)]
        self.assertEqual(loaded.told_of_epochs(apart), "")
        self.assertStartsWith(
            loaded.told_of_epochs([*apart, student("one", "y", 50)]),
            "these were exported at different epochs: one/x of epoch 40, one/y of epoch 50;",
        )
        within = student("one", "y", 40)
        within.card["steps_of_next_epoch"] = 7
        self.assertIn("one/y of epoch 40 and 7 steps of", loaded.told_of_epochs([*apart, within]))

    def test_an_image_is_never_computed_alone(self):
        seen = []

        def predict(images):
            seen.append(len(images))
            return {"logits": tf.constant(images)}

        for count in (1, 2, 3):
            images = np.arange(count)[:, None]
            self.assertAllEqual(loaded.answers(predict, images)["logits"], images)
        self.assertEqual(seen, [2, 2, 3])

    def _student(self, **change):
        """One whose logits of two black images are 0, 1, 2 ... by class."""
        card = {**_CARD, **change}
        row = np.arange(len(card["class_names"]), dtype=np.float32)
        logits = np.tile(row, (2, 1))
        return loaded.LoadedStudent("x", None, lambda images: {"logits": logits}, card)

    def test_logits_come_in_the_order_of_the_data_set(self):
        names = tuple(str(digit) for digit in (3, 1, 0, 2, 9, 8, 7, 6, 5, 4))
        dataset = dataclasses.replace(data.load("digits", image_size=8), class_names=names)
        logits = loaded.fitted(self._student(), dataset).predict(None)["logits"]
        self.assertAllEqual(logits, [[3, 1, 0, 2, 9, 8, 7, 6, 5, 4]] * 2)
        by_position = loaded.fitted(self._student(), dataset, "position").predict(None)["logits"]
        self.assertAllEqual(by_position, [range(10)] * 2)

    def test_classes_that_only_the_student_knows_come_last(self):
        dataset = dataclasses.replace(data.load("digits", image_size=8), class_names=("7", "2"))
        logits = loaded.fitted(self._student(), dataset).predict(None)["logits"]
        self.assertAllEqual(logits, [[7, 2, 0, 1, 3, 4, 5, 6, 8, 9]] * 2)
        self.assertEqual(
            loaded.among_more(self._student(), dataset),
            "student x knows 10 classes, of which digits has 2: it is evaluated among all 10",
        )
        self.assertEqual(loaded.among_more(self._student(), data.load("digits", image_size=8)), "")

    def test_a_students_place_is_its_own_run(self):
        folder = pathlib.Path(self.get_temp_dir())
        ran = {"settings": {"seed": "1"}, "data": {"classes": ["a", "b"]}}
        Workdir(folder).write_result({"identity": ran, "exported_epoch": 5})
        for change, message in (
            ({}, ""),
            ({"data": {"classes": ["a", "c"]}}, "another run .*beside it, classes 'b' are gone"),
            ({"settings": {"seed": "2"}}, "another run .*beside it, with another --seed:"),
            (
                {"settings": {**ran["settings"], "initial_weights": "x=y.keras"}},
                "--initial_weights",
            ),
        ):
            student = self._student(epoch=5, identity={**ran, **change})
            student = dataclasses.replace(student, path=folder / "students" / "x")
            if not message:
                loaded.check_places([student])
                continue
            with self.assertRaisesRegex(ValueError, message):
                loaded.check_places([student])
        earlier = self._student(epoch=4, identity=ran)
        earlier = dataclasses.replace(earlier, path=folder / "students" / "x")
        with self.assertRaisesRegex(ValueError, "/x to be of epoch 5, .*; got epoch 4: export it"):
            loaded.check_places([earlier])

    def test_a_student_in_the_root_folder_has_no_flags_of_a_run(self):
        for path in ("/model", "model.onnx"):
            student = dataclasses.replace(self._student(), path=pathlib.Path(path))
            self.assertEqual(student.flags, {})

    @parameterized.parameters(
        ({"class_names": ["a", "b"]}, "to have the classes of student x; got 10 of 10 .* not know"),
        ({"image_shape": [8, 8, 2]}, r"images of \[8, 8, 2\] for student x; got digits with \[8,"),
        ({"image_shape": [8, 6, 3]}, r"images of \[8, 6, 3\] for student x; got digits with \[8,"),
    )
    def test_what_does_not_fit_is_refused(self, change, message):
        dataset = data.load("digits", image_size=8)
        student = self._student()
        self.assertIs(loaded.fitted(student, dataset), student)
        with self.assertRaisesRegex(ValueError, message):
            loaded.fitted(self._student(**change), dataset)

    def test_noise_needs_images_of_the_students_channels(self):
        dataset = data.load("digits", image_size=8)
        grey = self._student(image_shape=[8, 8, 1])
        loaded.fitted(grey, dataset)
        loaded.check_channels([self._student()], dataset)
        with self.assertRaisesRegex(ValueError, "of 3 channels .* digits has; got others, x: pass"):
            loaded.check_channels([self._student(), grey], dataset)

    def test_images_that_are_not_square_fit_too(self):
        split = dataset_lib.ImageSplit(np.zeros([2, 4, 5, 3], np.uint8), np.arange(2))
        names, ours = ("dark", "bright"), Normalization((0.5,) * 3, (0.5,) * 3)
        dataset = dataset_lib.ImageDataset(
            "levels", split, split.take([]), split, names, ours, True
        )
        student = self._student(image_shape=[4, 5, 3], class_names=["dark", "bright"])
        self.assertIs(loaded.fitted(student, dataset), student)


if __name__ == "__main__":
    tf.test.main()
