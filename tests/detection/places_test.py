"""Tests of kdcl_tf.detection.places."""

import os
import pathlib
from unittest import mock

from absl.testing import absltest, parameterized

from kdcl_tf.detection import places


class PlacesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _touch(self, *names):
        paths = [self.folder / name for name in names]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return paths

    def test_files_and_folders_in_the_order_in_which_they_are_named(self):
        single, first, second = self._touch("street.jpg", "photos/a.jpg", "photos/b.png")
        found = places.images([str(single), str(self.folder / "photos")])
        self.assertEqual(found, ([single, first, second], ""))
        with mock.patch.dict(os.environ, HOME=str(self.folder)):
            self.assertEqual(places.images(["~/street.jpg"]), ([single], ""))

    def test_a_folder_stands_for_the_images_in_it(self):
        names = ("b.PNG", "a.jpg", ".hidden.jpg", "1.heic", "2.HEIC", "deeper/c.jpg")
        self._touch(*(f"photos/{name}" for name in names))
        (image,) = self._touch("photo.jpg")
        photos = self.folder / "photos"
        found, told = places.images([str(image), str(photos)])
        self.assertEqual(found, [image, photos / "a.jpg", photos / "b.PNG"])
        self.assertEqual(told, "ignored: 2 with suffix .heic, 1 folders inside a folder, 1 hidden")
        (self.folder / "emp\nty").mkdir()
        with self.assertRaisesRegex(
            ValueError,
            r"^expected images in --image=.*emp\\nty, files with suffix .jpg, .*; got none$",
        ):
            places.images([str(self.folder / "emp\nty")])
        self._touch("deep/er/1.jpg")
        with self.assertRaisesRegex(ValueError, r"none \(ignored: 1 folders inside a folder\)$"):
            places.images([str(self.folder / "deep")])

    def test_an_empty_name_is_none_and_a_file_found_twice_is_one(self):
        street, other = self._touch("photos/street.jpg", "photos/other.jpg")
        self.assertEqual(places.images(["", str(street), ""]), ([street], ""))
        found = places.images([str(street), str(self.folder / "photos")])
        self.assertEqual(found, ([street, other], "ignored: 1 found twice"))
        with self.assertRaisesRegex(ValueError, "expected --image, .*; got none$"):
            places.images([""])

    @parameterized.parameters(
        ([], "^expected --image, files and folders .*; got none$"),
        (
            ["gone.jpg"],
            r"^expected --image to name files and folders that are there; got \S+gone.jpg$",
        ),
        (["a", "b"], "files of different names; got two called street$"),
    )
    def test_what_is_no_list_of_images_is_refused(self, names, message):
        self._touch("a/street.jpg", "b/street.png", "b/other.png")
        with self.assertRaisesRegex(ValueError, message):
            places.images([str(self.folder / name) for name in names])

    def test_an_image_whose_name_has_a_comma_is_told(self):
        (image,) = self._touch("IMG,1.jpg")
        with self.assertRaisesRegex(ValueError, r"commas separate names, and \S+IMG,1.jpg has"):
            places.images(str(image).split(","))

    def test_the_folder_of_the_pictures_need_not_be_there(self):
        (image,) = self._touch("photos/street.jpg")
        seen = self.folder / "seen"
        self.assertEqual(places.folder_to_draw_to(str(seen), [image]), seen)
        self.assertFalse(seen.exists())

    def test_no_folder_and_a_file_are_refused(self):
        (image,) = self._touch("street.jpg")
        with self.assertRaisesRegex(ValueError, "expected --output, a folder to draw to; got none"):
            places.folder_to_draw_to(None, [image])
        with self.assertRaisesRegex(ValueError, ": expected a folder; got a file$"):
            places.folder_to_draw_to(str(image), [image])

    @parameterized.parameters("result", "detections", "curves")
    def test_no_file_of_a_run_is_replaced(self, name):
        run, image = self._touch("run/flags.txt", f"photos/{name}.jpg")
        run.write_text("# format 3\n--detector=mask\n")
        with self.assertRaisesRegex(
            ValueError,
            rf"^--output=\S+/run: expected a folder in which {name}.\w+ of \S+photos/{name}.jpg "
            r"replaces nothing; got one where it belongs to the run in \S+/run: pass another$",
        ):
            places.folder_to_draw_to(str(run.parent), [image])
        for output in (run.parent / "seen", self.folder / "seen"):
            places.folder_to_draw_to(str(output), [image])

    def test_no_file_of_a_model_is_replaced(self):
        image, model, card = self._touch(
            "photos/a.jpg", "run/detector/saved_model.pb", "run/detector/detector.json"
        )
        card.write_text('{"checksums": {}}')
        run = model.parent.parent
        for read in (run, run / "detector", self.folder / "gone", None):
            for output in ("detector", "detector/variables"):
                with self.assertRaisesRegex(ValueError, "it belongs to an exported model: pass"):
                    places.folder_to_draw_to(str(run / output), [image], read and str(read))
        self.assertEqual(places.folder_to_draw_to(str(run), [image], str(run)), run)

    def test_names_that_are_too_long_are_refused_before_any_is_drawn(self):
        short, long = self._touch("photos/a.jpg", f"photos/{'é' * 113}.jpg")
        with self.assertRaisesRegex(
            ValueError,
            "^--image: expected names of at most 225 bytes before the suffix, to write NAME.png and "
            "NAME.json; got 226 in .*: rename it$",
        ):
            places.folder_to_draw_to(str(self.folder / "seen"), [short, long])
        (fits,) = self._touch(f"photos/{'a' * 225}.jpg")
        places.folder_to_draw_to(str(self.folder / "seen"), [fits])
        self.assertFalse((self.folder / "seen").exists())

    @parameterized.parameters("street.png", "street.jpg")
    def test_a_picture_and_its_list_would_replace_what_lies_beside_the_image(self, name):
        image, _ = self._touch(f"photos/{name}", "photos/street.json")
        link = self.folder / "link"
        link.symlink_to(image.parent)
        elsewhere = self.folder / "elsewhere.png"
        elsewhere.symlink_to(image)
        for output, found in (
            (image.parent, image),
            (link, image),
            (image.parent, link / name),
            (image.parent, elsewhere),
        ):
            with self.assertRaisesRegex(ValueError, "another folder than that of the images"):
                places.folder_to_draw_to(str(output), [found])


if __name__ == "__main__":
    absltest.main()
