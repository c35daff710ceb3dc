"""Tests of kdcl_tf.prediction.writing."""

import csv
import html.parser
import json
import pathlib

from absl.testing import absltest, parameterized

from kdcl_tf.prediction import writing
from kdcl_tf.prediction.predicting import Prediction
from tests import exported_photos, image_files

_SUBJECT = writing.Subject("stu<dent", "runs/a", 3, 2)
_ODD = 'a,"b"\n<i>\udcff.jpg'
_SHOWN = 'a,"b"\\n<i>\\xff.jpg'


class _Texts(html.parser.HTMLParser):
    """All texts of a page, and the attributes of its pictures."""

    def __init__(self):
        super().__init__()
        self.texts, self.pictures, self.tags = [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "img":
            self.pictures.append(dict(attrs))

    def handle_data(self, data):
        self.texts.append(data)


class WritingTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _written(self, suffix, *predictions):
        path = self.folder / f"found{suffix}"
        with writing.opened(path, _SUBJECT) as add:
            for each in predictions:
                add(each)
        return path.read_text(encoding="utf-8")

    def _predictions(self):
        return (
            Prediction(_ODD, ('b,"c"', "gnú"), (0.75, 0.1)),
            Prediction("bad.png", fault="no <image>"),
            Prediction("c.png", ("gnú", "\udcff"), (1.0, 1e-30)),
        )

    def test_csv_is_read_back_as_it_was(self):
        text = self._written(".csv", *self._predictions())
        rows = list(csv.reader(text.splitlines(keepends=True)))
        self.assertEqual(rows[0], "image class_1 probability_1 class_2 probability_2".split())
        self.assertEqual(rows[1], [_SHOWN, 'b,"c"', "0.75", "gnú", "0.1"])
        self.assertEqual(rows[2], ["c.png", "gnú", "1.0", "\\udcff", "1e-30"])
        self.assertLen(rows, 3)

    def test_json_has_the_images_and_those_that_were_not_read(self):
        found = json.loads(self._written(".json", *self._predictions()))
        self.assertEqual((found["student"], found["model"]), ("stu<dent", "runs/a"))
        first, second = found["images"]
        self.assertEqual(first["image"], _SHOWN)
        self.assertEqual(first["predictions"][0], {"class": 'b,"c"', "probability": 0.75})
        self.assertEqual(second["predictions"][1]["probability"], 1e-30)
        self.assertEqual(found["skipped"], [{"image": "bad.png", "reason": "no <image>"}])

    def test_json_of_nothing_is_json(self):
        self.assertEqual(json.loads(self._written(".json"))["images"], [])

    def test_a_page_shows_pictures_and_escapes_every_text(self):
        image_files.write(self.folder, {"turned.jpg": exported_photos.turned()})
        picture = Prediction(str(self.folder / "turned.jpg"), ("<script>", "b"), (0.75, 0.25))
        page = _Texts()
        page.feed(self._written(".html", picture, *self._predictions()))
        self.assertNotIn("script", page.tags)
        self.assertNotIn("i", page.tags)
        for text in ("<script>", "75.00%", 'b,"c"', _SHOWN, "not read: no <image>", "gnú"):
            self.assertIn(text, page.texts)
        self.assertLen(page.pictures, 1)  # The others are not there.
        self.assertStartsWith(page.pictures[0]["src"], "data:image/jpeg;base64,/9j/")
        self.assertEqual(page.pictures[0]["alt"], str(self.folder / "turned.jpg"))

    @parameterized.parameters(".csv", ".json", ".html")
    def test_an_error_leaves_the_old_file(self, suffix):
        path = self.folder / f"found{suffix}"
        path.write_text("old")
        with self.assertRaises(KeyError), writing.opened(path, _SUBJECT) as add:
            add(self._predictions()[0])
            raise KeyError
        self.assertEqual(path.read_text(), "old")
        self.assertEqual([each.name for each in self.folder.iterdir()], [path.name])

    def test_the_suffix_says_the_format(self):
        for name in ("a.csv", "a.JSON", "b.html"):
            writing.check(pathlib.Path(name))
        writing.check(None)
        for name in ("a.txt", "a", ".csv"):
            with self.assertRaisesRegex(ValueError, "end in .csv, .json, .html, .*; got"):
                writing.check(pathlib.Path(name))
        with writing.opened(None, _SUBJECT) as add:
            add(self._predictions()[0])

    def test_an_image_is_not_overwritten(self):
        picture, link = self.folder / "picture.html", self.folder / "link.html"
        picture.write_bytes(b"an image, whatever its name")
        link.symlink_to(picture)
        for output in (picture, link):
            with self.assertRaisesRegex(ValueError, "another file than the images; got "):
                writing.check_apart(output, [str(self.folder / "a.png"), str(picture)])
        writing.check_apart(self.folder / "b.html", [str(picture)])
        writing.check_apart(None, [str(picture)])


if __name__ == "__main__":
    absltest.main()
