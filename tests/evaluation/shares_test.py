"""Tests of kdcl_tf.evaluation.shares."""

import pathlib
import shutil
import types

from absl.testing import absltest, parameterized

from kdcl_tf.data.sources import folder, tfrecord
from kdcl_tf.evaluation import shares
from kdcl_tf.evaluation.loaded import LoadedStudent
from tests import image_files


def _student(name="x", dataset="folder:photos", **settings):
    """One of a run with these flags, which predicts nothing."""
    identity = {"settings": {key: str(value) for key, value in settings.items()}}
    return LoadedStudent(name, None, dict, {"dataset": dataset, "identity": identity})


class SharesTest(parameterized.TestCase):
    @parameterized.parameters(
        ({"test_share": 0.2, "validation_share": 0.0}, {"test_share": 0.2}),
        (
            {"test_share": 0.2, "validation_share": 0.1},
            {"test_share": 0.2, "validation_share": 0.1},
        ),
        ({"seed": 1}, {}),
    )
    def test_the_runs_own_data_set_is_split_as_there(self, settings, expected):
        card = _student(**settings).card
        self.assertEqual(shares.shares_of(card, "folder:./photos"), expected)
        for other in ("digits", "folder:nowhere", None):
            self.assertEqual(shares.shares_of(card, other), {})

    def test_a_folder_is_split_wherever_it_lies_if_its_test_images_are_those_of_the_run(self):
        photos = pathlib.Path(self.create_tempdir().full_path) / "photos"
        image_files.write(
            photos,
            {
                f"{'ab'[index % 2]}/{index}.png": image_files.encode(
                    image_files.photo(index), "PNG"
                )
                for index in range(10)
            },
        )
        before = folder.index(photos, 0.4).test.images.digest()
        student = _student(test_share=0.4)
        student.card["identity"]["data"] = {"test": before}
        moved = shutil.copytree(photos, photos.parent / "moved")
        self.assertEqual(shares.shares_of(student.card, f"folder:{moved}"), {"test_share": 0.4})
        # As a file system told it that spells the same names otherwise.
        spelled = {**before, "names": "a" * 64, "composed_names": before["names"]}
        student.card["identity"]["data"] = {"test": spelled}
        self.assertEqual(shares.shares_of(student.card, f"folder:{moved}"), {"test_share": 0.4})
        for path in list(moved.glob("*/*.png")):
            path.rename(path.with_stem(f"other_{path.stem}"))
        self.assertEqual(shares.shares_of(student.card, f"folder:{moved}"), {})

    def test_validation_images_are_set_apart_wherever_a_data_set_lies(self):
        photos = pathlib.Path(self.create_tempdir().full_path) / "photos"
        contents = {
            f"{split}/{name}/{index}.png": image_files.encode(image_files.photo(index), "PNG")
            for split in ("train", "test")
            for name in ("cat", "dog")
            for index in range(3)
        }
        image_files.write(photos, contents)
        before = folder.index(photos).test
        student = _student(test_share=0.0, validation_share=0.2)
        student.card["identity"]["data"] = {
            "test": {"images": len(before), **before.images.digest()}
        }
        moved = shutil.copytree(photos, photos.parent / "moved")
        expected = {"validation_share": 0.2}
        self.assertEqual(shares.shares_of(student.card, f"folder:{moved}"), expected)
        (moved / "test" / "cat" / "0.png").unlink()
        self.assertEqual(shares.shares_of(student.card, f"folder:{moved}"), {})

    def test_validation_examples_are_set_apart_wherever_records_lie(self):
        place = pathlib.Path(self.create_tempdir().full_path)

        def written(name, shade):
            for split in ("train", "test"):
                image = image_files.encode(image_files.photo(shade), "PNG")
                examples = [image_files.example(image, label) for label in (0, 1)]
                image_files.write_records(place / name / f"{split}.tfrecord", examples)
            return f"tfrecord:{place / name}"

        image_files.use_own_cache(self)
        written("one", 1)
        before = tfrecord.index(str(place / "one")).test
        student = _student(dataset="tfrecord:gone", validation_share=0.2)
        student.card["identity"]["data"] = {
            "test": {"images": len(before), **before.images.digest()}
        }
        moved = shutil.copytree(place / "one", place / "moved")
        expected = {"validation_share": 0.2}
        self.assertEqual(shares.shares_of(student.card, f"tfrecord:{moved}"), expected)
        # Files and examples of the same names and number, with other images.
        self.assertEqual(shares.shares_of(student.card, written("two", 2)), {})
        self.assertEqual(shares.shares_of(student.card, f"folder:{moved}"), {})

    def test_a_test_set_that_was_added_since_counts_and_its_images_may_be_known(self):
        photos = pathlib.Path(self.create_tempdir().full_path)
        (photos / "cat").mkdir()
        name = f"folder:{photos}"
        student = _student(dataset=name, test_share=0.2)
        self.assertEqual(shares.common([student], name), {"test_share": 0.2})
        for added in ("val", "test"):
            (photos / added).mkdir()
            # One without classes is none.
            self.assertEqual(shares.common([student], name), {"test_share": 0.2})
            (photos / added / "cat").mkdir()
            self.assertEqual(shares.common([student], name), {})
            self.assertEqual(shares.common([student], name, 0.0), {"test_share": 0.0})
            dataset = types.SimpleNamespace(name=name)
            told = shares.warning(student, {}, dataset)
            self.assertIn(
                "x's run split this folder by test_share=0.2, when it had no test s", told
            )
            elsewhere = _student(dataset="folder:elsewhere", test_share=0.2)
            self.assertEqual(shares.warning(elsewhere, {}, dataset), "")
            shutil.rmtree(photos / added)

    def test_a_data_set_may_be_called_anything_by_who_exported_a_student(self):
        student = _student(dataset="my-photos", test_share=0.2)
        for name in ("folder:photos", "digits"):
            self.assertEqual(shares.common([student], name), {})

    def test_the_share_that_is_given_is_that_of_every_run_or_of_none(self):
        split, whole = _student(test_share=0.2), _student("y", "digits")
        self.assertEqual(shares.common([split, whole], "folder:photos"), {"test_share": 0.2})
        self.assertEqual(shares.common([split], "folder:photos", 0.2), {"test_share": 0.2})
        self.assertEqual(shares.common([whole], "folder:photos", 0.3), {"test_share": 0.3})
        with self.assertRaisesRegex(ValueError, "expected --test_share=0.2, by which x's run"):
            shares.common([whole, split], "folder:photos", 0.3)

    def test_runs_that_have_split_it_in_two_ways_are_refused_together(self):
        students = [_student(test_share=0.2), _student("y", test_share=0.3)]
        with self.assertRaisesRegex(ValueError, "x by test_share=0.2; y by test_share=0.3"):
            shares.common(students, "folder:photos")

    def test_a_run_that_set_nothing_apart_is_refused_beside_one_that_did(self):
        students = [_student(validation_share=0.2), _student("y")]
        with self.assertRaisesRegex(ValueError, "x by validation_share=0.2; y by no share: anal"):
            shares.common(students, "folder:photos")
        # Test images are the same, and so are those of a run on other data whatever is taken.
        others = [_student(validation_share=0.2), _student("y", validation_share=0.3)]
        for each in (students, others):
            self.assertEqual(shares.common(each, "folder:photos", needed=("test_share",)), {})
        elsewhere = [_student(validation_share=0.2), _student("y", "digits")]
        self.assertEqual(shares.common(elsewhere, "folder:photos"), {"validation_share": 0.2})

    def test_validation_images_that_were_added_since_are_not_taken_from_the_others(self):
        photos = pathlib.Path(self.create_tempdir().full_path)
        student = _student(dataset=f"folder:{photos}", validation_share=0.2)
        for added in ("train", "test", "val"):
            taken = shares.shares_of(student.card, f"folder:{photos}")
            self.assertEqual(taken, {"validation_share": 0.2})
            self.assertEqual(shares.for_validation(taken, f"folder:{photos}"), taken)
            (photos / added / "cat").mkdir(parents=True)
        # Training images are still without those that the run had set apart.
        self.assertEqual(shares.shares_of(student.card, f"folder:{photos}"), taken)
        self.assertEqual(shares.for_validation(taken, f"folder:{photos}"), {})

    def test_a_student_that_may_know_the_images_is_told(self):
        now = {"images": 3, "names": "a" * 64}
        test = types.SimpleNamespace(digest=lambda: now)
        dataset = types.SimpleNamespace(test=test, name="folder:elsewhere")
        student = _student(test_share=0.2)
        self.assertIn("pass --test_share=0.2", shares.warning(student, {}, dataset))
        other = types.SimpleNamespace(test=test, name="digits")
        self.assertEqual(shares.warning(student, {}, other), "")
        # Of a run that told nothing of its images, nothing is known.
        split = {"test_share": 0.2}
        self.assertEqual(shares.warning(student, split, dataset), "")
        self.assertEqual(shares.warning(_student(), {}, dataset), "")
        student.card["identity"]["data"] = {"test": now}
        self.assertEqual(shares.warning(student, split, dataset), "")
        student.card["identity"]["data"] = {"test": {**now, "names": "b" * 64}}
        told = shares.warning(student, split, dataset)
        self.assertIn("the folder is not as x's run split it: some of these images may be", told)

    @parameterized.parameters("folder:photos", "folder:moved", "tfrecord:gone", "digits")
    def test_other_validation_images_than_the_runs_are_told(self, name):
        now = {"images": 3, "names": "a" * 64}
        split = types.SimpleNamespace(digest=lambda: now)
        dataset = types.SimpleNamespace(validation=split, name=name)
        student, taken = _student(validation_share=0.2), {"validation_share": 0.2}

        def told(before, shares_taken=taken):
            student.card["identity"]["data"] = {"validation": before}
            return shares.warning(student, shares_taken, dataset, "validation")

        self.assertEqual(told(now), "")
        other = told({**now, "names": "b" * 64})
        expected = (
            "the data set is not as x's run split it: some of these images may be among those that it"
            " was trained on"
        )
        self.assertEqual(other, expected * name.startswith("folder:"))
        # Nor is its own what the run had, which is known at the run's own place alone.
        of_its_own = told({**now, "names": "b" * 64}, {})
        self.assertEqual(of_its_own, expected * (name == "folder:photos"))

    def test_a_validation_set_that_the_run_did_not_have_is_told(self):
        split = types.SimpleNamespace(digest=lambda: {"images": 3, "names": "a" * 64})
        dataset = types.SimpleNamespace(validation=split, name="folder:photos")
        student = _student()
        # Of a run that told nothing of its images, nothing is known.
        self.assertEqual(shares.warning(student, {}, dataset, "validation"), "")
        student.card["identity"]["data"] = {"train": {"images": 9, "names": "c" * 64}}
        for taken in ({}, {"validation_share": 0.2}):
            told = shares.warning(student, taken, dataset, "validation")
            self.assertIn("the data set is not as x's run split it", told)
        other = types.SimpleNamespace(validation=split, name="folder:elsewhere")
        self.assertEqual(shares.warning(student, {}, other, "validation"), "")


if __name__ == "__main__":
    absltest.main()
