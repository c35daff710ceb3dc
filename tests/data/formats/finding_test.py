"""Tests of kdcl_tf.data.formats.finding; those of kdcl_tf.prediction.images are of links, too."""

import pathlib

from absl.testing import absltest

from kdcl_tf.data.formats import finding


class FindingTest(absltest.TestCase):
    def test_images_are_found_by_their_suffix_and_the_others_counted(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        for name in ("b.JPG", "a.png", "deep/c.webp", "deep/note.txt", "deep/README", ".d.png"):
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.touch()
        (folder / "again").symlink_to(folder / "deep")
        (folder / "deep" / "loop").symlink_to(folder)
        found, reasons = finding.images_below(folder)
        names = [pathlib.Path(path).relative_to(folder).as_posix() for path in found]
        self.assertEqual(names, ["a.png", "b.JPG", "deep/c.webp"])
        self.assertEqual(
            reasons,
            {
                "hidden": 1,
                "with suffix .txt": 1,
                "without a suffix": 1,
                "links to a folder that is there": 2,
            },
        )

    def test_a_folder_has_its_own_name_wherever_a_link_to_it_is(self):
        root = pathlib.Path(self.create_tempdir().full_path)
        away = pathlib.Path(self.create_tempdir().full_path)
        for path in (root / "cat" / "1.jpg", root / "best" / "2.jpg", away / "deep" / "3.jpg"):
            path.parent.mkdir()
            path.touch()
        # The first in the order of names, and one level below the folder that it leads to.
        (root / "best" / "newest").symlink_to(root / "cat")
        (root / "a").symlink_to(away)
        (away / "deep" / "back").symlink_to(root)
        found, reasons = finding.images_below(root)
        names = [pathlib.Path(path).relative_to(root).as_posix() for path in found]
        self.assertEqual(names, ["a/deep/3.jpg", "best/2.jpg", "cat/1.jpg"])
        self.assertEqual(reasons, {"links to a folder that is there": 2})

    def test_those_of_one_folder_alone(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        for name in (
            "b.JPG",
            "a.png",
            "deep/c.webp",
            "x.png/d.png",
            "e.HEIC",
            ".d.png",
            ".e/f.png",
        ):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
        found, reasons = finding.images_in(folder)
        self.assertEqual([pathlib.Path(path).name for path in found], ["a.png", "b.JPG"])
        self.assertEqual(
            reasons, {"folders inside a folder": 2, "hidden": 2, "with suffix .heic": 1}
        )

    def test_an_empty_folder_has_none(self):
        for find in (finding.images_below, finding.images_in):
            self.assertEqual(find(self.create_tempdir().full_path), ([], {}))


if __name__ == "__main__":
    absltest.main()
