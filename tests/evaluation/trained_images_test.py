"""Tests of kdcl_tf.evaluation.trained_images."""

import dataclasses
import json
import pathlib
import shutil
import types
from unittest import mock

from absl.testing import absltest, parameterized

from kdcl_tf import data
from kdcl_tf.data.sources import network
from kdcl_tf.evaluation import datasets, run_data, trained_images
from kdcl_tf.evaluation.loaded import LoadedStudent
from tests import image_files
from tests.data.sources import small_sets  # noqa: F401, it registers sets of TFDS
from tests.evaluation.cards import CARD, of_run, student_of


class TrainedImagesTest(parameterized.TestCase):
    def test_the_training_images_of_a_run_are_read_as_there_and_once_for_all(self):
        dataset = datasets.load_dataset(CARD)
        every = of_run(train_per_class="0", holdout_per_class="0")
        few = of_run(train_per_class="2", holdout_per_class="0")
        students = [
            dataclasses.replace(student_of(**change), name=name)
            for name, change in (("a", of_run()), ("all", every), ("b", few), ("c", few))
        ]
        found = trained_images.trained_on(students, dataset, False)
        self.assertIs(found["a"], dataset)
        self.assertIs(found["all"], dataset)
        self.assertIs(found["b"], found["c"])
        self.assertLen(found["b"].train, 20)

    @parameterized.parameters("train", "held_out")
    def test_other_training_images_are_refused_unless_they_may_have_changed(self, key):
        dataset = datasets.load_dataset(CARD, holdout_per_class=2)
        digest = dataset.digest()
        settings = {"train_per_class": "0", "holdout_per_class": "2"}
        before = {**digest, key: {**digest[key], "labels": "other"}}
        same, other = (
            student_of(identity={"settings": settings, "data": each}) for each in (digest, before)
        )
        trained_images.trained_on([same], dataset, True)
        trained_images.trained_on([other], dataset, False)
        with self.assertRaisesRegex(ValueError, f"digits is not what x was trained with: .*{key}"):
            trained_images.trained_on([other], dataset, True)

    def test_training_images_that_cannot_be_chosen_as_in_the_run_are_not_its_own(self):
        dataset = datasets.load_dataset(CARD)
        student = student_of(**of_run(train_per_class="150", holdout_per_class="50"))
        self.assertIs(trained_images.trained_on([student], dataset, False)["x"], dataset)
        with self.assertRaisesRegex(
            ValueError,
            "digits is not what x was trained with, .* again .class '0' has too few training images: "
            r"expected at least 200 .*; got \d+.: restore the images, or pass dataset=digits to",
        ):
            trained_images.trained_on([student], dataset, True)

    def test_images_that_are_too_large_are_left_out_wherever_the_data_of_a_run_lies(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        photos = folder / "photos"
        for split, count in (("train", 4), ("test", 2)):
            for name in ("cat", "dog"):
                # The last is the one that is too large.
                sides = [8] * (count - 1) + [64]
                for index, side in enumerate(sides):
                    photo = image_files.encode(image_files.photo(index, side, side), "PNG")
                    image_files.write(photos, {f"{split}/{name}/{index}.png": photo})
        limits = data.ImageRules(max_image_megapixels=0.001)
        subset = {"train_per_class": 2, "holdout_per_class": 1}
        run = data.load(
            f"folder:{photos}", image_size=8, skip_bad_images=True, rules=limits, **subset
        )
        settings = {**subset, "max_image_megapixels": "0.001"}
        known = {
            "settings": {key: str(value) for key, value in settings.items()},
            "data": json.loads(json.dumps(run.digest())),
        }
        card = {**CARD, "dataset": f"folder:{photos}", "identity": known}
        student = LoadedStudent("x", None, dict, card)
        shutil.copytree(photos, folder / "moved")
        other = shutil.copytree(photos, folder / "other")
        (other / "test" / "cat" / "0.png").rename(other / "test" / "cat" / "00.png")
        for place, bad, trained_on in (("photos", 2, 4), ("moved", 2, 4), ("other", 0, 8)):
            name = f"folder:{folder / place}"
            self.assertEqual(run_data.is_of_run(card, name), place != "other")
            dataset = datasets.load_dataset(card, name, skip_bad_images=True)
            self.assertEqual(dataset.test.num_bad, bad, place)
            found = trained_images.trained_on([student], dataset, False, skip_bad_images=True)["x"]
            self.assertLen(found.train, trained_on, place)

    @parameterized.parameters(
        ("folder:elsewhere", ["dog", "cat"], {"train_per_class": "2"}, True),
        ("folder:elsewhere", ["dog", "cat"], {"holdout_per_class": "1"}, True),
        ("folder:elsewhere", ["dog", "cat"], {"validation_share": "0.2"}, True),
        # Its own folder, whose images are others now, even if it has lost a class.
        ("folder:photos", ["dog", "cat"], {"train_per_class": "2"}, True),
        ("folder:photos", ["dog", "cat"], {}, True),
        ("folder:photos", ["dog"], {}, True),
        ("folder:elsewhere", ["dog", "cat"], {"train_per_class": "0"}, False),
        ("folder:elsewhere", ["dog", "cow"], {"train_per_class": "2"}, False),
        ("tfrecord:elsewhere", ["dog", "cat"], {"train_per_class": "2"}, False),
    )
    def test_what_a_run_may_have_held_out_is_told(self, name, classes, settings, is_told):
        before = {"images": 1200, "names": "a" * 64}
        student = student_of(
            dataset="folder:photos",
            class_names=["cat", "dog"],
            identity={"settings": settings, "data": {"train": before}},
        )

        def told(**now):
            digest = {"train": {**before, **now}}
            dataset = types.SimpleNamespace(
                name=name, class_names=classes, train=range(1200), digest=lambda: digest
            )
            return trained_images.told_of_all(student, dataset)

        expected = (
            f"{name} is not known to be the data of x's run: all 1,200 training images count, of "
            "which that run may have trained on only some"
        )
        self.assertEqual(told(names="b" * 64), expected * is_told)
        self.assertEqual(told(), "")

    @parameterized.parameters(
        ("folder:photos", "0.2", True),
        ("folder:elsewhere", "0.2", True),
        ("folder:photos", "0.0", False),
        ("tfrecord:elsewhere", "0.2", False),
    )
    def test_images_that_a_run_may_have_validated_with_are_told(self, name, share, is_told):
        before = {"images": 2, "names": "a" * 64}
        student = student_of(
            dataset="folder:photos",
            identity={"settings": {"validation_share": share}, "data": {"validation": before}},
        )

        def told(validation):
            names = student.card["class_names"]
            dataset = types.SimpleNamespace(
                name=name, class_names=names, train=range(12), validation=validation
            )
            return trained_images.told_of_validated(student, dataset)

        for other in (None, types.SimpleNamespace(digest=lambda: {**before, "names": "b" * 64})):
            self.assertEqual("all 12 training images count" in told(other), is_told)
        self.assertEqual(told(types.SimpleNamespace(digest=lambda: before)), "")

    def test_the_training_images_of_a_run_are_known_under_another_name_of_its_set_of_tfds(self):
        image_files.use_own_cache(self)
        place = self.create_tempdir().full_path
        # It is prepared on the spot, which needs none.
        with mock.patch.object(network, "is_reachable", return_value=True):
            run = data.load("kdcl_levels", data_dir=place, image_size=8, train_per_class=2)
        known = {"settings": {"train_per_class": "2"}, "data": json.loads(json.dumps(run.digest()))}
        card = {**CARD, "dataset": "kdcl_levels", "class_names": ["dark", "bright"]}
        student = LoadedStudent("x", None, dict, {**card, "identity": known})
        for name in ("kdcl_levels", "kdcl_levels:1.0.0"):
            dataset = datasets.load_dataset(student.card, name, data_dir=place)
            self.assertLen(dataset.train, 6)
            found = trained_images.trained_on([student], dataset, False, data_dir=place)["x"]
            self.assertLen(found.train, 4)
            self.assertEqual(trained_images.told_of_all(student, found), "")
        # As of a version with other images.
        known["data"]["train"]["decoded"] = "a" * 64
        found = trained_images.trained_on([student], dataset, False, data_dir=place)["x"]
        self.assertIs(found, dataset)
        self.assertIn("all 6 training images count", trained_images.told_of_all(student, found))

    def test_the_training_images_of_a_run_are_known_wherever_they_lie(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        photos = folder / "photos"
        for split, count in (("train", 6), ("test", 2)):
            for name in ("cat", "dog"):
                for index in range(count):
                    photo = image_files.encode(image_files.photo(index), "PNG")
                    image_files.write(photos, {f"{split}/{name}/{index}.png": photo})
        settings = {"train_per_class": "2", "holdout_per_class": "1", "test_share": "0.0"}
        run = data.load(f"folder:{photos}", image_size=8, train_per_class=2, holdout_per_class=1)
        known = {"settings": settings, "data": json.loads(json.dumps(run.digest()))}
        card = {**CARD, "dataset": f"folder:{photos}", "class_names": ["cat", "dog"]}
        student = LoadedStudent("x", None, dict, {**card, "identity": known})

        def trained_on(place):
            dataset = datasets.load_dataset(student.card, f"folder:{place}")
            return len(trained_images.trained_on([student], dataset, False)["x"].train)

        moved = shutil.move(photos, folder / "moved")
        self.assertEqual(trained_on(moved), 4)
        # With the same test images, and fewer to train on than the run.
        few = pathlib.Path(shutil.copytree(moved, folder / "few"))
        for index in range(2, 6):
            (few / "train" / "cat" / f"{index}.png").unlink()
        self.assertEqual(trained_on(few), 8)
        # With others to train on, it is another data set, of which all are meant.
        more = image_files.encode(image_files.photo(9), "PNG")
        image_files.write(moved, {"train/cat/00.png": more})
        self.assertEqual(trained_on(moved), 13)
        # So it is at the run's own place, where other test images change nothing.
        own = shutil.copytree(moved, photos)
        self.assertEqual(trained_on(photos), 13)
        (own / "train" / "cat" / "00.png").unlink()
        image_files.write(own, {"test/cat/9.png": more})
        self.assertEqual(trained_on(photos), 4)
        (moved / "train" / "cat" / "00.png").unlink()
        (moved / "test" / "cat" / "0.png").rename(moved / "test" / "cat" / "00.png")
        self.assertEqual(trained_on(moved), 12)


if __name__ == "__main__":
    absltest.main()
