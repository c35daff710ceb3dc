"""Tests of a folder of image files, written here as real files."""

import contextlib
import io
import os
import pathlib
import shutil
import struct
import unicodedata

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data
from kdcl_tf.data import bad_images
from kdcl_tf.files import escaping

RED, BLUE = (250, 10, 20), (10, 20, 250)
ONE_WHITE_PIXEL_GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00"
    b"\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


def plain(colour, height=20, width=30, dtype=np.uint8):
    return np.broadcast_to(dtype(colour), [height, width, len(colour)])


def jpeg(colour, **size):
    return tf.io.encode_jpeg(plain(colour, **size), quality=100).numpy()


def png(colour, **size):
    return tf.io.encode_png(plain(colour, **size)).numpy()


def bmp(bits, palette, row):
    """A BMP file of one row; its length must be a multiple of 4 bytes."""
    start = 54 + len(palette)
    width = len(row) * 8 // bits
    header = struct.pack("<2sIHHI", b"BM", start + len(row), 0, 0, start)
    colours = len(palette) // 4
    info = struct.pack("<IiiHHIIiiII", 40, width, 1, 1, bits, 0, len(row), 0, 0, colours, 0)
    return header + info + palette + row


class FolderTestCase(parameterized.TestCase, tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.get_temp_dir()) / "images"
        shutil.rmtree(self.root, ignore_errors=True)

    def write(self, path, content):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def write_pair(self, test_name="test"):
        """Two images of each of two classes to train, one of each to test."""
        for name, colour in (("red", RED), ("blue", BLUE)):
            self.write(f"train/{name}/1.jpg", jpeg(colour))
            self.write(f"train/{name}/2.png", png(colour, height=50, width=40))
            self.write(f"{test_name}/{name}/1.JPEG", jpeg(colour))

    def load(self, **arguments):
        return data.load(f"folder:{self.root}", **arguments)

    def assert_refused(self, error, *parts):
        """Loading fails with one line that holds all the parts."""
        with self.assertRaises(error) as raised:
            self.load()
        message = str(raised.exception)
        self.assertNotIn("\n", message)
        for part in parts:
            self.assertIn(part, message)


# The contents of files are functions: TensorFlow must not run while pytest
# collects, since strategies of other tests have to be made before it does.
class ReadTest(FolderTestCase):
    @parameterized.parameters("test", "validation", "val")
    def test_images_labels_and_classes(self, test_name):
        self.write_pair(test_name)
        dataset = self.load()
        self.assertEqual(dataset.class_names, ("blue", "red"))
        self.assertAllEqual(dataset.train.labels, [0, 0, 1, 1])
        self.assertAllEqual(dataset.test.labels, [0, 1])
        self.assertEqual(dataset.train.images.shape, (4, 30, 30, 3))
        self.assertAllClose(dataset.train.images[0, 5, 5], BLUE, atol=3)
        self.assertAllEqual(dataset.train.images[3], plain(RED, 30, 30))
        self.assertTrue(dataset.flip)

    def test_image_size(self):
        self.write_pair()
        self.assertEqual(self.load(image_size=7).image_shape, (7, 7, 3))

    def test_test_may_lack_a_class(self):
        self.write_pair()
        shutil.rmtree(self.root / "test" / "blue")
        self.assertAllEqual(self.load().test.labels, [1])

    def test_files_are_sorted_and_others_passed_over(self):
        self.write_pair()
        self.write("train/red/0.png", png((1, 2, 3)))
        self.write("train/red/notes.txt", b"not an image")
        self.write("train/red/.hidden.png", b"not an image")
        self.write("train/.cache/1.png", b"not an image")
        self.assertAllEqual(self.load().train.images[2, 0, 0], (1, 2, 3))

    @parameterized.named_parameters(
        ("grey_jpeg", "a.jpg", lambda: jpeg((77,)), (77, 77, 77)),
        ("grey_png", "a.png", lambda: png((77,)), (77, 77, 77)),
        ("grey_alpha_png", "a.png", lambda: png((77, 9)), (77, 77, 77)),
        ("alpha_png", "a.png", lambda: png((*RED, 9)), RED),
        (
            "16_bit_png",
            "a.PNG",
            lambda: png((77 * 257,) * 3, dtype=np.uint16),
            (77, 77, 77),
        ),
        ("gif", "a.gif", lambda: ONE_WHITE_PIXEL_GIF, (255, 255, 255)),
        ("24_bit_bmp", "a.bmp", lambda: bmp(24, b"", bytes(RED[::-1]) * 4), RED),
        ("32_bit_bmp", "a.bmp", lambda: bmp(32, b"", bytes((*RED[::-1], 0))), RED),
        (
            "palette_bmp",
            "a.bmp",
            lambda: bmp(8, bytes((*BLUE[::-1], 0, *RED[::-1], 0)), b"\1\1\1\1"),
            RED,
        ),
    )
    def test_file_types(self, name, content, colour):
        self.write_pair()
        self.write(f"train/red/{name}", content())
        image = self.load().train.images[-1]
        self.assertAllEqual(image, plain(colour, 20, 20))


# Names that a file system allows, and what a list says of them.
_NAMES = {
    b"a\nb.png": r"a\nb.png",
    b"a\\nb.png": r"a\\nb.png",
    "a\u2028b.png".encode(): r"a\u2028b.png",
    "a\x85b.png".encode(): r"a\u0085b.png",
    b"a\x85b.png": r"a\x85b.png",
    b"a\tb.png": r"a\tb.png",
    "ä 犬.png".encode(): "ä 犬.png",
    b" .png": " .png",
}


class NamesTest(FolderTestCase):
    def setUp(self):
        super().setUp()
        self.write_pair()
        for name in _NAMES:
            self.write(b"train/red/" + name, png(RED))

    def write(self, path, content):
        super().write(os.fsdecode(path), content)

    def test_files_are_read_whatever_they_are_called_and_listed_a_line_each(self):
        dataset = self.load(distortion="resized_crop", storage="disk", holdout_per_class=1)
        both = {**fields(dataset.train.listing()), **fields(dataset.held_out.listing())}
        names = {f"train/red/{os.fsdecode(name)}" for name in _NAMES}
        self.assertLen(both, 4 + len(_NAMES))
        self.assertContainsSubset(names, both)
        self.assertEqual({both[name] for name in names}, {"red"})
        for name, line in zip(dataset.train.images.names, dataset.train.listing().splitlines()):
            self.assertEqual(os.fsencode(escaping.fields(line)[0]), name)
            shown = line.removeprefix("train/red/").split("\t")[0]
            self.assertEqual(_NAMES.get(os.path.basename(name), shown), shown)
        self.assertLen(np.concatenate([labels for _, labels in dataset.train.pixels(4)]), 10)

    def test_bad_images_are_listed_a_line_each_and_read_back(self):
        for name in _NAMES:
            self.write(b"train/red/" + name, b"no image")
        path = self.root / "bad_images.txt"
        with contextlib.redirect_stderr(io.StringIO()) as told:
            dataset = self.load(skip_bad_images=True)
        self.assertLen(told.getvalue().splitlines(), len(_NAMES))
        dataset.bad_images.keep_list(path)
        lines = path.read_text(encoding="utf-8").splitlines()
        found = {os.fsencode(escaping.fields(line)[0]) for line in lines}
        self.assertEqual(found, {b"train/red/" + name for name in _NAMES})
        again = bad_images.BadImages(skip=True)
        again.keep_list(path)
        self.assertEqual(again.found, dataset.bad_images.found)

    def test_a_listed_image_that_was_mended_or_is_gone_drops_out_wherever_images_are_kept(self):
        for storage in ("memory", "disk"):
            self.write("train/red/bad.png", b"no image")
            self.write("test/red/bad.png", b"no image")
            path = self.root / "bad_images.txt"
            with contextlib.redirect_stderr(io.StringIO()):
                first = self.load(skip_bad_images=True, storage=storage)
                for split in (first.train, first.test):
                    list(split.pixels(4))
                first.keep_bad_images(path)
                self.assertEqual(first.left_out(), {"train": 1, "test": 1})
                self.write("train/red/bad.png", png(RED))
                path.write_text(path.read_text() + "train/red/gone.png\tred\ttorn\n")
                again = self.load(skip_bad_images=True, storage=storage)
                again.keep_bad_images(path)
                self.assertEqual(again.left_out(), {"test": 1})
                self.assertEqual(again.problems(), {"bad_images": 1})
                self.assertIn("test/red/bad.png", path.read_text())
                self.assertNotIn("train/red/bad.png", path.read_text())
                self.write("test/red/bad.png", png(RED))
                self.load(skip_bad_images=True, storage=storage).keep_bad_images(path)
            self.assertFalse(path.exists())

    def test_an_error_names_the_file_in_one_line(self):
        shutil.rmtree(self.root / "train" / "red")
        self.write(b"train/red/\xff\n.png", b"no image")
        self.assert_refused(ValueError, r"image 'train/red/\xff\n.png' of class 'red'")


class ClassNamesTest(FolderTestCase):
    def write_class(self, name, splits=("train", "test"), colour=RED):
        for split in splits:
            self.write(f"{split}/{os.fsdecode(name)}/1.png", png(colour))

    @parameterized.parameters(
        (b"a\nb", r"a\nb"),
        (b"a\tb", r"a\tb"),
        ("a\u2028b".encode(), r"a\u2028b"),
        ("a\x85b".encode(), r"a\u0085b"),
        (b"a\xff", r"a\xff"),
    )
    def test_those_that_no_list_could_hold_are_refused(self, name, shown):
        self.write_pair()
        self.write_class(name)
        self.assert_refused(ValueError, "class names: expected text in UTF-8", f"got '{shown}'")

    def test_composed_and_decomposed_spellings_are_one_class(self):
        composed, decomposed = (unicodedata.normalize(form, "chäfer") for form in ("NFC", "NFD"))
        self.assertNotEqual(composed, decomposed)
        self.write_pair()
        self.write_class(decomposed, ["train"], BLUE)
        self.write_class(composed, ["test"], BLUE)
        dataset = self.load()
        self.assertEqual(dataset.class_names, ("blue", composed, "red"))
        self.assertAllEqual(dataset.test.labels, [0, 1, 2])
        self.assertAllEqual(dataset.train.labels, [0, 0, 1, 2, 2])
        self.assertAllEqual(dataset.train.images[2], plain(BLUE, 20, 20))
        self.assertEqual(dataset.train.images.shape, (5, 20, 20, 3))

    def test_two_spellings_in_one_split_are_refused(self):
        self.write_pair()
        for form in ("NFC", "NFD"):
            self.write_class(unicodedata.normalize(form, "chäfer"))
        self.assert_refused(
            ValueError,
            f"{self.root}/train",
            r"got two for 'ch\xe4fer'",
            r"('cha\u0308fer' and 'ch\xe4fer')",
        )


class WhatWasReadTest(FolderTestCase):
    def test_one_line_says_what_was_passed_over(self):
        self.write_pair()
        shutil.rmtree(self.root / "test" / "blue")
        for path in (
            "train/red/notes.txt",
            "train/red/more.TXT",
            "train/red/README",
            "train/red/deeper/1.png",
            "train/red/folder.png/1.png",
            "train/red/.1.png.swp",
            "train/.cache/1.png",
            "test/list.csv",
        ):
            self.write(path, b"")
        (self.root / "train" / "blue" / "3.png").symlink_to(self.root / "nothing")
        (self.root / "train" / "blue" / "4.png").symlink_to("4.png")
        self.assertEqual(
            self.load().notes[0],
            "read 4 training images and 1 test images of 2 classes, 2 training images"
            " per class; 1 class without a test image: 'blue'; ignored: 2 folders inside"
            " a class's, 2 hidden, 2 links to nothing, 2 with suffix .txt, 1 outside a class's folder"
            ", 1 without a suffix",
        )

    def test_a_class_whose_folder_is_a_dead_link_is_told_as_one(self):
        self.write_pair()
        for split in ("train", "test"):
            (self.root / split / "green").symlink_to(self.root / "nothing")
        told = "ignored: 2 links to nothing beside the folders of classes"
        self.assertEndsWith(self.load().notes[0], f"; {told}")
        self.assertEqual(self.load().told, told)


def fields(listing):
    """`{name: class}` of the lines of a listing."""
    return dict(escaping.fields(line) for line in listing.splitlines())


class IndexTest(FolderTestCase):
    def test_the_same_images_labels_and_order_as_in_memory(self):
        self.write_pair()
        self.write("train/red/0.bmp", bmp(24, b"", bytes(RED[::-1]) * 4))
        read, index = self.load(), self.load(distortion="resized_crop", storage="disk")
        self.assertAllEqual(index.train.labels, read.train.labels)
        self.assertEqual(index.class_names, read.class_names)
        names = [index.train.images.name(number) for number in range(5)]
        wanted = ["blue/1.jpg", "blue/2.png", "red/0.bmp", "red/1.jpg", "red/2.png"]
        self.assertEqual(names, [f"train/{name}" for name in wanted])
        images = np.concatenate([images for images, _ in index.train.pixels(3)])
        self.assertAllClose(images[:, 0, 0], read.train.images[:, 0, 0], atol=1)
        self.assertEqual(index.test.images.name(1), "test/red/1.JPEG")

    def test_no_image_is_opened(self):
        self.write_pair()
        self.write("train/red/3.jpg", b"no image")
        arguments = {"distortion": "resized_crop", "storage": "disk", "image_size": 8}
        self.assertLen(self.load(**arguments).train, 5)

    def test_what_is_not_there(self):
        with self.assertRaisesRegex(FileNotFoundError, "is not there"):
            self.load(distortion="resized_crop")


class RefusedTest(FolderTestCase):
    def test_no_such_folder(self):
        self.assert_refused(FileNotFoundError, str(self.root), "is not there")

    def test_a_file(self):
        self.root.write_bytes(png(RED))
        self.addCleanup(self.root.unlink)
        self.assert_refused(
            NotADirectoryError, str(self.root), "which is a file: pass the folder of all classes"
        )

    def test_no_train(self):
        self.write("test/red/1.png", png(RED))
        self.assert_refused(FileNotFoundError, "expected train/ in it; got test")

    def test_no_test(self):
        self.write("train/red/1.png", png(RED))
        self.assert_refused(
            FileNotFoundError, "expected test/ or validation/ or val/ or valid/ in it; got train"
        )

    def test_one_class(self):
        self.write("train/red/1.png", png(RED))
        self.write("test/red/1.png", png(RED))
        self.assert_refused(ValueError, "expected at least 2 classes", "got 1 (red)")

    def test_no_class(self):
        self.write("train/1.png", png(RED))
        self.write("test/red/1.png", png(RED))
        self.assert_refused(ValueError, "expected at least 2 classes", "got none")

    def test_test_without_classes(self):
        self.write_pair()
        shutil.rmtree(self.root / "test")
        (self.root / "test").mkdir()
        self.assert_refused(
            ValueError,
            f"{self.root}/test",
            "expected a folder of images for each class; got nothing",
        )

    @parameterized.parameters("train", "test")
    def test_class_without_images(self, split):
        self.write_pair()
        shutil.rmtree(self.root / split / "red")
        self.write(f"{split}/red/notes.txt", b"")
        self.assert_refused(ValueError, f"{self.root}/{split}/red", "expected at least 1 image")

    def test_class_that_train_lacks(self):
        self.write_pair()
        self.write("test/green/1.png", png((0, 255, 0)))
        self.assert_refused(ValueError, "expected only the 2 classes of train", "got 'green'")

    @parameterized.named_parameters(
        ("truncated_jpeg", "bad.jpg", lambda: jpeg(RED)[:-40]),
        ("truncated_png", "bad.png", lambda: png(RED)[:-20]),
        ("truncated_gif", "bad.gif", lambda: ONE_WHITE_PIXEL_GIF[:-6]),
        ("truncated_bmp", "bad.bmp", lambda: bmp(24, b"", bytes(RED) * 4)[:-3]),
        ("other_content", "bad.jpg", lambda: b"<html>404 not found</html>"),
        ("empty", "bad.png", lambda: b""),
    )
    def test_unreadable_image(self, name, content):
        self.write_pair()
        self.write(f"test/red/{name}", content())
        self.assert_refused(ValueError, f"image 'test/red/{name}' of class 'red' cannot be decoded")

    def test_too_large(self):
        self.write_pair()
        with self.assertRaisesRegex(ValueError, "6 images of .* GB decoded; expected at most"):
            self.load(image_size=100_000, storage="memory")


if __name__ == "__main__":
    tf.test.main()
