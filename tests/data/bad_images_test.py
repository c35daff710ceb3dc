"""Tests of kdcl_tf.data.bad_images."""

import contextlib
import io
import pathlib
import types

import numpy as np
import tensorflow as tf

from kdcl_tf.data import bad_images

LINE = "image 'a/1.jpg' of class 'a' cannot be decoded: torn; pass skip_bad_images=True"


class BadImagesTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "bad_images.txt"
        silence = contextlib.redirect_stderr(io.StringIO())
        self.told = self.enter_context(silence)

    def test_the_first_is_an_error(self):
        images = bad_images.BadImages()
        with self.assertRaisesRegex(bad_images.BadImageError, LINE):
            images.report("a/1.jpg", "a", "torn")

    def test_skipped_ones_are_told_counted_and_listed_once(self):
        images = bad_images.BadImages(skip=True)
        images.report("a/1.jpg", "a", "torn")
        images.keep_list(self.path)
        for _ in range(2):
            images.report("b/2.jpg", "b", "empty")
        self.assertLen(images, 2)
        self.assertEqual(self.path.read_text(), "a/1.jpg\ta\ttorn\nb/2.jpg\tb\tempty\n")
        self.assertEqual(self.told.getvalue().count("b/2.jpg"), 1)

    def test_a_list_goes_on(self):
        first, second = bad_images.BadImages(skip=True), bad_images.BadImages(skip=True)
        first.keep_list(self.path)
        self.assertFalse(self.path.exists())
        first.report("a/1.jpg", "a", "torn")
        second.keep_list(self.path)
        second.report("a/1.jpg", "a", "torn")
        second.report("b/2.jpg", "b", "empty")
        self.assertLen(self.path.read_text().splitlines(), 2)

    def test_what_is_outdated_drops_out_of_a_list_unless_it_was_found_again(self):
        self.path.write_text("a/1.jpg\ta\ttorn\na/2.jpg\ta\ttorn\na/3.jpg\ta\ttorn\n")
        images = bad_images.BadImages(skip=True)
        images.report("a/3.jpg", "a", "empty")
        images.keep_list(self.path, lambda names: names - {"a/1.jpg"})
        self.assertEqual(self.path.read_text(), "a/1.jpg\ta\ttorn\na/3.jpg\ta\tempty\n")

    def test_what_other_workers_find_is_told_counted_and_listed_once(self):
        chief, other = bad_images.BadImages(skip=True), bad_images.BadImages(skip=True)
        sent = []

        def share(images, received):
            """One worker's side, to which the others have sent something."""
            images.share(lambda own: sent.append(own) or [own, received])

        chief.report("a/1.jpg", "a", "torn")
        other.report("b/é.jpg", "b", "torn\\ttwice")
        chief.keep_list(self.path)
        share(other, b"a/1.jpg\ta\ttorn\n")
        share(chief, sent[0])
        self.assertEqual(chief.found, other.found)
        self.assertEqual(list(chief.found), ["a/1.jpg", "b/é.jpg"])
        self.assertEqual(len(self.path.read_text().splitlines()), 2)
        told = "skipped: image 'b/é.jpg' of class 'b' cannot be decoded: torn\\ttwice\n"
        self.assertEqual(self.told.getvalue().count(told), 2)
        self.assertEqual(self.told.getvalue().count("skipped: image 'a/1.jpg' of class 'a' "), 2)
        # What all have is not sent again.
        other.report("c/3.jpg", "c", "empty")
        share(other, b"")
        share(chief, sent[2])
        self.assertEqual(sent[2:], [b"c/3.jpg\tc\tempty\n", b""])
        self.assertLen(chief, 3)

    def test_classes_of_bad_images_alone(self):
        asked = []

        def is_good(index):
            asked.append(index)
            return index in (1, 3)

        def found(labels):
            split = types.SimpleNamespace(labels=np.array(labels, np.int64), is_good=is_good)
            return bad_images.classes_of_bad_images(split)

        self.assertEqual(found([7, 2, 4, 2, 7, 2]), [4, 7])
        # No more than is needed to know.
        self.assertEqual(asked, [1, 2, 0, 4])
        self.assertEqual(found([2, 5]), [2])
        self.assertEqual(found([]), [])

    def test_found_in_the_error_of_a_stream(self):
        def report(_):
            bad_images.BadImages().report("a/1.jpg", "a", "torn")

        stream = tf.data.Dataset.range(3).map(lambda n: tf.numpy_function(report, [n], tf.int64))
        with self.assertRaisesRegex(bad_images.BadImageError, f"^{LINE}[^\n]*$"):
            with bad_images.told_in_one_line():
                list(stream.prefetch(1))

    def test_other_errors_stay_what_they_are(self):
        with self.assertRaises(tf.errors.InvalidArgumentError):
            with bad_images.told_in_one_line():
                tf.io.decode_png(b"no image")


if __name__ == "__main__":
    tf.test.main()
