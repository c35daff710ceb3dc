"""Tests of kdcl_tf.predict, in process and once in a process of its own."""

import base64
import csv
import io
import json
import re
import subprocess
import sys
from unittest import mock

import numpy as np
import tensorflow as tf
from PIL import Image

from kdcl_tf.files import escaping
from tests import class_folder, exported_photos, image_files, in_process


class PredictTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = class_folder.make(cls)
        cls.photos = cls.folder / "photos"
        image_files.write(cls.photos, exported_photos.contents())
        image_files.write(cls.photos, {"note.txt": b"hello", "deep/f.png": b"no image"})
        for name in ("one", "two"):
            exported_photos.export(cls.folder / "run" / "students" / name)
        cls.student = cls.folder / "run" / "students" / "one"

    def _run(self, *arguments, photos=None):
        return in_process.run("predict", f"--image={photos or self.photos}", *arguments)

    def test_a_line_an_image_and_bad_ones_named_and_counted(self):
        done = self._run(f"--model={self.student}", "--top=2")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(
            [line.partition(":")[0] for line in lines],
            [str(self.photos / name) for name in ("a.jpg", "b.png", "d.jpg", "e.gif")],
        )
        for line in lines:
            self.assertRegex(line, r": .+ \d+\.\d\d%, .+ \d+\.\d\d%$")
        told = done.stderr.splitlines()
        self.assertEqual(told[0], "found 6 images; ignored: 1 with suffix .txt")
        self.assertStartsWith(told[1], f"skipped: {self.photos}/c.jpg: the JPEG is cut short")
        self.assertStartsWith(told[2], f"skipped: {self.photos}/deep/f.png: expected a JPEG, PNG")
        self.assertEqual(told[3:], ["2 of 6 images could not be read"])

    def test_the_files_have_what_the_lines_have(self):
        output = self.folder / "found.csv"
        done = self._run(f"--model={self.student}", f"--output={output}", "--batch_size=1")
        self.assertEndsWith(done.stderr, f"\npredictions: {output}\n")
        with output.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        lines = done.stdout.splitlines()
        for row, line in zip(rows, lines, strict=True):
            shares = [
                f"{row[f'class_{n}']} {float(row[f'probability_{n}']):.2%}" for n in (1, 2, 3)
            ]
            self.assertEqual(line, f"{row['image']}: {', '.join(shares)}")
            self.assertAllClose(sum(float(row[f"probability_{n}"]) for n in (1, 2, 3)), 1.0)
        run = self.folder / "run"
        output = self.folder / "found.json"
        self._run(f"--model={run}", "--student=one", f"--output={output}")
        found = json.loads(output.read_text())
        self.assertEqual(found["model"], str(self.student))
        images = [escaping.unescaped(each["image"]) for each in found["images"]]
        self.assertEqual(images, [row["image"] for row in rows])

    def test_a_process_of_its_own_writes_a_page(self):
        output = self.folder / "found.html"
        flags = (f"--model={self.student}", f"--image={self.photos}", f"--output={output}")
        done = subprocess.run(
            [sys.executable, "-m", "kdcl_tf.predict", *flags], capture_output=True, text=True
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLen(done.stdout.splitlines(), 4)
        self.assertEqual(output.read_text().count('src="data:image/jpeg;base64,'), 4)

    def test_the_page_shows_a_photograph_as_the_student_saw_it(self):
        photo = self.folder / "turned.jpg"
        photo.write_bytes(exported_photos.turned(height=40, width=50))
        for turned, size in (("true", (40, 50)), ("false", (50, 40))):
            identity = {"settings": {"apply_exif_orientation": turned}}
            student = self.folder / turned
            exported_photos.export(student, identity=identity)
            output = self.folder / f"{turned}.html"
            done = self._run(f"--model={student}", f"--output={output}", photos=photo)
            self.assertEqual(done.returncode, 0, done.stderr)
            (content,) = re.findall('src="data:image/jpeg;base64,([^"]*)"', output.read_text())
            with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
                self.assertEqual(picture.size, size)

    def test_files_of_other_runtimes_answer_as_they_should(self):
        photos = self.folder / "colours"
        exported_photos.write_colours(photos)
        for path in exported_photos.export_files(self.folder):
            done = self._run(f"--model={path}", "--top=1", photos=photos)
            self.assertEqual(done.returncode, 0, done.stderr)
            # One channel has 204/255, the others nothing.
            share = f"{np.exp(0.8) / (np.exp(0.8) + 2):.2%}"
            self.assertEqual(
                done.stdout.splitlines(),
                [f"{photos}/{name}/plain.png: {name} {share}" for name in ("blue", "green", "red")],
            )

    def test_a_file_without_its_runtime_is_refused_in_one_line(self):
        path = self.folder / "any.onnx"
        path.touch()
        with mock.patch.dict(sys.modules, {"onnxruntime": None}):
            done = self._run(f"--model={path}")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(
            done.stderr, r"^\S+: expected onnxruntime, .* pip install 'kdcl_tf\[export\]'\n$"
        )

    def test_images_of_which_none_can_be_read_are_an_error_and_no_file_is_written(self):
        output = self.folder / "nothing.csv"
        done = self._run(
            f"--model={self.student}", f"--output={output}", photos=self.photos / "deep"
        )
        self.assertEqual(done.returncode, 1)
        self.assertEndsWith(done.stderr, ": expected images that can be read; got none among 1\n")
        self.assertFalse(output.exists())

    def test_a_student_that_is_damaged_or_of_other_channels_is_refused_in_one_line(self):
        pairs = exported_photos.export(self.folder / "pairs", shape=(16, 16, 2))
        damaged = exported_photos.export(self.folder / "damaged")
        (damaged / "saved_model.pb").write_bytes(b"cut")
        for model, message in ((pairs, "with 3 channels"), (damaged, "is damaged: saved_model.pb")):
            done = self._run(f"--model={model}")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(done.stderr, message)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


if __name__ == "__main__":
    tf.test.main()
