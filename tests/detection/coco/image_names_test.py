"""Tests of kdcl_tf.detection.coco.image_names."""

import pathlib
import unicodedata

from absl.testing import absltest, parameterized

from kdcl_tf.detection.coco.image_names import ImageNames

_NFC = unicodedata.normalize("NFC", "\u00e9t\u00e9")
_NFD = unicodedata.normalize("NFD", _NFC)


class ImageNamesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def write(self, *names):
        for name in names:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).touch()

    def find(self, name):
        return ImageNames(self.folder).find(name)

    def test_names_as_they_are(self):
        self.write("a.jpg", "deep/er/b.jpg")
        for name in ("a.jpg", "deep/er/b.jpg", str(self.folder / "a.jpg")):
            self.assertEqual(self.find(name), name)
        for name in ("b.jpg", "deep/a.jpg", "deep/er", "no/b.jpg", "/nowhere/a.jpg", f"{_NFC}.jpg"):
            self.assertIsNone(self.find(name), name)

    @parameterized.parameters((_NFC, _NFD), (_NFD, _NFC))
    def test_the_other_spelling_of_a_file_or_folder(self, written, asked):
        self.assertNotEqual(written, asked)
        self.write(f"{written}.jpg", f"{written}/{written}/a.jpg")
        self.assertEqual(self.find(f"{asked}.jpg"), f"{written}.jpg")
        self.assertEqual(self.find(f"{asked}/{asked}/a.jpg"), f"{written}/{written}/a.jpg")
        absolute = str(self.folder / f"{asked}.jpg")
        self.assertEqual(self.find(absolute), str(self.folder / f"{written}.jpg"))

    def test_its_own_spelling_goes_first(self):
        self.write(f"{_NFC}.jpg", f"{_NFD}.jpg")
        for name in (f"{_NFC}.jpg", f"{_NFD}.jpg"):
            self.assertEqual(self.find(name), name)

    def test_a_folder_that_is_not_there_has_no_files(self):
        self.assertIsNone(ImageNames(self.folder / "nowhere").find("a.jpg"))


if __name__ == "__main__":
    absltest.main()
