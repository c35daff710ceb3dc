"""Tests of kdcl_tf.evaluation.preparing: which images of a run its students are scored on."""

import pathlib
import shutil

import pytest
import tensorflow as tf

from kdcl_tf import data
from tests import class_folder, evaluating, exported_photos


class PreparingTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = class_folder.make(cls)

    def _of_photos(self, photos, name, **settings):
        """An exported student whose card says that it is of a run on these photographs."""
        share = float(settings.get("test_share", 0))
        subset = {
            key: int(settings.get(key, 0)) for key in ("holdout_per_class", "train_per_class")
        }
        subset["validation_share"] = float(settings.get("validation_share", 0))
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
        exported_photos.write_photos(photos, count)
        return photos

    def test_the_split_of_any_student_counts_whatever_their_order(self):
        photos = self._photos("ours", 6)
        other = self._of_photos(self._photos("theirs", 4), "other", test_share="0.5")
        mine = self._of_photos(photos, "mine", test_share="0.5")
        for models in (f"{mine},{other}", f"{other},{mine}"):
            stdout, stderr, status = evaluating.run(
                f"--model={models}", f"--dataset=folder:{photos}"
            )
            self.assertEqual(status, 0, stderr)
            self.assertIn("9 of 18", stderr)
        third = self._of_photos(photos, "third", test_share="0.34")
        _, stderr, status = evaluating.run(f"--model={mine},{third}", f"--dataset=folder:{photos}")
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
                _, stderr, status = evaluating.run(
                    f"--model={model}", f"--test_share={share}", *dataset
                )
                self.assertEqual((status, stderr.count("\n")), (1, 1), stderr)
                self.assertRegex(
                    stderr,
                    "expected --test_share=0.25, by which mine's run split folder:.*; got "
                    f"{share}, whose test images it was trained on: leave out --test_share",
                )
            tables = [
                evaluating.run(f"--model={model}", *flags, *dataset)
                for flags in ([], ["--test_share=0.25"])
            ]
            self.assertEqual(tables[0], tables[1])
            self.assertIn("6 of 24", tables[0][1])
        other = self._photos("unknown", 4)
        for share, warns in (("0.5", True), ("0.25", False)):
            _, stderr, status = evaluating.run(
                f"--model={model}", f"--dataset=folder:{other}", f"--test_share={share}"
            )
            self.assertEqual(status, 0, stderr)
            self.assertEqual("if some of these images were in it" in stderr, warns)

    def test_a_folder_that_changed_since_its_split_is_told(self):
        photos = self._photos("changing", 8)
        copy = self.folder / "copy_of_changing"
        model = self._of_photos(photos, "mine", test_share="0.25")
        own = f"--dataset=folder:{photos}"
        _, stderr, status = evaluating.run(f"--model={model}", own)
        self.assertEqual(status, 0, stderr)
        self.assertNotIn("split it", stderr)
        for path in sorted(photos.rglob("*.jpg"))[::3]:
            path.unlink()
        shutil.copytree(photos, copy)
        _, stderr, status = evaluating.run(f"--model={model}")
        self.assertEqual(status, 1)
        self.assertIn("evaluate on them as they are, some of which it may have been", stderr)
        moved = [f"--dataset=folder:{copy}", "--test_share=0.25"]
        for flags in ([own], moved):
            _, stderr, status = evaluating.run(f"--model={model}", *flags)
            self.assertEqual(status, 0, stderr)
            self.assertIn("the folder is not as mine's run split it: some of these ima", stderr)

    def test_training_images_are_those_of_the_run_however_its_folder_is_named(self):
        photos = self._photos("named", 6)
        settings = {"test_share": "0.5", "train_per_class": "1", "holdout_per_class": "0"}
        model = self._of_photos(photos, "mine", **settings)
        for name in (photos, photos / ".." / photos.name):
            stdout, stderr, status = evaluating.run(
                f"--model={model}", f"--dataset=folder:{name}", "--analysis=overfitting"
            )
            self.assertEqual(status, 0, stderr)
            self.assertRegex(stdout.splitlines()[1], " 3$")

    def test_nearly_the_data_of_a_run_elsewhere_is_told_where_training_images_count(self):
        photos = self.folder / "nearly"
        self._photos("nearly/train", 4)
        self._photos("nearly/test", 2)
        settings = {"test_share": "0.0", "holdout_per_class": "1", "train_per_class": "2"}
        model = self._of_photos(photos, "mine", **settings, validation_share="0.0")
        copy = pathlib.Path(shutil.copytree(photos, self.folder / "nearly_copied"))
        # A copy is known; one with an image less is not.
        for images, is_told in ((6, False), (12, True)):
            flags = [f"--model={model}", f"--dataset=folder:{copy}"]
            stdout, stderr, status = evaluating.run(*flags, "--analysis=overfitting")
            self.assertEqual(status, 0, stderr)
            self.assertRegex(stdout.splitlines()[1], f" {images}$")
            told = (
                f"folder:{copy} is not known to be the data of mine's run: all 12 training images"
            )
            self.assertEqual(told in stderr, is_told, stderr)
            _, stderr, status = evaluating.run(*flags)
            self.assertEqual((status, "not known" in stderr), (0, False), stderr)
            next((copy / "test").rglob("*.jpg")).unlink()

    def test_a_changed_folder_of_the_run_is_told_where_training_images_count(self):
        photos = self.folder / "grown"
        self._photos("grown/train", 6)
        self._photos("grown/test", 2)
        model = self._of_photos(photos, "mine", train_per_class="2", validation_share="0.3")
        own = f"--dataset=folder:{photos}"
        told = f"folder:{photos} is not known to be the data of mine's run: all "
        split = "the data set is not as mine's run split it: some of these images may be"
        for is_changed in (False, True):
            for flags, line in (
                (["--analysis=overfitting"], told),
                (["--split=train"], told),
                (["--split=validation"], split),
                ([], "is not"),
            ):
                _, stderr, status = evaluating.run(f"--model={model}", own, *flags)
                self.assertEqual(status, 0, stderr)
                self.assertEqual(line in stderr, is_changed and bool(flags), stderr)
            for path in sorted((photos / "train").rglob("*.jpg"))[::3]:
                path.unlink()

    @pytest.mark.slow
    def test_other_training_images_than_the_runs_are_refused(self):
        photos = self.folder / "fewer"
        self._photos("fewer/train", 4)
        self._photos("fewer/test", 2)
        run = {"test_share": "0.0", "holdout_per_class": "1", "train_per_class": "0"}
        model = self._of_photos(photos, "mine", **run)
        of_train = ("--analysis=overfitting", "--split=train")
        for flag in of_train:
            _, stderr, status = evaluating.run(f"--model={model}", flag)
            self.assertEqual(status, 0, stderr)
        next((photos / "train").rglob("*.jpg")).unlink()
        for flag in of_train:
            _, stderr, status = evaluating.run(f"--model={model}", flag)
            self.assertEqual((status, stderr.count("\n")), (1, 1), stderr)
            self.assertIn("is not what mine was trained with: train has 8 images; the run", stderr)
            _, stderr, status = evaluating.run(
                f"--model={model}", f"--dataset=folder:{photos}", flag
            )
            self.assertEqual(status, 0, stderr)
        _, stderr, status = evaluating.run(f"--model={model}", "--analysis=scores")
        self.assertEqual(status, 0, stderr)

    def test_what_is_passed_over_is_told_and_how_many_of_the_images_are_evaluated(self):
        classes = tuple(sorted(exported_photos.COLOURS))
        model = exported_photos.export(self.folder / "plain", shape=(16, 16, 3), classes=classes)
        others = self._photos("others", 3)
        for name in ("red", "green"):
            (others / name / "2023").mkdir()
            (others / name / "a.HEIC").write_bytes(b"")
        told = (
            f"the test images are those of '{others}'; ignored: 2 folders inside a class's, 2 with"
            " suffix .heic"
        )
        for flags, more in (([], ""), (["--images=4"], "; only the first 4 of 9 images are evalu")):
            _, stderr, status = evaluating.run(
                f"--model={model}", f"--dataset=folder:{others}", *flags
            )
            self.assertEqual(status, 0, stderr)
            self.assertIn(told + more, stderr)

    def test_a_test_set_that_was_added_since_the_run_is_evaluated(self):
        photos = self._photos("added", 8)
        model = self._of_photos(photos, "mine", test_share="0.25")
        self._photos("added/test", 2)
        _, stderr, status = evaluating.run(f"--model={model}")
        self.assertEqual((status, stderr.count("\n")), (1, 1), stderr)
        self.assertIn(f"or pass --dataset=folder:{photos} to evaluate on them as they are", stderr)
        own = f"--dataset=folder:{photos}"
        for flags in ([own], [own, "--test_share=0"]):
            stdout, stderr, status = evaluating.run(f"--model={model}", *flags)
            self.assertEqual(status, 0, stderr)
            self.assertIn("mine's run split this folder by test_share=0.25, when it had no", stderr)
            self.assertEqual(stdout.splitlines()[1].split()[-1], "6")
        _, stderr, status = evaluating.run(f"--model={model}", own, "--test_share=0.25")
        self.assertEqual((status, stderr.count("\n")), (1, 1), stderr)
        self.assertIn("pass --test_share=0", stderr)

    def test_a_run_with_a_validation_set_needs_only_its_test_images(self):
        photos = self.folder / "split"
        self._photos("split/train", 3)
        self._photos("split/test", 2)
        model = self._of_photos(photos, "mine", validation_share="0.3")
        stdout, stderr, status = evaluating.run(f"--model={model}", "--split=validation")
        self.assertEqual((status, stderr), (0, ""))
        self.assertEqual(stdout.splitlines()[1].split()[-1], "3")
        for folder in (photos / "train").iterdir():
            shutil.rmtree(folder)
            folder.mkdir()
        _, stderr, status = evaluating.run(f"--model={model}")
        self.assertEqual(status, 0, stderr)
        shutil.rmtree(photos / "train")
        stdout, stderr, status = evaluating.run(f"--model={model}")
        self.assertEqual(status, 0, stderr)
        _, stderr, status = evaluating.run(f"--model={model}", "--split=validation")
        self.assertEqual((status, stderr.count("\n")), (1, 1))


if __name__ == "__main__":
    tf.test.main()
