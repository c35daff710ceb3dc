"""Tests of kdcl_tf.evaluation.run_data."""

import os
import types

from absl.testing import absltest, parameterized

from kdcl_tf.evaluation import run_data
from tests.evaluation.cards import CARD


class RunDataTest(parameterized.TestCase):
    @parameterized.parameters(
        ("folder:photos", True),
        ("folder:./photos/", True),
        ("folder:{here}/photos", True),
        ("folder:other", False),
        ("tfrecord:photos", False),
        ("digits", False),
        (None, False),
    )
    def test_the_own_data_set_is_told_by_its_place(self, name, expected):
        card = {**CARD, "dataset": "folder:photos"}
        name = name and name.format(here=os.getcwd())
        self.assertEqual(run_data.is_own(card, name), expected)
        self.assertFalse(run_data.is_own({}, name))

    @parameterized.parameters(
        ("folder:elsewhere", True),
        ("tfrecord:photos", False),
        ("folder:photos", False),
        ("digits", False),
    )
    def test_only_another_path_of_the_same_kind_may_be_that_of_a_run(self, name, expected):
        self.assertEqual(run_data.is_alike({"dataset": "folder:photos"}, name), expected)
        for own in ({}, {"dataset": "my-photos"}):
            self.assertFalse(run_data.is_alike(own, name))

    @parameterized.parameters(
        ("cifar100", "cifar100:3.0.2", True),
        ("cifar100:3.0.2", "cifar100", True),
        ("cifar100:3.0.2", "Cifar100:3.*.*", True),
        ("cifar100:3.0.2", "cifar100:3.0.1", False),
        ("imagenet_resized/32x32", "imagenet_resized", True),
        ("imagenet_resized/32x32", "imagenet_resized/32x32:0.1.0", True),
        ("imagenet_resized/32x32", "imagenet_resized/8x8", False),
    )
    def test_names_of_one_set_of_tfds_may_be_of_the_same_images(self, known, name, expected):
        self.assertFalse(run_data.is_own({"dataset": known}, name))
        self.assertTrue(run_data.is_alike({"dataset": known}, name))
        self.assertEqual(run_data.is_of_run({"dataset": known}, name), expected)

    def test_other_sets_are_not_alike(self):
        for known, name in (
            ("cifar100", "cifar10"),
            ("cifar100", "digits"),
            ("my-photos", "cifar10"),
        ):
            self.assertFalse(run_data.is_alike({"dataset": known}, name))
            self.assertFalse(run_data.is_of_run({"dataset": known}, name))

    def test_a_validation_set_is_known_by_names_and_contents(self):
        def dataset(**digest):
            split = types.SimpleNamespace(digest=lambda: {"images": 2, **digest})
            return types.SimpleNamespace(validation=split)

        before = {"images": 2, "names": "a" * 64, "bytes": "b" * 64}
        card = {"identity": {"data": {"validation": before}}}
        for digest, expected in (
            ({"names": "a" * 64, "bytes": "b" * 64}, True),
            # On disk, contents are not known.
            ({"names": "a" * 64}, True),
            ({"names": "c" * 64}, False),
            ({"names": "a" * 64, "bytes": "c" * 64}, False),
            ({"images": 3, "names": "a" * 64}, False),
        ):
            self.assertEqual(run_data.has_validation_images(card, dataset(**digest)), expected)
        self.assertTrue(run_data.has_validation_images({}, dataset(names="a" * 64)))
        none = types.SimpleNamespace(validation=None)
        self.assertFalse(run_data.has_validation_images(card, none))


if __name__ == "__main__":
    absltest.main()
