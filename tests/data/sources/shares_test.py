"""Tests of taking a share of each class out of a set, by contents."""

import os
import pathlib

import numpy as np
from absl.testing import absltest, parameterized

from kdcl_tf.data import storage
from kdcl_tf.data.sources import shares, source as source_lib


def _taken(contents, labels, share):
    digests = [content.encode() for content in contents]
    return shares.of_contents(digests, np.array(labels, np.int64), share)


class OfContentsTest(parameterized.TestCase):
    @parameterized.parameters(
        *((10, 0.2, 2), (10, 0.24, 2), (10, 0.25, 3), (3, 0.2, 1)),
        *((2, 0.9, 1), (2, 0.01, 1), (1, 0.5, 0), (50, 0.99, 49)),
    )
    def test_a_class_gives_its_share_and_keeps_and_gives_at_least_one(self, count, share, expected):
        taken = _taken([f"image {n}" for n in range(count)], [0] * count, share)
        self.assertEqual(taken.sum(), expected)

    def test_the_first_in_the_order_of_digests_are_taken_whatever_their_order_is(self):
        contents = list("hgfedcba")
        np.testing.assert_array_equal(
            np.array(contents)[_taken(contents, [0] * 8, 0.25)], ["b", "a"]
        )
        np.testing.assert_array_equal(
            _taken(sorted(contents), [0] * 8, 0.25)[:3], [True, True, False]
        )

    def test_a_larger_share_has_the_images_of_a_smaller_one(self):
        contents, labels = [str(n) for n in range(60)], [n % 3 for n in range(60)]
        small, large = (_taken(contents, labels, share) for share in (0.1, 0.3))
        self.assertTrue((small <= large).all())
        self.assertEqual((small.sum(), large.sum()), (6, 18))

    def test_copies_count_once_and_stay_together(self):
        contents = ["a"] * 7 + ["b", "c", "d"]
        taken = _taken(contents, [0] * 10, 0.25)
        np.testing.assert_array_equal(taken, [True] * 7 + [False] * 3)

    def test_copies_in_several_classes_are_on_one_side_and_each_class_has_both(self):
        rng = np.random.default_rng(0)
        for _ in range(200):
            count = int(rng.integers(6, 40))
            contents = [str(n) for n in rng.integers(0, 15, count)]
            labels = rng.integers(0, 3, count)
            try:
                taken = _taken(contents, labels, 0.3)
            except Exception as error:  # Told apart by its label.
                self.assertIn(error.label, (0, 1, 2))
                continue
            sides = {}
            for content, side in zip(contents, taken.tolist()):
                self.assertEqual(sides.setdefault(content, side), side)
            for label in set(labels.tolist()):
                mine = {
                    c: s
                    for c, own, s in zip(contents, labels.tolist(), taken.tolist())
                    if own == label
                }
                self.assertIn(False, mine.values())
                self.assertEqual(True in mine.values(), len(mine) > 1)

    def test_classes_that_have_only_each_others_images_can_still_be_split(self):
        taken = _taken(["x", "y", "x", "y"], [0, 0, 1, 1], 0.5)
        np.testing.assert_array_equal(taken, [True, False, True, False])


class SplitTest(absltest.TestCase):
    def _labelled(self, contents):
        """Files in folders of classes: `{path: bytes}`."""
        root = pathlib.Path(self.create_tempdir().full_path)
        classes = sorted({os.path.dirname(path) for path in contents})
        for path, content in contents.items():
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_bytes(content)
        names = np.array([os.fsencode(path) for path in contents])
        labels = np.array([classes.index(os.path.dirname(path)) for path in contents])
        return source_lib.Labelled(storage.Files(str(root), names), labels)

    def _names(self, labelled):
        return [labelled.images.name(index) for index in range(len(labelled))]

    def test_files_are_split_by_contents_and_not_by_names(self):
        contents = {f"a/{n}.png": bytes([n]) for n in range(10)}
        one = self._labelled(contents)
        renamed = self._labelled({f"z/{9 - n}.jpg": bytes([n]) for n in range(10)})
        first = shares.split(one, 0.3, ("a",), "test_share")
        second = shares.split(renamed, 0.3, ("z",), "test_share")
        read = [
            {each.images.read(n) for n in range(len(each))} for each in (first.taken, second.taken)
        ]
        self.assertEqual(read[0], read[1])
        self.assertLen(first.taken, 3)
        self.assertEqual(
            sorted(self._names(first.rest) + self._names(first.taken)), sorted(contents)
        )
        self.assertEqual(first.told, "")

    def test_an_image_in_two_classes_is_told(self):
        contents = {"a/1.png": b"x", "b/1.png": b"x", "a/2.png": b"y", "b/2.png": b"z"}
        found = shares.split(self._labelled(contents), 0.5, ("a", "b"), "test_share")
        self.assertStartsWith(
            found.told, "1 image is in more than one class, such as 'a/1.png' and 'b/1.png'; "
        )

    def test_what_cannot_be_split_is_refused(self):
        triangle = {
            f"{name}/{each}.png": each.encode()
            for name, both in (("a", "xy"), ("b", "yz"), ("c", "xz"))
            for each in both
        }
        with self.assertRaisesRegex(
            ValueError, r"^test_share=0.5: class '[abc]' has no image of its own"
        ):
            shares.split(self._labelled(triangle), 0.5, ("a", "b", "c"), "test_share")
        copies = {"a/1.png": b"x", "a/2.png": b"x", "b/1.png": b"y"}
        with self.assertRaisesRegex(
            ValueError, r"^validation_share=0.5: expected a class with two"
        ):
            shares.split(self._labelled(copies), 0.5, ("a", "b"), "validation_share")

    def test_files_that_cannot_be_read_are_no_copies_of_each_other(self):
        labelled = self._labelled({f"a/{n}.png": bytes([n]) for n in range(4)})
        for n in range(3):
            os.remove(pathlib.Path(labelled.images.root, f"a/{n}.png"))
        self.assertLen(shares.split(labelled, 0.5, ("a",), "test_share").taken, 2)

    def test_pixels_are_split_by_contents_too(self):
        pixels = np.zeros([6, 2, 2, 3], np.uint8)
        pixels[:3] += 7  # Two images, three copies of each.
        images = storage.Pixels(pixels, storage.Numbered("digits", np.arange(6)))
        found = shares.split(source_lib.Labelled(images, np.zeros([6], np.int64)), 0.5, ("a",), "x")
        self.assertLen(set(found.taken.images.pixels.ravel().tolist()), 1)
        self.assertLen(found.taken, 3)


if __name__ == "__main__":
    absltest.main()
