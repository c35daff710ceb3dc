"""Tests of kdcl_tf.students.build_branches."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import methods, students

_SHAPE = (8, 8, 3)
_TREES = ((3,), (2,), (2, 4), (2, 4, 8), (1, 2, 2))


def _images():
    return np.random.default_rng(0).normal(size=[3, *_SHAPE]).astype(np.float32)


class BranchesTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.product(name=("resnet14", "wrn_10_2"), copies=_TREES)
    def test_each_is_the_plain_architecture(self, name, copies):
        branches = students.build_branches(name, 10, _SHAPE, copies=copies)
        self.assertLen(branches, copies[-1])
        plain = students.build(name, 10, _SHAPE)
        for branch in branches.values():
            self.assertEqual(
                [weight.shape for weight in branch.weights],
                [weight.shape for weight in plain.weights],
            )
            plain.set_weights(branch.get_weights())
            self.assertAllClose(plain(_images()), branch(_images()), atol=1e-5)

    @parameterized.product(
        name=("resnet18", "mobilenet_v2_0.35"), copies=((3,), (2, 4), (1, 1, 2, 2))
    )
    @pytest.mark.slow
    def test_those_for_imagenet_too(self, name, copies):
        shape = (32, 32, 3)
        plain = students.build(name, 10, shape)
        branches = students.build_branches(name, 10, shape, copies=copies)
        self.assertLen(branches, copies[-1])
        images = np.random.default_rng(0).normal(size=[2, *shape]).astype(np.float32)
        for branch in list(branches.values())[-2:]:
            plain.set_weights(branch.get_weights())
            self.assertAllClose(plain(images), branch(images), atol=1e-5)

    @parameterized.parameters(
        # A branch is stage 4 and the head, 8,393,728 + 513,000; a copy of stage 3 is 2,099,712;
        # the gate is a dense layer on 256 features and a batch norm.
        (methods.ONE, (3,), 11_689_512 + 2 * 8_906_728 + 256 * 3 + 3 + 2 * 3, 29.5),
        (methods.CLNN, (2, 4), 11_689_512 + 3 * 8_906_728 + 2_099_712, 40.5),
    )
    def test_whole_networks_of_table_3(self, method, copies, count, millions):
        branches = students.build_branches("resnet18", 1000, (32, 32, 3), copies=copies)
        whole = students.parameter_count(method(branches).network)
        self.assertEqual(whole, count)
        self.assertEqual(round(whole / 1e6, 1), millions)

    def test_classifiers_of_keras_have_none(self):
        with self.assertRaisesRegex(ValueError, "'keras:VGG16' cannot have branches"):
            students.build_branches("keras:VGG16", 10, (32, 32, 3), copies=(2,))

    @parameterized.parameters("resnet8", "wrn_10_1")
    def test_a_weights_file_of_a_branch_fits_the_plain_architecture(self, name):
        branch = students.build_branches(name, 10, _SHAPE, copies=(3,))[f"{name}_2"]
        path = pathlib.Path(self.create_tempdir().full_path) / "branch.weights.h5"
        branch.save_weights(path)
        plain = students.build(name, 10, _SHAPE)
        plain.load_weights(path)
        self.assertAllClose(plain(_images()), branch(_images()), atol=1e-5)

    def test_a_tree_shares_what_it_says(self):
        branches = list(students.build_branches("resnet8", 10, _SHAPE, copies=(2, 4)).values())

        def kernel(branch, stage):
            convolutions = [
                each for each in branch.layers if each.name.endswith(f"stage{stage}_block1_conv1")
            ]
            return convolutions[0].kernel

        for stage, owner in ((1, (0, 0, 0, 0)), (2, (0, 0, 1, 1)), (3, (0, 1, 2, 3))):
            kernels = [kernel(branch, stage) for branch in branches]
            found = [[one is two for two in kernels] for one in kernels]
            self.assertEqual(found, [[a == b for b in owner] for a in owner])

    def test_copies_begin_with_weights_of_their_own(self):
        first, second = students.build_branches("resnet8", 10, _SHAPE, copies=(2,)).values()
        self.assertNotAllClose(first(_images()), second(_images()))

    def test_names_are_numbered_or_given(self):
        numbered = students.build_branches("resnet8", 10, _SHAPE, copies=(2,))
        self.assertEqual(list(numbered), ["resnet8", "resnet8_2"])
        given = students.build_branches("resnet8", 10, _SHAPE, copies=(2,), model_names="ab")
        self.assertEqual([each.name for each in given.values()], ["a", "b"])

    def test_the_dtype_policy_reaches_every_branch(self):
        branches = students.build_branches(
            "resnet8", 10, _SHAPE, copies=(2,), dtype="mixed_bfloat16"
        )
        for branch in branches.values():
            self.assertEqual(branch.get_layer("stem_conv").compute_dtype, "bfloat16")
            self.assertEqual(branch.output.dtype, "float32")

    @parameterized.parameters(
        (()), ((1,),), ((2, 3),), ((4, 2),), ((2, 4, 8, 16),), ((0, 2),), (3,), ((2.0,),), ("3",)
    )
    def test_what_is_no_tree_is_refused(self, copies=()):
        with self.assertRaisesRegex(ValueError, "copies must be one to 3 numbers"):
            students.build_branches("resnet8", 10, _SHAPE, copies=copies)

    @parameterized.parameters((["a", "b"],), (["a", "b", "c", "d"],), (["a", "b", "a"],))
    def test_names_for_other_than_the_students_are_refused(self, names):
        with self.assertRaisesRegex(ValueError, "model_names must be 3 distinct names"):
            students.build_branches("resnet8", 10, _SHAPE, copies=(3,), model_names=names)

    def test_an_unknown_name_is_refused(self):
        with self.assertRaisesRegex(ValueError, "unknown student"):
            students.build_branches("resnet9", 10, _SHAPE, copies=(2,))


if __name__ == "__main__":
    tf.test.main()
