"""Tests of kdcl_tf.data.encoded_views."""

import dataclasses
import os

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf.data import decoding, encoded_views, normalization, stream
from kdcl_tf.data.sources import tfrecord
from tests import class_folder, image_files

COUNT, SIZE = 11, 16
STUDENTS = ("first", "second")
# Some processors add in another order where a graph makes one view and not two.
_ROUNDING = 1e-6


def _contents():
    """JPEGs of several sizes, and two PNGs."""
    return {
        f"{number}.jpg": image_files.encode(
            image_files.photo(number, 20 + 7 * number, 90 - 5 * number),
            "PNG" if number in (3, 8) else "JPEG",
        )
        for number in range(COUNT)
    }


class ViewsTestCase(tf.test.TestCase, parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        temporary = class_folder.make(cls)
        cls.dataset = image_files.dataset(image_files.split(temporary, _contents(), SIZE))

    def views(self, seed=0, students=STUDENTS, **arguments):
        return encoded_views.EncodedViews(self.dataset, students, seed, **arguments)

    def by_index(self, views, epoch=0, batch_size=4, student="first"):
        """`[COUNT, S, S, 3]`: one student's views, in the order of the images."""
        images, labels = zip(*views.epoch(epoch, batch_size))
        mine = [each[student] if isinstance(each, dict) else each for each in images]
        return np.concatenate(mine)[np.argsort(np.concatenate(labels))]


class ViewsTest(ViewsTestCase):
    def test_element_spec_leaves_the_batch_open(self):
        images = tf.TensorSpec([None, SIZE, SIZE, 3], tf.float32)
        labels = tf.TensorSpec([None], tf.int64)
        spec = ({"first": images, "second": images}, labels)
        self.assertEqual(self.views().epoch(0, 4).element_spec, spec)
        self.assertEqual(self.views(invariant=False).epoch(0, 4).element_spec, (images, labels))
        self.assertEqual(self.views().epoch(0, 4).cardinality(), 3)

    def test_same_seed_repeats_and_others_differ(self):
        whole = [
            next(iter(self.views(seed).epoch(epoch, COUNT)))
            for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0))
        ]
        tf.nest.map_structure(self.assertAllEqual, whole[0], whole[3])
        values = [
            images[student].numpy()[np.argsort(labels)]
            for images, labels in whole[:3]
            for student in STUDENTS
        ]
        for number, one in enumerate(values):
            for other in values[:number]:
                self.assertFalse(np.any(np.all(one == other, axis=(1, 2, 3))))

    @parameterized.parameters(1, COUNT)
    def test_views_do_not_depend_on_the_batch_they_land_in(self, batch_size):
        found = self.by_index(self.views(), batch_size=batch_size)
        self.assertAllEqual(found, self.by_index(self.views()))

    def test_a_view_does_not_depend_on_how_many_students_there_are(self):
        four = self.by_index(self.views(students=tuple("abcd")), student="b")
        self.assertAllEqual(four, self.by_index(self.views(), student="second"))

    def test_without_invariance_all_share_the_first_students_view(self):
        shared = self.by_index(self.views(invariant=False))
        self.assertAllClose(shared, self.by_index(self.views()), atol=_ROUNDING)

    def test_skip_gives_the_tail(self):
        views = self.views()
        whole = list(views.epoch(1, 4))
        for skip in (1, 2, 3):
            tail = list(views.epoch(1, 4, skip=skip))
            self.assertLen(tail, 3 - skip)
            for found, wanted in zip(tail, whole[skip:]):
                tf.nest.map_structure(self.assertAllEqual, found, wanted)

    def test_a_view_is_the_drawn_distortion_of_the_whole_image(self):
        views = self.views()
        found = self.by_index(views, epoch=2, student="second")
        for index in range(COUNT):
            draws = views.draws(2, index)
            whole = decoding.rgb(tf.constant(self.dataset.train.images.read(index))).numpy()
            windows = views.policy.crop.windows(draws.window, *whole.shape[:2]).numpy()
            top, left, height, width = windows[1]
            part = whole[top : top + height, left : left + width]
            part = part[:, ::-1] if draws.mirror[1] else part
            small = bool(max(height, width) > 2 * SIZE)
            image = tf.image.resize(part, [SIZE, SIZE], antialias=small).numpy() / 255.0
            mean = image.mean(axis=(0, 1))[None]
            matrix, added = views.policy.photometric.colours(
                draws.colour[1:], draws.light[1:], mean.astype(np.float32)
            )
            coloured = image @ matrix[0].numpy().T + added[0].numpy()
            wanted = (
                coloured - self.dataset.normalization.mean
            ) / self.dataset.normalization.deviation
            self.assertAllClose(found[index], wanted, atol=1e-4)

    def test_never_mirrored_where_the_data_set_forbids(self):
        never = image_files.dataset(self.dataset.train, flip=False)
        views = encoded_views.EncodedViews(never, ("a",), 0)
        self.assertFalse(any(views.draws(epoch, 0).mirror[0] for epoch in range(20)))

    def test_students_may_have_their_own_normalisation(self):
        """With a view each, and with one view that all share."""
        plain = normalization.Normalization((0.0,) * 3, (1.0,) * 3)
        for invariant, seen in ((True, "second"), (False, "first")):
            views = self.views(invariant=invariant, normalizations={"second": plain})
            found = self.by_index(views, student="second")
            wanted = self.by_index(self.views(), student=seen)
            imagenet = normalization.IMAGENET
            self.assertAllClose(found, wanted * imagenet.deviation + imagenet.mean, atol=1e-5)
            found = self.by_index(views)
            self.assertAllClose(found, self.by_index(self.views()), atol=_ROUNDING)


@pytest.mark.slow
class DistributedTest(ViewsTestCase):
    def _assert_shared_out(self, batches):
        """Two replicas get the parts of every batch, and of nothing but it."""
        parts = [batches(stream.Share(2, replica, 1)) for replica in range(2)]
        for *found, wanted in zip(*parts, batches(stream.Share()), strict=True):
            flat = [tf.nest.flatten(each) for each in (*found, wanted)]
            for one, two, whole in zip(*flat):
                self.assertAllEqual(np.concatenate([one, two]), whole)

    def test_replicas_share_out_every_batch(self):
        views, dataset = self.views(), self.dataset
        self._assert_shared_out(lambda share: views.epoch(0, 6, share=share))
        self._assert_shared_out(lambda share: dataset.batches(dataset.test, 4, share))

    def test_also_batches_that_bad_images_have_made_smaller(self):
        contents = _contents()
        for name in ("2.jpg", "5.jpg"):
            contents[name] = contents[name][:-40]
        train = image_files.split(self.create_tempdir().full_path, contents, SIZE, skip=True)
        dataset = image_files.dataset(train)
        views = encoded_views.EncodedViews(dataset, STUDENTS, 0)
        self._assert_shared_out(lambda share: views.epoch(0, 4, share=share))
        self._assert_shared_out(lambda share: dataset.batches(dataset.test, 4, share))


class WorkTest(ViewsTestCase):
    """How often files are read and images decoded."""

    def setUp(self):
        super().setUp()
        image_files.use_own_cache(self)

    def test_one_decode_of_a_jpeg_for_four_students(self):
        views = self.views(students=tuple("abcd"))
        decode = tf.function(
            lambda content: views._views(content, views.draws(0, 0)),
            input_signature=[tf.TensorSpec([], tf.string)],
        )
        graph = decode.get_concrete_function().graph.as_graph_def()
        nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
        decoders = sorted(node.op for node in nodes if node.op.startswith("Decode"))
        # Branches of which an image takes one; DecodeRaw reads headers.
        self.assertEqual(
            [op for op in decoders if op != "DecodeRaw"],
            ["DecodeAndCropJpeg", "DecodeJpeg", "DecodePng"],
        )

    def test_one_read_for_each_image_and_none_for_those_skipped(self):
        path = os.path.join(self.create_tempdir().full_path, "train")
        contents = enumerate(_contents().values())
        image_files.write_records(path, [image_files.example(c, n) for n, c in contents])
        images, labels, _ = tfrecord.read([path], "image/encoded", "image/class/label")
        read = []

        class Counted(type(images)):
            def _record(self, index):
                read.append(int(index))
                return super()._record(index)

        counted = Counted(**vars(images))
        train = dataclasses.replace(self.dataset.train, images=counted, labels=labels)
        views = encoded_views.EncodedViews(image_files.dataset(train), tuple("abcd"), 0)
        for skip in (0, 2):
            read.clear()
            list(views.epoch(0, 4, skip=skip))
            self.assertCountEqual(read, views.order(0)[4 * skip :])

    def test_views_of_records_are_those_of_files(self):
        path = os.path.join(self.create_tempdir().full_path, "train")
        contents = enumerate(_contents().values())
        image_files.write_records(path, [image_files.example(c, n) for n, c in contents])
        images, labels, _ = tfrecord.read([path], "image/encoded", "image/class/label")
        train = dataclasses.replace(self.dataset.train, images=images, labels=labels)
        views = encoded_views.EncodedViews(image_files.dataset(train), STUDENTS, 0)
        self.assertAllEqual(self.by_index(views), self.by_index(self.views()))


class BadImagesTest(ViewsTestCase):
    def test_order_and_views_stay_and_the_batch_is_smaller(self):
        contents = _contents()
        contents["5.jpg"] = contents["5.jpg"][:-40]
        folder = self.create_tempdir().full_path
        train = image_files.split(folder, contents, SIZE, skip=True)
        views = encoded_views.EncodedViews(image_files.dataset(train), STUDENTS, 0)
        for (images, labels), (wanted, all_labels) in zip(
            views.epoch(0, 4), self.views().epoch(0, 4)
        ):
            kept = all_labels != 5
            self.assertAllEqual(labels, all_labels[kept])
            for name in STUDENTS:
                self.assertAllEqual(images[name], wanted[name][kept])
        self.assertEqual(list(train.bad_images.found), ["5.jpg"])


class RefusedTest(ViewsTestCase):
    def test_arguments(self):
        with self.assertRaisesRegex(ValueError, "students: expected one or more names"):
            self.views(students=())
        with self.assertRaisesRegex(ValueError, f"batch_size: expected 1..{COUNT}, .*; got 12"):
            self.views().epoch(0, 12)
        with self.assertRaisesRegex(ValueError, "skip: expected 0..3 batches; got 4"):
            self.views().epoch(0, 4, skip=4)


if __name__ == "__main__":
    tf.test.main()
