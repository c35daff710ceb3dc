"""Tests of kdcl_tf.training.ownership.differences."""

from absl.testing import absltest, parameterized

from kdcl_tf.training import ownership
from tests.training.ownership.folders import DATA, FolderTestCase


class DifferencesTest(FolderTestCase):
    def test_a_run_of_before_the_digest_of_its_backbone_goes_on(self):
        before = {"settings": {"backbone": "runs/r/students/a"}, "data": DATA}
        now = {**before, "data": {**DATA, "backbone": "a" * 64, "backbone_card": "b" * 64}}
        self.assertEqual(ownership.other_run(before, now), "")
        teacher = {"settings": {"teacher": "a.keras"}, "data": {**DATA, "teacher": "a" * 64}}
        self.assertEqual(ownership.other_run({**teacher, "data": DATA}, teacher), "")

    @parameterized.parameters(
        ({"dataset": "folder:a"}, {"dataset": "folder:b"}, []),
        ({"storage": "disk"}, {}, []),
        ({"dataset": "cifar10"}, {"dataset": "cifar100"}, ["dataset"]),
        ({}, {"initial_weights": "a=b.keras", "seed": "1"}, ["initial_weights", "seed"]),
        ({"backbone": "resnet18"}, {"backbone": "runs/r/students/a"}, ["backbone"]),
        ({"backbone": "resnet18.safetensors"}, {"backbone": "/w/resnet18.safetensors"}, []),
        # Of an earlier version, which kept the order of a list.
        (
            {"initial_weights": "a=b.keras,c=d.keras"},
            {"initial_weights": "c=d.keras,a=b.keras"},
            [],
        ),
        ({"optimizer_arguments": "a=1.0,b=2.0"}, {"optimizer_arguments": "b=2.0,a=1.0"}, []),
        ({"students": "a,b"}, {"students": "b,a"}, ["students"]),
    )
    def test_runs_differ_in_a_path_unless_it_has_only_moved(self, first, second, expected):
        self.assertEqual(ownership.other_settings(first, second), expected)
        self.assertEqual(ownership.other_settings(second, first), expected)


if __name__ == "__main__":
    absltest.main()
