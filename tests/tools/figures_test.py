"""Tests of tools/figures.py: every picture comes from what is committed, small and the same."""

import contextlib
import io
import pathlib
import xml.etree.ElementTree

import figures
import pytest
from absl.testing import absltest, parameterized
from drawing import style
from PIL import Image

from tests import in_process

_EACH = parameterized.parameters(*figures.FIGURES)


class FiguresTest(parameterized.TestCase):
    @_EACH
    @pytest.mark.slow
    def test_it_is_the_same_twice_small_and_readable(self, name):
        folder = pathlib.Path(self.create_tempdir().full_path)
        with contextlib.redirect_stderr(io.StringIO()):
            once = figures.draw([name], folder / "once")[0].read_bytes()
            twice = figures.draw([name], folder / "twice")[0].read_bytes()
        self.assertEqual(once, twice)
        self.assertLess(len(once), style.MOST_BYTES)
        if name.endswith(".svg"):
            root = xml.etree.ElementTree.fromstring(once)
            self.assertTrue(root.tag.endswith("svg"))
            # No font of the reader's, no date.
            self.assertNotIn(b"<text", once)
            self.assertNotIn(b"dc:date", once)
        else:
            width, _ = Image.open(io.BytesIO(once)).size
            self.assertBetween(width, 700, 1000)

    @_EACH
    def test_it_is_drawn_where_the_documentation_has_it(self, name):
        self.assertTrue(
            (figures.FOLDER / name).exists(), f"draw it: tools/figures.py --only={name}"
        )

    @_EACH
    def test_it_is_told_to_who_does_not_see_it(self, name):
        text = figures.module_of(name).ALT
        self.assertBetween(len(text.split()), 25, 90)
        self.assertEndsWith(text, ".")

    def test_pictures_are_chosen_by_name(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        done = in_process.run("figures", "--only=step", f"--output={folder}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([path.name for path in folder.iterdir()], ["step.svg"])
        done = in_process.run("figures", "--only=stairs")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "expected --only among step, views, .*; got stairs")

    def test_the_list_says_what_each_shows(self):
        done = in_process.run("figures", "--list")
        for name in figures.FIGURES:
            self.assertIn(f"{name}: {figures.module_of(name).ALT}", done.stdout)


if __name__ == "__main__":
    absltest.main()
