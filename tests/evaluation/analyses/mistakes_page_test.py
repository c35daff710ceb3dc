"""Tests of the page of mistakes, read again as HTML."""

import base64
import html.parser
import pathlib

import numpy as np
import tensorflow as tf

from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.evaluation.analyses import mistakes_page
from kdcl_tf.evaluation.analyses.predictions import Mistake
from tests import image_files


class _Page(html.parser.HTMLParser):
    """The pictures and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.images, self.names, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            content = base64.b64decode(dict(attrs)["src"].partition("base64,")[2])
            self.images.append(tf.io.decode_png(content).numpy())
            self.names.append(dict(attrs)["alt"])

    def handle_data(self, data):
        self.text += data


class MistakesPageTest(tf.test.TestCase):
    def _page(self, split, mistakes, columns):
        path = pathlib.Path(self.create_tempdir().full_path) / "page.html"
        mistakes_page.write(mistakes, columns, split, "Mistakes <1>", path)
        return _Page(path.read_text())

    def test_each_picture_has_its_name_classes_and_probabilities(self):
        contents = {
            f"a&b <{n}>.png": image_files.encode(image_files.photo(n), "PNG") for n in range(3)
        }
        split = image_files.split(self.create_tempdir().full_path, contents)
        mistakes = {
            "small": [Mistake(2, 0, 1, 0.875, 0.0625)],
            "large": [Mistake(0, 1, 0, 0.75, 0.25), Mistake(2, 0, 1, 0.5, 0.5)],
        }
        page = self._page(split, mistakes, {name: ["cat", "<dog>"] for name in mistakes})
        self.assertEqual(page.names, ["a&b <2>.png", "a&b <0>.png", "a&b <2>.png"])
        whole = split.decoded().images
        for image, index in zip(page.images, (2, 0, 2)):
            self.assertAllEqual(image, whole[index])
        for part in ("Mistakes <1>", "small", "predicted <dog> 87.5%", "true cat 6.2%"):
            self.assertIn(part, page.text)

    def test_images_without_files_are_numbered(self):
        split = ImageSplit(np.arange(12, dtype=np.uint8).reshape([3, 2, 2, 1]), np.arange(3))
        page = self._page(split, {"a": [Mistake(1, 0, 1, 0.5, 0.5)]}, {"a": ["x", "y"]})
        self.assertEqual(page.names, ["image 1"])
        self.assertAllEqual(page.images[0], split.images[1])

    def test_no_mistakes_are_told(self):
        split = ImageSplit(np.zeros([1, 2, 2, 3], np.uint8), np.zeros([1], np.int64))
        page = self._page(split, {"a": []}, {"a": ["x", "y"]})
        self.assertIn("No mistakes.", page.text)
        self.assertEmpty(page.images)


if __name__ == "__main__":
    tf.test.main()
