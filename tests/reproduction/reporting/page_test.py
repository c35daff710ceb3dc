"""Tests of kdcl_tf.reproduction.reporting.page: it opens offline, light and dark, at any width."""

import pathlib
import re
import shutil
import subprocess
import unittest

import numpy as np
import tensorflow as tf

from kdcl_tf.reproduction.reporting.blocks import Figure, Grid, Heading, Paragraph
from kdcl_tf.reproduction.reporting.charts import Series, line_chart
from kdcl_tf.reproduction.reporting.page import page

_CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def _blocks():
    heads = ("Method", *(f"a wide column {index}" for index in range(14)))
    rows = tuple((f"row {index}", *["12.34"] * 14) for index in range(14))
    series = [
        Series(f"line {index}", ((0, index), (9, index + 3.0)), 1 + index) for index in range(8)
    ]
    chart = line_chart(series, "title", "x", "y")
    code = Paragraph("python tools/reproduce.py " + "--flag=value " * 20, code=True)
    return [Heading("One"), code, Grid(heads, rows, "caption"), Figure(chart, "caption")]


class PageTest(tf.test.TestCase):
    def test_it_needs_nothing_from_elsewhere(self):
        text = page("A < B", _blocks())
        self.assertIn("<title>A &lt; B</title>", text)
        self.assertNotIn("<script", text)
        self.assertEmpty(re.findall(r"(?:src|href)=|@import|url\(|https?:", text))


@unittest.skipIf(_CHROMIUM is None, "there is no Chromium on this machine")
class BrowserTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _run(self, text, *flags):
        path = self.folder / "page.html"
        path.write_text(text)
        command = [_CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={self.folder / 'profile'}", *flags, path.as_uri()]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)

    def _pixels(self, scheme):
        picture = self.folder / f"{scheme}.png"
        self._run(
            page("Title", _blocks()),
            f"--blink-settings=preferredColorScheme={scheme}",
            f"--screenshot={picture}",
            "--window-size=900,1400",
        )
        return tf.io.decode_png(picture.read_bytes(), channels=3).numpy()

    def test_light_and_dark_are_drawn_as_such(self):
        dark, light = (self._pixels(scheme) for scheme in (0, 1))
        self.assertLess(np.median(dark), 40)
        self.assertGreater(np.median(light), 240)
        for pixels in (dark, light):
            # Text, rules and eight colours of lines, not an empty sheet.
            self.assertGreater(len(np.unique(pixels.reshape(-1, 3), axis=0)), 50)
            self.assertGreater(np.mean(pixels != np.median(pixels)), 0.01)

    def test_a_phone_scrolls_tables_and_not_the_page(self):
        probe = (
            "<iframe id='phone' style='width:390px;height:800px;border:0' srcdoc='{}'></iframe>"
            "<script>onload = () => {{ const root = document.getElementById('phone')"
            ".contentDocument.documentElement; document.title = root.scrollWidth + ' of ' + "
            "root.clientWidth; }}</script>"
        )
        inner = page("Title", _blocks()).replace("&", "&amp;").replace("'", "&#39;")
        found = self._run(probe.format(inner), "--dump-dom", "--virtual-time-budget=3000").stdout
        width, room = map(int, re.search(r"<title>(\d+) of (\d+)</title>", found).groups())
        self.assertEqual(room, 390)
        self.assertLessEqual(width, room)


if __name__ == "__main__":
    tf.test.main()
