"""Tests of kdcl_tf.prediction.images."""

import os
import pathlib

from absl.testing import absltest

from kdcl_tf.prediction import images


class FindTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        for name in ("b.JPG", "a.png", "deep/er/c.webp", "deep/note.txt", "deep/README", ".d.png"):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def _find(self, *names):
        found = images.find([str(self.folder / name) for name in names])
        return [os.path.relpath(path, self.folder) for path in found.paths], found.passed_over

    def test_a_folder_stands_for_all_images_below_it_in_the_order_of_their_names(self):
        found, passed_over = self._find(".")
        self.assertEqual(found, ["a.png", "b.JPG", "deep/er/c.webp"])
        reasons = {"hidden": 1, "with suffix .txt": 1, "without a suffix": 1}
        self.assertEqual(passed_over, reasons)
        told = images.find([str(self.folder)]).told
        self.assertStartsWith(told, "found 3 images; ignored: 1 hidden, 1 with suffix .txt, ")

    def test_a_file_is_taken_whatever_its_suffix_and_once(self):
        found, passed_over = self._find("deep/note.txt", "a.png", ".")
        self.assertEqual(found, ["deep/note.txt", "a.png", "b.JPG", "deep/er/c.webp"])
        self.assertEqual(passed_over["found twice"], 1)

    def test_links_are_followed_and_never_in_circles(self):
        other = pathlib.Path(self.create_tempdir().full_path)
        (other / "e.gif").touch()
        os.symlink(other, self.folder / "link")
        os.symlink(self.folder, self.folder / "deep" / "loop")
        os.symlink("nothing", self.folder / "broken.png")
        os.mkfifo(self.folder / "pipe.jpg")
        found, passed_over = self._find(".")
        self.assertEqual(found, ["a.png", "b.JPG", "deep/er/c.webp", "link/e.gif"])
        self.assertEqual(passed_over["links to a folder that is there"], 1)
        self.assertEqual(passed_over["that are no regular files"], 2)

    def test_what_is_not_there_is_refused(self):
        with self.assertRaisesRegex(ValueError, "expected --image, files and folders .*; got none"):
            images.find([""])
        with self.assertRaisesRegex(ValueError, "that are there; got .*/x.jpg, .*/y$"):
            self._find("a.png", "x.jpg", "y")
        with self.assertRaisesRegex(ValueError, r"that are there; got .*/x  \\n1.jpg$"):
            self._find("x  \n1.jpg")

    def test_a_name_with_commas_is_told(self):
        (self.folder / "IMG,1,2.jpg").touch()
        path = f"{self.folder / 'IMG,1,2.jpg'}"
        with self.assertRaisesRegex(
            ValueError, f"1, 2.jpg: commas separate names, and {path} has one itself: pass a folder"
        ):
            images.find(path.split(","))

    def test_a_folder_without_images_is_refused_with_what_is_in_it(self):
        (self.folder / "empty").mkdir()
        with self.assertRaisesRegex(ValueError, r"in --image=.*/empty, files with .*; got none$"):
            self._find(".", "empty")
        (self.folder / "a\nb").mkdir()
        with self.assertRaisesRegex(ValueError, r"in --image=.*/a\\nb, files with .*; got none$"):
            self._find("a\nb")
        (self.folder / "empty" / "a.txt").touch()
        with self.assertRaisesRegex(ValueError, r"got none \(ignored: 1 with suffix .txt\)$"):
            self._find("empty")


if __name__ == "__main__":
    absltest.main()
