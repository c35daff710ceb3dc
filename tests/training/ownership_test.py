"""Tests of kdcl_tf.training.ownership, through the `Workdir` that asks it."""

import dataclasses
import json
import pathlib
import shutil

from absl.testing import absltest, parameterized

from kdcl_tf.files import identity
from kdcl_tf.files.identity import DamageError, Identity
from kdcl_tf.training import manifests, ownership
from kdcl_tf.training.run_files import read_result
from kdcl_tf.training.settings import TrainingSettings
from kdcl_tf.training.workdir import Workdir

_DATA = {"classes": ["ape", "bee"], "train": {"images": 4, "labels": "a" * 64}}


@dataclasses.dataclass(frozen=True)
class _Settings(TrainingSettings):
    seed: int = 0
    epochs: int = 3
    storage: str = ""
    dataset: str = "folder:/old"


def _identity(settings=_Settings(), data=_DATA, versions=None):
    return Identity(settings.as_flags(), data, versions=versions or {"keras": "3.1"})


class OwnershipTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.workdir = Workdir(pathlib.Path(self.create_tempdir().full_path))
        self.workdir.record(_Settings())

    def _save(self, step=1, found=None):
        folder = manifests.folder_of(self.workdir.path / "checkpoints", step)
        folder.mkdir(parents=True)
        (folder / "variables.index").write_bytes(b"values")
        manifests.write(folder, {"identity": (found or _identity()).facts, "progress": {}})
        return folder

    def _assert_refused(self, message, settings=_Settings(seed=1)):
        with self.assertRaisesRegex(ValueError, message):
            self.workdir.check(settings)

    @parameterized.parameters(
        lambda path: path.unlink(),
        lambda path: path.write_text(""),
        lambda path: path.write_text(path.read_text().partition("--seed")[0]),
        lambda path: path.write_bytes(b"\xff\x00--see"),
        lambda path: path.write_text(path.read_text().partition("\n")[2]),
        lambda path: path.write_text("# format 1\n" + path.read_text()),
    )
    def test_without_its_flags_a_checkpoint_tells_whose_run_it_is(self, damage):
        self._save()
        damage(self.workdir.path / "flags.txt")
        self._assert_refused(r"--seed=0 \(now 1\); pass those")
        self.workdir.check(_Settings(storage="disk"))

    @parameterized.parameters(
        lambda text: f"# my best run\n\n{text}".encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.encode("utf-8-sig"),
    )
    def test_a_note_and_what_editors_do_to_its_flags_leave_it_this_run(self, edit):
        path = self.workdir.path / "flags.txt"
        path.write_bytes(edit(path.read_text()))
        for save in (lambda: None, self._save):
            save()
            self._assert_refused(r"--seed=0 \(now 1\); pass those")
            self.workdir.check(_Settings())

    def test_flags_alone_tell_the_format(self):
        path = self.workdir.path / "flags.txt"
        path.write_text(path.read_text().partition("\n")[2])
        self._assert_refused("holds a run of format 1", _Settings())

    @parameterized.parameters("students", "detector")
    def test_exports_of_a_run_that_lost_all_else_are_not_trained_over(self, name):
        (self.workdir.path / name).mkdir()
        message = f"holds {name}/ of a run whose result.json and checkpoints are gone: restore"
        self._assert_refused(message, _Settings())
        self._save()
        self.workdir.check(_Settings())

    def test_a_log_without_its_checkpoints_is_not_begun_anew(self):
        self.workdir.write_log([{"epoch": 1}])
        # As a kill before the first checkpoint leaves it.
        self.workdir.check(_Settings())
        self.workdir.write_log([{"epoch": 1}, {"epoch": 2}])
        self._assert_refused("has logged 2 epochs of a run whose checkpoints are gone", _Settings())
        (self.workdir.path / "log.jsonl").write_bytes(b'{"epoch": 1}\n{"epoch": \xff}\n')
        self._assert_refused("has logged 2 epochs .*: restore checkpoints/ from a", _Settings())
        self.workdir.write_result({"identity": _identity().facts})
        self.workdir.check(_Settings())

    def test_a_link_for_checkpoints_that_leads_nowhere_is_told(self):
        elsewhere = self.workdir.path / "disk"
        for name in ("checkpoints", "students", "tensorboard"):
            link = self.workdir.path / name
            link.symlink_to(elsewhere)
            message = (
                f"expected {name} to be .* got a link to {elsewhere}, which is not there: mount"
            )
            for lose in (lambda: None, (self.workdir.path / "flags.txt").unlink):
                lose()
                self._assert_refused(message, _Settings())
            link.unlink()
            self.workdir.record(_Settings())
        (self.workdir.path / "checkpoints").symlink_to(elsewhere)
        elsewhere.mkdir()
        self.workdir.check(_Settings())

    def test_a_flagfile_that_was_edited_does_not_make_it_another_run(self):
        self._save()
        self.workdir.record(_Settings(seed=1))
        self._assert_refused(r"--seed=0 \(now 1\)")
        self.workdir.check(_Settings())

    def test_a_result_tells_too_and_of_another_run_it_is_not_taken(self):
        self.workdir.write_result({"identity": _identity().facts})
        (self.workdir.path / "flags.txt").unlink()
        self._assert_refused(r"--seed=0 \(now 1\)")
        self.workdir.check(_Settings())

    @parameterized.parameters("checkpoints", "log.jsonl", "students", "detector", "tensorboard")
    def test_a_folder_whose_run_cannot_be_told_is_refused(self, name):
        (self.workdir.path / "flags.txt").unlink()
        (self.workdir.path / "notes.txt").touch()
        self.workdir.check(_Settings())
        (self.workdir.path / name).touch()
        self._assert_refused(
            f"holds {name} of an unknown run: its flags.txt is missing", _Settings()
        )

    @parameterized.parameters("comparison.json", "cohort", "alone")
    def test_the_folder_of_a_comparison_is_no_run(self, name):
        (self.workdir.path / "flags.txt").unlink()
        (self.workdir.path / name).touch()
        self._assert_refused("holds the runs of a comparison: pass --compare to", _Settings())

    def test_with_all_checkpoints_damaged_nothing_begins_anew(self):
        (self._save() / manifests.NAME).write_text("{}")
        with self.assertRaisesRegex(DamageError, "no checkpoint in .* can be used"):
            self.workdir.check(_Settings())

    def test_a_complete_run_does_without_its_checkpoints_whole_or_damaged(self):
        (self._save() / manifests.NAME).write_text("{}")
        self.workdir.write_result({"identity": _identity().facts})
        self.workdir.check(_Settings())
        self._assert_refused(r"--seed=0 \(now 1\)")
        result = self.workdir.result
        ownership.check_same_data({self.workdir.path: result})
        self.assertEqual(self.workdir.complete_result, result)
        # Images that were moved are compared by a session, which would go on from them.
        with self.assertRaisesRegex(
            DamageError, "is complete, and .*: move checkpoints/ away, and"
        ):
            self.workdir.begun()

    def test_the_newest_whole_checkpoint_tells(self):
        self._save(1)
        (self._save(2, _identity(_Settings(seed=1))) / manifests.NAME).write_text("{}")
        self.workdir.check(_Settings())

    def test_other_data_is_refused_and_named(self):
        self.assertEqual(self.workdir.check_data(_identity()), "")
        self._save()
        self.assertEqual(self.workdir.check_data(_identity()), "")
        fewer = {**_DATA, "train": {"images": 2, "labels": "b" * 64}}
        with self.assertRaisesRegex(
            ValueError,
            f"^the data is not what the run in {self.workdir.path} was begun with: "
            "train has 2 images; the run had 4; restore the images, or pass another --workdir$",
        ):
            self.workdir.check_data(_identity(data=fewer))
        renamed = {**_DATA, "classes": ["ape", "cat"]}
        with self.assertRaisesRegex(ValueError, "classes 'bee' are gone; classes 'cat' are new"):
            self.workdir.check_data(_identity(data=renamed))

    def test_data_may_move_and_a_set_of_another_kind_is_another(self):
        self._save()
        self.assertFalse(self.workdir.check(_Settings()))
        self.assertTrue(self.workdir.check(_Settings(dataset="folder:/new")))
        for other in ("tfrecord:/old", "cifar100"):
            self._assert_refused(
                rf"--dataset=folder:/old \(now {other}\)", _Settings(dataset=other)
            )

    def test_other_versions_are_told_and_it_goes_on(self):
        self._save()
        told = self.workdir.check_data(_identity(versions={"keras": "3.2"}))
        self.assertEqual(told, "keras 3.1 (now 3.2)")

    def test_a_complete_run_without_its_export_is_not_complete(self):
        result = {
            "identity": _identity().facts,
            "exports": ["students/a"],
            "exported_epoch": 3,
        }
        self.workdir.write_result(result)
        folder = self.workdir.path / "students" / "a"
        for epoch in ({}, {"epoch": 3}):
            self._export(folder, **epoch)
            self.assertEqual(self.workdir.complete_result, result)
        for spoil in (
            lambda: shutil.rmtree(folder),
            lambda: (folder / "saved_model.pb").unlink(),
            lambda: (folder / "saved_model.pb").write_bytes(b"other"),
            lambda: (folder / "student.json").write_text("{}"),
            lambda: (folder / "student.json").write_text("[" * 100_000),
            lambda: self._export(folder, student="b"),
            lambda: self._export(folder, identity=_identity(_Settings(seed=1)).facts),
            lambda: self._export(folder, identity=_identity(data={"classes": ["cow"]}).facts),
            lambda: self._export(folder, epoch=2),
        ):
            self._export(folder)
            spoil()
            with self.assertRaisesRegex(
                DamageError, "students/a of a complete run is missing, dam"
            ):
                self.workdir.complete_result
        self._save()
        self.assertIsNone(self.workdir.complete_result)

    def _export(self, folder, **facts):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "saved_model.pb").write_bytes(b"model")
        sums = identity.checksums(folder, "student.json")
        card = {"student": "a", "identity": _identity().facts, "checksums": sums, **facts}
        (folder / "student.json").write_text(json.dumps(identity.sealed(card)))

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
            {"settings": {"backbone": text}, "data": {**_DATA, **each}} for each in (before, now)
        )
        with self.assertRaisesRegex(ValueError, f"was begun with: backbone {told}"):
            ownership._compare_data(self.workdir.path, before, now)
        self.assertStartsWith(ownership.other_run(before, now), "backbone is ")

    def test_a_run_of_before_the_digest_of_its_backbone_goes_on(self):
        before = {"settings": {"backbone": "runs/r/students/a"}, "data": _DATA}
        now = {**before, "data": {**_DATA, "backbone": "a" * 64, "backbone_card": "b" * 64}}
        self.assertEqual(ownership.other_run(before, now), "")
        teacher = {"settings": {"teacher": "a.keras"}, "data": {**_DATA, "teacher": "a" * 64}}
        self.assertEqual(ownership.other_run({**teacher, "data": _DATA}, teacher), "")

    def test_files_of_two_runs_are_refused(self):
        self._save(1)
        self._save(2, _identity(_Settings(seed=1)))
        for settings in (_Settings(), _Settings(seed=1)):
            self._assert_refused("was made with other flags: --seed", settings)
        with self.assertRaisesRegex(ValueError, "holds files of two runs, which differ in --seed"):
            ownership.check_one_run(self.workdir.path, None)
        shutil.rmtree(manifests.folder_of(self.workdir.path / "checkpoints", 2))
        ownership.check_one_run(self.workdir.path, None)
        other = {"identity": _identity(data={"classes": ["cat"]}).facts}
        with self.assertRaisesRegex(ValueError, "differ in classes 'cat' are gone; classes 'ape'"):
            ownership.check_one_run(self.workdir.path, other)

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

    def test_a_result_without_identity_is_not_taken_beside_files_that_have_one(self):
        (self.workdir.path / "result.json").write_text('{"accuracy": 0.99}')
        with self.assertRaisesRegex(
            DamageError, "result.json has no identity, and is not this run's"
        ):
            self.workdir.check(_Settings())
        (self.workdir.path / "flags.txt").unlink()
        with self.assertRaisesRegex(ValueError, "holds a run of format 1; expected format"):
            self.workdir.check(_Settings())

    def test_a_damaged_result_is_told_with_the_way_out(self):
        self.workdir.write_result({"identity": _identity().facts, "accuracy": 0.5})
        path = self.workdir.path / "result.json"
        whole = path.read_text()
        for text in (whole.replace("0.5", "0.6"), whole[:-9], "[]", '{"identity": {}}'):
            path.write_text(text)
            told = rf"^{path} is damaged \(.*\), and there is no checkpoint .*: restore it from"
            with self.assertRaisesRegex(DamageError, told):
                self.workdir.check(_Settings())
            folder = self._save()
            with self.assertRaisesRegex(DamageError, f"^{path} is damaged .*: delete the file"):
                self.workdir.check(_Settings())
            shutil.rmtree(folder)

    def _complete(self, name, **data):
        """`{folder: result}` of a complete run."""
        run = Workdir(self.workdir.path / name)
        run.write_result({"identity": _identity(data={**_DATA, **data}).facts})
        return {run.path: read_result(run.path)}

    def test_what_one_run_lacks_is_compared_between_the_others(self):
        runs = self._complete("alone") | self._complete("x", teacher="a" * 64)
        runs |= self._complete("y") | {self.workdir.path / "none": None}
        ownership.check_same_data(runs)
        with self.assertRaisesRegex(
            ownership.OtherDataError, "z was trained on other data than .*x: teacher differ"
        ):
            ownership.check_same_data(runs | self._complete("z", teacher="b" * 64))

    def test_folders_of_others_beside_a_run_are_passed_over(self):
        runs = self.workdir.path / "runs"
        for name in ("moved", "other"):
            Workdir(runs / name).record(_Settings())
        (runs / "other" / "flags.txt").unlink()
        (runs / "other" / "flags.txt").mkdir()
        now = _Settings(dataset="folder:/new")
        self.assertEqual(ownership.moved_runs(runs, now), [runs / "moved"])

    def test_parts_of_the_data_alone_are_compared(self):
        other = self._complete("b", train={"images": 4, "labels": "b" * 64})
        runs = self._complete("a") | other
        ownership.check_same_data(runs, ("classes", "test"))
        with self.assertRaisesRegex(ownership.OtherDataError, "train labels differ"):
            ownership.check_same_data(runs)

    def test_results_of_before_stay_readable(self):
        path = self.workdir.path / "result.json"
        path.write_text('{"accuracy": 0.5, "format": 2}')
        self.assertEqual(self.workdir.result["accuracy"], 0.5)
        self.assertFalse(identity.is_sealed(self.workdir.result))


if __name__ == "__main__":
    absltest.main()
