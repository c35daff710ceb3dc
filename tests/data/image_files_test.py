"""Image files of every kind as a data set: with every distortion, storage and orientation."""

import os
import pathlib
import resource
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import data
from kdcl_tf.data.bad_images import BadImageError, told_in_one_line
from tests import image_files, image_kinds

_SUFFIXES = {"jpeg": "jfif", "png": "png", "webp": "webp", "gif": "gif", "bmp": "bmp"}


def _named(kinds):
    """`{file: bytes}`: half of the images in a class; TIFF has two suffixes."""
    found = {}
    for number, (name, content) in enumerate(kinds.items()):
        suffix = _SUFFIXES.get(name.split("_")[0], ("tif", "tiff")[number % 2])
        found[f"{'ab'[number % 2]}/{name}.{suffix}"] = content
    return found


class _Folder(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        image_files.use_own_cache(self)
        self.root = self.create_tempdir().full_path

    def write(self, contents):
        for split in ("train", "test"):
            image_files.write(os.path.join(self.root, split), contents)

    def load(self, **options):
        return data.load(f"folder:{self.root}", image_size=16, **options)

    def shown(self, dataset):
        """(views of an epoch of one student, test images)."""
        views = data.create_views(dataset, ("a",), 0)
        with told_in_one_line():
            seen = [images["a"].numpy() for images, _ in views.epoch(0, 8)]
            tested = [images.numpy() for images, _ in dataset.batches(dataset.test, 8)]
        return np.concatenate(seen), np.concatenate(tested)


class KindsTest(_Folder):
    @parameterized.parameters(*data.DISTORTIONS)
    @pytest.mark.slow
    def test_every_kind_is_shown_alike_from_memory_and_from_disk(self, distortion):
        files = _named(image_kinds.files())
        self.write(files | {"a/bad.tiff": b"II*\0 is no image", "b/bad.webp": b""})
        found = [
            self.load(distortion=distortion, storage=storage, skip_bad_images=True)
            for storage in ("memory", "disk")
        ]
        memory, disk = (self.shown(dataset) for dataset in found)
        for dataset in found:
            self.assertEqual(
                set(map(os.path.basename, dataset.bad_images.found)), {"bad.tiff", "bad.webp"}
            )
        for here, there in zip(memory, disk):
            self.assertLen(here, len(files))
            self.assertAllEqual(here, there)

    def test_a_bad_one_is_named(self):
        self.write(_named(image_kinds.files()) | {"a/bad.tiff": b"II*\0 is no image"})
        with self.assertRaisesRegex(BadImageError, "image '.*a/bad.tiff' of class 'a' cannot"):
            self.load()


class OrientationTest(_Folder):
    @parameterized.parameters(("resized_crop", "disk", "JPEG"), ("none", "memory", "TIFF"))
    def test_turned_files_are_shown_as_upright_ones_or_as_stored_ones(
        self, distortion, storage, kind
    ):
        """The same pixels, stored upright, and stored so that EXIF turns them."""
        turned = {f"{'ab'[n % 2]}/{n}.jpg": image_kinds.turned(kind, n) for n in range(1, 9)}
        upright = {
            name: image_files.encode(image_kinds.transposed(content).astype(np.uint8), "PNG")
            for name, content in turned.items()
        }
        stored = {
            name: image_files.encode(
                image_kinds.by_pillow(image_kinds.turned(kind, 1)).astype(np.uint8), "PNG"
            )
            for name in turned
        }
        rules = {"turned": data.ImageRules(), "stored": data.ImageRules(False)}
        for expected, rule in ((upright, rules["turned"]), (stored, rules["stored"])):
            shown = []
            for contents in (turned, expected):
                self.write(contents)
                dataset = self.load(distortion=distortion, storage=storage, rules=rule)
                shown.append(self.shown(dataset))
            for one, other in zip(*shown):
                self.assertAllEqual(one, other)


# A child with 6 GB of addresses, of which TensorFlow takes most of one: 2.5 GB of pixels or a
# file of 3 GB would be more than it may touch; it tells how much it did.
_CHILD = """
import resource, sys
from kdcl_tf import data
data.load(sys.argv[1], image_size=16, skip_bad_images=True, storage="memory")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for distortion, storage in (("none", "memory"), ("none", "disk"), ("resized_crop", "disk")):
    dataset = data.load(sys.argv[2], image_size=16, skip_bad_images=True, storage=storage,
                        distortion=distortion)
    views = data.create_views(dataset, ("a",), 0)
    assert sum(len(labels) for _, labels in views.epoch(0, 2)) == 2
    for line in dataset.bad_images.found.values():
        print(line)
print("MB", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


class LimitsTest(_Folder):
    def test_bombs_and_huge_files_are_bad_images_and_take_no_memory(self):
        good = {f"{each}/good.png": image_files.encode(image_kinds.PHOTO, "PNG") for each in "ab"}
        self.write(good)
        bombs = pathlib.Path(self.root, "bombs")
        for split in ("train", "test"):
            image_files.write(bombs / split, good)
        image_files.write(
            bombs / "train",
            {
                "a/bomb.png": image_kinds.empty_png(50_000, 50_000),
                "a/bomb.webp": image_kinds.empty_webp(16_000, 16_000),
                "a/bomb.gif": image_kinds.empty_gif(60_000, 60_000),
                "a/bomb.tiff": image_kinds.tiled_tiff(16, 16, 40_000),
                "a/sparse.png": b"\x89PNG",
            },
        )
        os.truncate(bombs / "train/a/sparse.png", 3_000_000_000)
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, f"folder:{self.root}", f"folder:{bombs}"],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=_limit_memory,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        for name, reason in (
            ("bomb.png", "at most 160 megapixels; got 50000 x 50000, 2500 megapixels"),
            ("bomb.webp", "at most 160 megapixels; got 16000 x 16000, 256 megapixels"),
            ("bomb.gif", "at most 160 megapixels; got 60000 x 60000, 3600 megapixels"),
            ("bomb.tiff", "at most 160 megapixels; got 40000 x 40000, 1600 megapixels"),
            ("sparse.png", "at most 256 MB for an image; got 3000 MB"),
        ):
            self.assertRegex(done.stdout, f"train/a/{name}\ta\texpected {reason}; raise max_image")
        self.assertLess(float(done.stdout.split()[-1]), 500)

    def test_the_limits_are_those_that_are_given(self):
        self.write(
            {f"{each}/good.png": image_files.encode(image_kinds.PHOTO, "PNG") for each in "ab"}
        )
        for storage in ("memory", "disk"):
            for name, message in (
                ("max_image_megapixels", "at most 0.001 megapixels; got 37 x 45"),
                ("max_image_megabytes", "at most 0.001 MB for an image; got"),
            ):
                rules = data.ImageRules(**{name: 0.001})
                with self.assertRaisesRegex(BadImageError, f"good.png' .*expected {message}"):
                    self.load(storage=storage, rules=rules)


def _limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))


if __name__ == "__main__":
    tf.test.main()
