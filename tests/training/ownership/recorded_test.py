"""Tests of kdcl_tf.training.ownership.recorded, through the `Workdir` that asks it."""

import shutil
from unittest import mock

from absl.testing import absltest, parameterized

from kdcl_tf.files.identity import DamageError
from kdcl_tf.training import manifests, ownership
from tests.training.ownership.folders import FolderTestCase, Settings, identity_of


class RecordedTest(FolderTestCase):
    @parameterized.parameters(
        lambda path: path.unlink(),
        lambda path: path.write_text(""),
        lambda path: path.write_text(path.read_text().partition("--seed")[0]),
        lambda path: path.write_bytes(b"\xff\x00--see"),
        lambda path: path.write_text(path.read_text().partition("\n")[2]),
        lambda path: path.write_text("# format 1\n" + path.read_text()),
    )
    def test_without_its_flags_a_checkpoint_tells_whose_run_it_is(self, damage):
        self.save()
        damage(self.workdir.path / "flags.txt")
        self.assert_refused(r"--seed=0 \(now 1\); pass those")
        self.workdir.check(Settings(storage="disk"))

    @parameterized.parameters(
        lambda text: f"# my best run\n\n{text}".encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.encode("utf-8-sig"),
    )
    def test_a_note_and_what_editors_do_to_its_flags_leave_it_this_run(self, edit):
        path = self.workdir.path / "flags.txt"
        path.write_bytes(edit(path.read_text()))
        for save in (lambda: None, self.save):
            save()
            self.assert_refused(r"--seed=0 \(now 1\); pass those")
            self.workdir.check(Settings())

    def test_flags_alone_tell_the_format(self):
        path = self.workdir.path / "flags.txt"
        path.write_text(path.read_text().partition("\n")[2])
        (self.workdir.path / "log.jsonl").touch()
        self.assert_refused("holds a run of format 1", Settings())

    def test_a_flagfile_of_another_hand_is_not_written_over(self):
        path = self.workdir.path / "flags.txt"
        for text in ("--seed=0\n", "what I still want to try\n"):
            path.write_text(text)
            self.assert_refused("holds a flags.txt that no run wrote, .*: rename", Settings())
            self.assertEqual(path.read_text(), text)
        # As an editor, or a full disk, may leave it.
        path.write_text("\n")
        self.workdir.check(Settings())

    @parameterized.parameters("students", "detector")
    def test_exports_of_a_run_that_lost_all_else_are_not_trained_over(self, name):
        (self.workdir.path / name).mkdir()
        message = f"holds {name}/ of a run whose result.json and checkpoints are gone: restore"
        self.assert_refused(message, Settings())
        self.save()
        self.workdir.check(Settings())

    def test_a_log_without_its_checkpoints_is_not_begun_anew(self):
        self.workdir.write_log([{"epoch": 1}])
        # As a kill before the first checkpoint leaves it.
        self.workdir.check(Settings())
        self.workdir.write_log([{"epoch": 1}, {"epoch": 2}])
        self.assert_refused("has logged 2 epochs of a run whose checkpoints are gone", Settings())
        (self.workdir.path / "log.jsonl").write_bytes(b'{"epoch": 1}\n{"epoch": \xff}\n')
        self.assert_refused("has logged 2 epochs .*: restore checkpoints/ from a", Settings())
        self.workdir.write_result({"identity": identity_of().facts})
        self.workdir.check(Settings())

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
                self.assert_refused(message, Settings())
            link.unlink()
            self.workdir.record(Settings())
        (self.workdir.path / "checkpoints").symlink_to(elsewhere)
        elsewhere.mkdir()
        self.workdir.check(Settings())

    def test_a_flagfile_that_was_edited_does_not_make_it_another_run(self):
        self.save()
        self.workdir.record(Settings(seed=1))
        self.assert_refused(r"--seed=0 \(now 1\)")
        self.workdir.check(Settings())

    def test_a_result_tells_too_and_of_another_run_it_is_not_taken(self):
        self.workdir.write_result({"identity": identity_of().facts})
        (self.workdir.path / "flags.txt").unlink()
        self.assert_refused(r"--seed=0 \(now 1\)")
        self.workdir.check(Settings())

    @parameterized.parameters("checkpoints", "log.jsonl", "students", "detector", "tensorboard")
    def test_a_folder_whose_run_cannot_be_told_is_refused(self, name):
        (self.workdir.path / "flags.txt").unlink()
        (self.workdir.path / "notes.txt").touch()
        self.workdir.check(Settings())
        (self.workdir.path / name).touch()
        self.assert_refused(f"holds {name} of an unknown run: its flags.txt is missing", Settings())

    @parameterized.parameters("comparison.json", "cohort", "alone")
    def test_the_folder_of_a_comparison_is_no_run(self, name):
        (self.workdir.path / "flags.txt").unlink()
        (self.workdir.path / name).touch()
        self.assert_refused("holds the runs of a comparison: pass --compare to", Settings())

    def test_with_all_checkpoints_damaged_nothing_begins_anew(self):
        (self.save() / manifests.NAME).write_text("{}")
        with self.assertRaisesRegex(DamageError, "no checkpoint in .* can be used"):
            self.workdir.check(Settings())

    def test_a_checkpoint_that_is_replaced_while_it_is_read_tells(self):
        first = self.save(1)
        for epoch in (1, 2):
            self.workdir.write_log([{"epoch": each} for each in range(1, epoch + 1)])
        saved = manifests.saved

        def listed(checkpoints):
            # The run that goes on has replaced what was listed.
            found = saved(checkpoints)
            if first.exists():
                self.save(2)
                shutil.rmtree(first)
            return found

        with mock.patch.object(manifests, "saved", listed):
            self.assertLen(ownership.identities(self.workdir.path, None), 1)
        self.workdir.check(Settings())

    def test_the_newest_whole_checkpoint_tells(self):
        self.save(1)
        (self.save(2, identity_of(Settings(seed=1))) / manifests.NAME).write_text("{}")
        self.workdir.check(Settings())

    def test_a_result_without_identity_is_not_taken_beside_files_that_have_one(self):
        (self.workdir.path / "result.json").write_text('{"accuracy": 0.99}')
        with self.assertRaisesRegex(
            DamageError, "result.json has no identity, and is not this run's"
        ):
            self.workdir.check(Settings())
        (self.workdir.path / "flags.txt").unlink()
        with self.assertRaisesRegex(ValueError, "holds a run of format 1; expected format"):
            self.workdir.check(Settings())

    def test_a_damaged_result_is_told_with_the_way_out(self):
        self.workdir.write_result({"identity": identity_of().facts, "accuracy": 0.5})
        path = self.workdir.path / "result.json"
        whole = path.read_text()
        for text in (whole.replace("0.5", "0.6"), whole[:-9], "[]", '{"identity": {}}'):
            path.write_text(text)
            told = rf"^{path} is damaged \(.*\), and there is no checkpoint .*: restore it from"
            with self.assertRaisesRegex(DamageError, told):
                self.workdir.check(Settings())
            folder = self.save()
            with self.assertRaisesRegex(DamageError, f"^{path} is damaged .*: delete the file"):
                self.workdir.check(Settings())
            shutil.rmtree(folder)


if __name__ == "__main__":
    absltest.main()
