"""Tests of kdcl_tf.training.settings.paths."""

import pathlib

from absl.testing import absltest, parameterized

from kdcl_tf.training.settings import paths


class PathsTest(parameterized.TestCase):
    @parameterized.parameters(
        ("dataset", "folder:a", "folder:b", True),
        ("dataset", "folder:a", "tfrecord:a", False),
        ("dataset", "cifar100", "cifar10", False),
        ("teacher", "a", "b", True),
        ("teacher", "", "b", False),
        ("backbone", "resnet18", "resnet34", False),
        ("backbone", "a/b", "c/d", True),
        ("backbone", "resnet18.safetensors", "/w/resnet18.safetensors", True),
        ("backbone", "resnet18", "/w/resnet34", False),
        ("backbone", "imagenet", "a.keras", False),
        # An earlier version took the name for the folder.
        ("backbone", "resnet18", "./resnet18", True),
        ("seed", "0", "1", False),
    )
    def test_what_may_move(self, name, before, now, moved):
        self.assertEqual(paths.is_moved(name, before, now), moved)

    def test_what_is_gone(self):
        here = self.create_tempdir().full_path
        for text, gone in (
            (f"folder:{here}", False),
            (f"folder:{here}/no", True),
            (here, False),
            (f"a={here},b=imagenet", False),
            (f"a={here},b={here}/no.keras", True),
        ):
            self.assertEqual(paths.is_gone("dataset", {"dataset": text}), gone, text)

    def test_files_that_a_pattern_names_are_there(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        settings = {"dataset": f"tfrecord:{folder}/*-of-*"}
        self.assertTrue(paths.is_gone("dataset", settings))
        (folder / "train-0-of-1").touch()
        self.assertFalse(paths.is_gone("dataset", settings))
        # The path itself goes before what it means as a pattern.
        (folder / "a[1]").mkdir()
        self.assertTrue(paths.exists(str(folder / "a[1]")))
        self.assertFalse(paths.exists(str(folder / "a[2]")))

    def test_annotations_may_be_named_from_the_folder_of_the_data_set(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "labels").mkdir()
        (folder / "labels" / "v1.json").touch()
        settings = {"dataset": f"coco:{folder}"}
        for text, gone in (("labels/v1.json", False), ("labels/v2.json", True)):
            settings["train_annotations"] = text
            self.assertEqual(paths.is_gone("train_annotations", settings), gone)
        # Nothing else is looked for there.
        self.assertTrue(paths.is_gone("backbone", {**settings, "backbone": "labels/v1.json"}))

    def test_paths_of_weights_may_move_and_students_may_not_change(self):
        before = "a=one/w.keras,b=imagenet"
        for now, moved in (
            ("a=w.keras,b=imagenet", True),
            ("b=imagenet,a=w.keras", True),
            ("a=one/w.keras,c=imagenet", False),
            ("a=one/w.keras,b=two/w.keras", False),
            ("a=one/w.keras", False),
        ):
            self.assertEqual(paths.is_moved("initial_weights", before, now), moved, now)


if __name__ == "__main__":
    absltest.main()
