"""Tests of kdcl_tf.training.ownership.checks, through the `Workdir` that asks it."""

import shutil

from absl.testing import absltest, parameterized

from kdcl_tf.files.identity import DamageError
from kdcl_tf.training import manifests, ownership
from kdcl_tf.training.ownership import checks
from tests.training.ownership.folders import DATA, FolderTestCase, Settings, identity_of


class ChecksTest(FolderTestCase):
    def test_a_complete_run_does_without_its_checkpoints_whole_or_damaged(self):
        (self.save() / manifests.NAME).write_text("{}")
        self.workdir.write_result({"identity": identity_of().facts})
        self.workdir.check(Settings())
        self.assert_refused(r"--seed=0 \(now 1\)")
        result = self.workdir.result
        ownership.check_same_data({self.workdir.path: result})
        self.assertEqual(self.workdir.complete_result, result)
        # Images that were moved are compared by a session, which would go on from them.
        with self.assertRaisesRegex(
            DamageError, "is complete, and .*: move checkpoints/ away, and"
        ):
            self.workdir.begun()

    def test_other_data_is_refused_and_named(self):
        self.assertEqual(self.workdir.check_data(identity_of()), "")
        self.save()
        self.assertEqual(self.workdir.check_data(identity_of()), "")
        fewer = {**DATA, "train": {"images": 2, "labels": "b" * 64}}
        with self.assertRaisesRegex(
            ValueError,
            f"^the data is not what the run in {self.workdir.path} was begun with: "
            "train has 2 images; the run had 4; restore the images, or pass another --workdir$",
        ):
            self.workdir.check_data(identity_of(data=fewer))
        renamed = {**DATA, "classes": ["ape", "cat"]}
        with self.assertRaisesRegex(ValueError, "classes 'bee' are gone; classes 'cat' are new"):
            self.workdir.check_data(identity_of(data=renamed))

    def test_data_may_move_and_a_set_of_another_kind_is_another(self):
        self.save()
        self.assertFalse(self.workdir.check(Settings()))
        self.assertTrue(self.workdir.check(Settings(dataset="folder:/new")))
        for other in ("tfrecord:/old", "cifar100"):
            self.assert_refused(rf"--dataset=folder:/old \(now {other}\)", Settings(dataset=other))

    def test_other_versions_are_told_and_it_goes_on(self):
        self.save()
        told = self.workdir.check_data(identity_of(versions={"keras": "3.2"}))
        self.assertEqual(told, "keras 3.1 (now 3.2)")

    @parameterized.parameters(
        (
            "resnet18",
            {"backbone": "a" * 64},
            {},
            "is a student's name, .* such as --backbone=./resnet18, or",
        ),
        (
            "resnet18",
            {},
            {"backbone": "a" * 64},
            "is of trained weights; .*; restore the name of a",
        ),
    )
    def test_weights_under_one_name_may_not_become_others(self, text, before, now, told):
        before, now = (
            {"settings": {"backbone": text}, "data": {**DATA, **each}} for each in (before, now)
        )
        with self.assertRaisesRegex(ValueError, f"was begun with: backbone {told}"):
            checks._compare_data(self.workdir.path, before, now)
        self.assertStartsWith(ownership.other_run(before, now), "backbone is ")

    def test_files_of_two_runs_are_refused(self):
        self.save(1)
        self.save(2, identity_of(Settings(seed=1)))
        for settings in (Settings(), Settings(seed=1)):
            self.assert_refused("was made with other flags: --seed", settings)
        with self.assertRaisesRegex(ValueError, "holds files of two runs, which differ in --seed"):
            ownership.check_one_run(self.workdir.path, None)
        shutil.rmtree(manifests.folder_of(self.workdir.path / "checkpoints", 2))
        ownership.check_one_run(self.workdir.path, None)
        other = {"identity": identity_of(data={"classes": ["cat"]}).facts}
        with self.assertRaisesRegex(ValueError, "differ in classes 'cat' are gone; classes 'ape'"):
            ownership.check_one_run(self.workdir.path, other)

    def test_what_one_run_lacks_is_compared_between_the_others(self):
        runs = self.complete("alone") | self.complete("x", teacher="a" * 64)
        runs |= self.complete("y") | {self.workdir.path / "none": None}
        ownership.check_same_data(runs)
        with self.assertRaisesRegex(
            ownership.OtherDataError, "z was trained on other data than .*x: teacher differ"
        ):
            ownership.check_same_data(runs | self.complete("z", teacher="b" * 64))

    def test_parts_of_the_data_alone_are_compared(self):
        other = self.complete("b", train={"images": 4, "labels": "b" * 64})
        runs = self.complete("a") | other
        ownership.check_same_data(runs, ("classes", "test"))
        with self.assertRaisesRegex(ownership.OtherDataError, "train labels differ"):
            ownership.check_same_data(runs)


if __name__ == "__main__":
    absltest.main()
