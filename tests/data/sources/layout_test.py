"""Tests of which folders are the splits of a data set."""

import pathlib
import shutil

from absl.testing import absltest, parameterized

from kdcl_tf.data.sources import layout


class LayoutTest(parameterized.TestCase):
    def _root(self, *folders):
        """A folder with these, of which the splits have a folder of a class each."""
        root = pathlib.Path(self.create_tempdir().full_path)
        for folder in folders:
            (root / folder).mkdir(parents=True)
            if any(folder.lower() in names for names in layout.SPLITS.values()):
                (root / folder / "cat").mkdir()
        return root

    @parameterized.parameters(
        (("train", "test"), ("train", None, "test")),
        (("train", "validation"), ("train", None, "validation")),
        (("train", "valid"), ("train", None, "valid")),
        (("train", "val", "test"), ("train", "val", "test")),
        (("Train", "VAL", "Test"), ("Train", "VAL", "Test")),
        (("train", "test", "other", ".hidden"), ("train", None, "test")),
    )
    def test_known_names(self, folders, expected):
        root = self._root(*folders)
        found = layout.find(root)
        self.assertEqual(found[:3], tuple(name and root / name for name in expected))

    def test_what_lies_beside_splits_is_told(self):
        root = self._root("train", "test", "bird", ".hidden")
        self.assertEqual(
            layout.find(root).told,
            "not read, beside test/ and train/: bird: if test/ and train/ are classes, put the "
            "folders of all classes into a folder named train",
        )
        (root / "a.JPG").write_bytes(b"")
        (root / "notes.txt").write_bytes(b"")
        self.assertIn("beside test/ and train/: bird and 1 image: if ", layout.find(root).told)
        root = self._root("bus", "car", "train/red")
        found = layout.find(root, test_share=0.2)
        self.assertEqual(found.train, root / "train")
        self.assertIn("not read, beside train/: bus, car: if train/ is a class, put", found.told)
        # Images of a class named train, and no folders of classes.
        (root / "train" / "red").rmdir()
        with self.assertRaisesRegex(
            ValueError,
            "train': expected folders of classes in it; got none; .* a folder named train$",
        ):
            layout.find(root, test_share=0.2)

    def test_a_validation_folder_that_is_the_test_set_is_told(self):
        self.assertEqual(
            layout.find(self._root("train", "val")).told, "the test images are those of val/"
        )
        self.assertEqual(layout.find(self._root("train", "val", "test")).told, "")

    @parameterized.parameters(("test",), ("val",), ("valid", "test"))
    def test_a_test_set_alone_is_enough_to_evaluate(self, *folders):
        root = self._root(*folders)
        found = layout.find(root, needs_train=False)
        self.assertEqual((found.train, found.test), (None, root / folders[-1]))
        with self.assertRaisesRegex(FileNotFoundError, "expected train/ in it; got "):
            layout.find(root)

    def test_folders_of_classes_are_all_evaluated_or_split(self):
        root = self._root("cat", "dog")
        found = layout.find(root, needs_train=False)
        self.assertEqual((found.train, found.test), (None, root))
        self.assertEqual(found.told, f"the test images are those of '{root}'")
        self.assertEqual(layout.find(root, test_share=0.2)[:3], (root, None, None))
        with self.assertRaisesRegex(
            FileNotFoundError,
            r"expected train/ and test/ in it; got cat, dog: .* pass test_share=0\.2",
        ):
            layout.find(root)

    def test_train_alone_can_be_split(self):
        root = self._root("train")
        self.assertEqual(layout.find(root, test_share=0.2).train, root / "train")
        with self.assertRaisesRegex(
            FileNotFoundError, r"expected test/ .* got train: .* pass test_share=0\.2"
        ):
            layout.find(root)

    @parameterized.parameters(("train", "test"), ("train", "val"), ("test",), ("cat", "Valid"))
    def test_a_folder_with_a_test_set_is_not_split(self, *folders):
        with self.assertRaisesRegex(
            ValueError, "splits a folder without a test set; got .* into a folder named train$"
        ):
            layout.find(self._root(*folders), test_share=0.2)

    def _unlabelled(self, split, *folders, files=3):
        """A folder with a split of images alone, beside others with classes."""
        root = self._root(*folders)
        (root / split).mkdir()
        for number in range(files):
            (root / split / f"{number}.jpg").write_bytes(b"")
        return root

    def test_a_test_set_of_images_alone_is_told_and_what_works(self):
        for split, files, got in (("test", 3, "3 files and no folders"), ("val", 0, "nothing")):
            root = self._unlabelled(split, "train", files=files)
            message = (
                f"folder '{root}/{split}': expected a folder of images for each class; got {got}: "
                f"put the images of each class into a folder of its own, or pass dataset=folder:{root}"
                "/train and pass test_share=0.2, which makes a fifth of the images of each class the "
                f"test set, or move {split}/ away and pass test_share=0.2"
            )
            for share in (0.0, 0.2):
                with self.assertRaises(ValueError) as raised:
                    layout.find(root, share)
                self.assertEqual(str(raised.exception), message)
            self.assertFalse(layout.has_test_set(root))
            # Both ways work.
            self.assertEqual(layout.find(root / "train", 0.2).train, root / "train")
            shutil.move(root / split, self._root() / split)
            self.assertEqual(layout.find(root, 0.2).train, root / "train")

    def test_a_test_set_of_images_alone_beside_a_validation_set_or_classes(self):
        root = self._unlabelled("test", "train", "val")
        for share in (0.0, 0.2):
            with self.assertRaisesRegex(
                ValueError, "move test/ away: the test images are then those of val/$"
            ):
                layout.find(root, share)
        self.assertTrue(layout.has_test_set(root))
        with self.assertRaisesRegex(ValueError, "of its own, or move test/ away and pass test_sh"):
            layout.find(self._unlabelled("test", "cat", "dog"), 0.2)
        with self.assertRaisesRegex(ValueError, "no folders: put .* of its own$"):
            layout.find(self._unlabelled("test", "train"), needs_train=False)

    @parameterized.parameters(("valid", "invalid"), ("test", "rest"), ("validation", "training"))
    def test_a_class_that_is_called_as_a_split_is_told_what_to_do(self, split, other):
        root = self._unlabelled(split, other)
        advice = f"if {split}/ is a class, put the folders of all classes into a folder named "
        first = (
            f"{split}': expected a folder of images for each class; got 3 files and no folders: "
        )
        more = "; if not, put the images of each class into a folder of its own"
        with self.assertRaisesRegex(ValueError, f"{first}{advice}train{more}, or move {split}/ aw"):
            layout.find(root, test_share=0.2)
        with self.assertRaisesRegex(ValueError, f"{first}{advice}test{more}$"):
            layout.find(root, needs_train=False)
        with self.assertRaisesRegex(
            FileNotFoundError, f"train/ in it; got .*: {advice}train and pass test_share=0.2$"
        ):
            layout.find(root)
        # Both ways work, and keep the class.
        for name, options in (("train", {"test_share": 0.2}), ("test", {"needs_train": False})):
            moved = self._root()
            (moved / name).mkdir()
            for folder in (split, other):
                (moved / name / folder).mkdir()
            found = layout.find(moved, **options)
            self.assertEqual(getattr(found, name), moved / name)
            self.assertEqual(found.told, "")

    def test_a_class_called_train_is_told_what_to_do(self):
        root = self._root("train", "bus")
        advice = (
            r"or pass test_share=0\.2 to split train/; if train/ is a class, put the folders of all"
            " classes into a folder named "
        )
        with self.assertRaisesRegex(FileNotFoundError, rf"{advice}train and pass test_share=0\.2$"):
            layout.find(root)
        with self.assertRaisesRegex(FileNotFoundError, f"{advice}test$"):
            layout.find(root, needs_train=False)

    def test_a_validation_set_without_classes_is_refused_where_it_is_needed(self):
        for files in (0, 2):
            root = self._unlabelled("val", "train", "test", files=files)
            with self.assertRaisesRegex(ValueError, "val': .* of its own, or move val/ away$"):
                layout.find(root)
            found = layout.find(root, needs_validation=False)
            self.assertEqual(found[:3], (root / "train", None, root / "test"))
            self.assertEqual(found.told, "")

    def test_which_folders_have_a_test_set(self):
        for folders, expected in (
            (("train", "test"), True),
            (("cat", "valid"), True),
            (("train",), False),
            (("cat", "dog"), False),
        ):
            self.assertEqual(layout.has_test_set(self._root(*folders)), expected)
        self.assertFalse(layout.has_test_set(pathlib.Path("/nowhere")))

    @parameterized.parameters(("val", "validation"), ("valid", "val"), ("test", "Test"))
    def test_two_names_of_one_split_are_refused(self, *names):
        root = self._root("train", *names)
        with self.assertRaisesRegex(
            ValueError, "expected one folder of .* images; got .*/ and .*/: keep one"
        ):
            layout.find(root)

    def test_an_empty_folder_is_refused(self):
        for options in ({}, {"test_share": 0.2}, {"needs_train": False}):
            with self.assertRaisesRegex(FileNotFoundError, "expected train/ in it; got no folders"):
                layout.find(self._root(), **options)

    def test_a_folder_of_images_alone_is_told_what_to_do(self):
        root = self._root()
        (root / "a.jpg").write_bytes(b"")
        (root / ".hidden").write_bytes(b"")
        with self.assertRaisesRegex(FileNotFoundError, "no folders, but files: put those of each"):
            layout.find(root)
        (root / "a.jpg").unlink()
        with self.assertRaisesRegex(FileNotFoundError, "no folders$"):
            layout.find(root)


if __name__ == "__main__":
    absltest.main()
