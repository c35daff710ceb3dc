"""Tests of kdcl_tf.data.digests, and of what a data set's digest depends on."""

import hashlib
import json
import os
import pathlib

import numpy as np
from absl.testing import absltest

from kdcl_tf import data
from kdcl_tf.data import digests
from tests import image_files


class DigestsTest(absltest.TestCase):
    def test_of_an_array_whatever_its_shape_and_order(self):
        array = np.arange(6, dtype=np.int64)
        expected = hashlib.sha256(array.tobytes()).hexdigest()
        self.assertEqual(digests.of_array(array), expected)
        self.assertEqual(digests.of_array(array.reshape(2, 3)), expected)
        self.assertEqual(digests.of_array(np.repeat(array, 2)[::2]), expected)
        self.assertEqual(digests.of_labels(array), {"images": 6, "labels": expected})
        self.assertEqual(digests.of_array(array[:0]), hashlib.sha256(b"").hexdigest())

    def test_parts_are_told_apart(self):
        self.assertNotEqual(digests.of_parts([b"ab", b"c"]), digests.of_parts([b"a", b"bc"]))
        self.assertEqual(digests.of_parts(iter([b"ab", b"c"])), digests.of_parts([b"ab", b"c"]))


class DatasetTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        contents = {
            f"{split}/{name}/{index}.png": image_files.encode(image_files.photo(index, 8, 8), "PNG")
            for split in ("train", "test")
            for name in ("ape", "bee")
            for index in range(3)
        }
        image_files.write(self.folder / "photos", contents)

    def _digest(self, folder="photos", **arguments):
        dataset = data.load(f"folder:{self.folder / folder}", image_size=8, **arguments)
        return json.loads(json.dumps(dataset.digest()))

    def test_it_is_the_same_elsewhere_and_at_another_time(self):
        before = self._digest()
        self.assertEqual(before["classes"], ["ape", "bee"])
        self.assertEqual(before["train"]["images"], 6)
        (self.folder / "photos").rename(self.folder / "moved")
        for path in (self.folder / "moved").rglob("*.png"):
            os.utime(path, (1, 1))
        self.assertEqual(self._digest("moved"), before)

    def test_where_images_live_changes_nothing_but_what_is_known(self):
        memory, disk = self._digest(storage="memory"), self._digest(storage="disk")
        self.assertIn("decoded", memory["train"])
        for split in ("train", "held_out", "test"):
            self.assertEqual({**memory[split], **disk[split]}, memory[split])

    def test_each_change_shows(self):
        before = self._digest()
        first, second = (self.folder / "photos/train/ape" / name for name in ("0.png", "1.png"))
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        self.assertNotEqual(self._digest()["train"]["decoded"], before["train"]["decoded"])
        first.write_bytes(content)
        self.assertEqual(self._digest(), before)
        first.rename(first.with_name("9.png"))
        self.assertNotEqual(self._digest()["train"]["names"], before["train"]["names"])


if __name__ == "__main__":
    absltest.main()
