"""Tests of kdcl_tf.training.workdir."""

import dataclasses
import errno
import json
import os
import pathlib
import shutil
import subprocess
import sys
from unittest import mock

from absl.testing import absltest, parameterized

from kdcl_tf import files
from kdcl_tf.files import identity, run_flags
from kdcl_tf.files.identity import FORMAT, DamageError
from kdcl_tf.training.run_files import missing_exports
from kdcl_tf.training.settings import TrainingSettings
from kdcl_tf.training.workdir import Workdir, WorkdirLost, check_apart
from tests.training.ownership.folders import FolderTestCase, Settings, identity_of
from tests.training.written_checkpoint import write_checkpoint


@dataclasses.dataclass(frozen=True)
class _Settings(TrainingSettings):
    seed: int = 0
    tags: tuple = ()
    storage: str = ""
    strategy: str = "one"


@dataclasses.dataclass(frozen=True)
class _OtherSettings(TrainingSettings):
    backbone: str = "resnet18"
    detector: str = "mask"
    images: int = 1
    flip: bool = True
    masks: bool = True
    tags: tuple = ()


class WorkdirTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.workdir = Workdir(self.folder / "runs" / "first")

    def _names(self):
        return sorted(path.name for path in self.workdir.path.iterdir())

    def test_it_is_made_with_its_parents_and_nothing_in_it(self):
        self.assertTrue(self.workdir.path.is_dir())
        self.assertEmpty(self._names())

    def test_a_run_that_begins_has_no_checkpoint(self):
        self.assertIsNone(self.workdir.begun())

    def test_below_a_file_it_is_refused_in_one_line(self):
        (self.folder / "file").write_text("")
        for path in (self.folder / "file", self.folder / "file" / "below"):
            with self.assertRaisesRegex(
                OSError, f"^--workdir={path} cannot be written to .*: pass a folder that can$"
            ):
                Workdir(path)

    def test_a_second_process_is_kept_out_until_the_first_ends(self):
        program = (
            "import sys, time\n"
            "from kdcl_tf.training.workdir import Workdir\n"
            "workdir = Workdir(sys.argv[1])\n"
            "workdir.claim()\n"
            "print('claimed', flush=True)\n"
            "time.sleep(60)\n"
        )
        other = subprocess.Popen(
            [sys.executable, "-c", program, str(self.workdir.path)], stdout=subprocess.PIPE
        )
        other.stdout.readline()
        with self.assertRaisesRegex(
            ValueError, f"another process trains in workdir {self.workdir.path}: "
        ):
            self.workdir.claim(patience=0.1)
        other.kill()
        other.wait()
        other.stdout.close()
        self.workdir.claim(patience=5.0)
        self.assertEmpty(self._names())

    def test_it_is_let_go_of_with_the_object(self):
        first, second = (Workdir(self.workdir.path) for _ in range(2))
        first.claim()
        with self.assertRaisesRegex(ValueError, "another process trains in"):
            second.claim(patience=0.0)
        del first
        second.claim(patience=0.0)

    def test_flags_are_a_flagfile_and_the_same_ones_pass(self):
        self.workdir.check(_Settings())
        self.workdir.record(_Settings(tags=("a=b", "c")))
        text = (self.workdir.path / "flags.txt").read_text()
        self.assertEqual(
            text,
            f"# format {FORMAT}\n--seed=0\n--tags=a=b,c\n--storage=\n--strategy=one\n",
        )
        self.workdir.check(_Settings(tags=("a=b", "c")))

    def test_each_flag_that_differs_is_named_with_both_values(self):
        self.workdir.record(_Settings(tags=("x",)))
        self._edit("--storage=", "--gone=x\n--storage=")
        with self.assertRaises(ValueError) as caught:
            self.workdir.check(_Settings(seed=1, tags=("x",)))
        message = str(caught.exception)
        for part in ("--gone=x (now (absent))", "--seed=0 (now 1)", "or another --workdir"):
            self.assertIn(part, message)
        self.assertNotIn("--tags", message)

    def test_what_the_machine_decides_may_differ_and_new_flags_had_their_defaults(self):
        self.workdir.record(_Settings())
        self._edit("--seed=0\n", "")
        self.workdir.check(_Settings(strategy="mirrored"))
        with self.assertRaisesRegex(ValueError, r"--seed=0 \(now 1\); pass"):
            self.workdir.check(_Settings(strategy="mirrored", seed=1))

    def test_a_run_of_another_program_is_called_that(self):
        self.workdir.record(_OtherSettings())
        with self.assertRaisesRegex(ValueError, "is a run of another program, which has --backbo"):
            self.workdir.check(_Settings())

    @parameterized.parameters("", "# format 1\n", f"# format {FORMAT + 1}\n", "# format x\n")
    def test_a_run_of_another_format_is_refused_and_stays_readable(self, line):
        self.workdir.record(_Settings())
        self.workdir.log_epoch({"epoch": 1})
        self._edit(f"# format {FORMAT}\n", line)
        with self.assertRaisesRegex(
            ValueError, rf"holds a run of format \d+; expected format {FORMAT}, .*: pass another"
        ):
            self.workdir.check(_Settings())
        self.assertEqual(self.workdir.log, [{"epoch": 1}])
        self.assertEqual(run_flags.read(self.workdir.path / "flags.txt")["strategy"], "one")

    def _edit(self, old, new):
        path = self.workdir.path / "flags.txt"
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new))

    def test_a_new_folder_without_anything_in_it_is_discarded(self):
        kept = Workdir(self.create_tempdir().full_path)
        empty, used = (Workdir(kept.path / name) for name in ("empty", "used"))
        used.record(_Settings())
        for each in (empty, used, Workdir(used.path)):
            each.discard_if_empty()
        self.assertEqual([path.name for path in kept.path.iterdir()], ["used"])
        used.path.joinpath("flags.txt").unlink()
        Workdir(used.path).discard_if_empty()
        self.assertTrue(used.path.exists())

    def test_folders_that_were_made_around_it_are_discarded_with_it(self):
        kept = Workdir(self.create_tempdir().full_path)
        Workdir(kept.path / "runs" / "a" / "b").discard_if_empty()
        self.assertEmpty(list(kept.path.iterdir()))
        (kept.path / "runs").mkdir()
        Workdir(kept.path / "runs" / "a").discard_if_empty()
        self.assertEqual([path.name for path in kept.path.iterdir()], ["runs"])

    def test_the_log_drops_epochs_that_are_run_again(self):
        for epoch in (1, 2, 3):
            self.workdir.log_epoch({"epoch": epoch, "try": 1})
        self.workdir.log_epoch({"epoch": 2, "try": 2})
        wanted = [{"epoch": 1, "try": 1}, {"epoch": 2, "try": 2}]
        self.assertEqual(self.workdir.log, wanted)
        lines = (self.workdir.path / "log.jsonl").read_text().splitlines()
        self.assertEqual([json.loads(line) for line in lines], wanted)

    def test_a_line_that_was_cut_short_does_not_count(self):
        self.workdir.log_epoch({"epoch": 1})
        with open(self.workdir.path / "log.jsonl", "a") as log:
            log.write('{"epoch": 2, "lo')
        self.assertEqual(self.workdir.log, [{"epoch": 1}])

    @parameterized.parameters(
        (b'{"epoch": 1}\n{"epo\n{"epoch": 3}\n', 2),
        (b'{"epoch": 1}\n{"epoch": 2}\n\xff{"epoch": 3}\n', 3),
        (b'7\n{"epoch": 2}\n', 1),
    )
    def test_a_damaged_line_is_named(self, content, line):
        path = self.workdir.path / "log.jsonl"
        path.write_bytes(content)
        with self.assertRaisesRegex(
            DamageError, rf"^line {line} of {path} is damaged \(.*\), and there is no checkpoint"
        ):
            self.workdir.log
        write_checkpoint(self.workdir.path, [])
        with self.assertRaisesRegex(
            DamageError, f"^line {line} of {path} is damaged .*: delete the"
        ):
            self.workdir.log

    @parameterized.parameters("lost", "damaged", "short", "another run's")
    def test_a_complete_run_gets_its_flags_and_log_back_from_its_checkpoint(self, how):
        log, path = [{"epoch": 1}, {"epoch": 2}], self.workdir.path / "log.jsonl"
        self.workdir.write_result({"epochs": 2})
        self.workdir.write_log([{"epoch": 1, "own": 1}, {"epoch": 2}])
        if how == "short":
            path.write_bytes(path.read_bytes()[:-1])
        if how == "lost":
            path.unlink()
        elif how == "damaged":
            path.write_text("{\n")
        self.workdir.restore_records(_Settings())
        self.assertEqual(run_flags.read(self.workdir.path / "flags.txt")["seed"], "0")
        self.assertEqual(path.exists(), how != "lost")
        write_checkpoint(self.workdir.path, log)
        self.workdir.restore_records(_Settings(seed=1))
        self.assertEqual(run_flags.read(self.workdir.path / "flags.txt")["seed"], "0")
        self.assertEqual(self.workdir.log, log)

    def _facts(self, **settings):
        return {"settings": settings, "data": {"classes": ["x"]}, "format": FORMAT}

    def test_a_readme_that_its_user_has_changed_leaves_a_run_complete(self):
        folder = self.workdir.path / "students" / "a"
        folder.mkdir(parents=True)
        for name in ("README.md", "saved_model.pb"):
            (folder / name).write_text("written")
        ran = self._facts()
        facts = {"student": "a", "identity": ran, "checksums": identity.checksums(folder)}
        (folder / "student.json").write_text(json.dumps(identity.sealed(facts)))
        result = {"identity": ran, "exports": ["students/a"]}
        self.workdir.write_result(result)
        (folder / "README.md").write_text("written, and added to")
        self.assertEqual(self.workdir.complete_result, result)
        (folder / "README.md").unlink()
        self.assertEqual(self.workdir.complete_result, result)
        (folder / "saved_model.pb").write_text("damaged")
        self.assertEqual(missing_exports(self.workdir.path, result), ["students/a"])
        # A copy that its owner has named is no checkpoint to export from.
        (self.workdir.path / "checkpoints" / "step-000000001.bak").mkdir(parents=True)
        with self.assertRaisesRegex(DamageError, "there is no checkpoint to export it from"):
            _ = self.workdir.complete_result

    def test_a_log_that_stops_before_the_end_is_not_given_back(self):
        self.workdir.write_result({"epochs": 2})
        write_checkpoint(self.workdir.path, [{"epoch": 1}])
        self.workdir.restore_records(_Settings())
        self.assertEqual(self.workdir.log, [])

    @parameterized.parameters(False, True)
    def test_a_folder_that_was_removed_gets_nothing_more(self, is_replaced):
        self.workdir.claim()
        self.workdir.check_present()
        shutil.rmtree(self.workdir.path)
        if is_replaced:
            Workdir(self.workdir.path).claim()
        for write in (
            lambda: self.workdir.log_epoch({"epoch": 1}),
            lambda: self.workdir.write_result({}),
            self.workdir.check_present,
        ):
            with self.assertRaisesRegex(
                WorkdirLost, f"^workdir {self.workdir.path} was removed or replaced while the run"
            ):
                write()
        found = list(self.workdir.path.iterdir()) if is_replaced else []
        self.assertEqual((self.workdir.path.exists(), found), (is_replaced, []))

    @parameterized.parameters(errno.ENOTCONN, errno.EIO, errno.EACCES)
    def test_a_disk_that_fails_for_a_moment_has_not_lost_it(self, number):
        self.workdir.claim()
        with mock.patch.object(os, "stat", side_effect=OSError(number, "told")):
            with self.assertRaisesRegex(OSError, "told"):
                self.workdir.check_present()
        self.workdir.check_present()

    def test_a_complete_run_that_cannot_be_written_to_is_read(self):
        path = self.workdir.path
        full = mock.patch.object(
            files, "check_writable", side_effect=OSError(errno.EROFS, "Read-only file system")
        )
        with full, self.assertRaisesRegex(OSError, "cannot be written to .Read-only file system"):
            Workdir(path)
        self.workdir.write_result({"epochs": 2})
        with full:
            self.assertEqual(Workdir(path).complete_result["epochs"], 2)

    def test_the_result_is_there_when_it_is_written(self):
        self.assertIsNone(self.workdir.result)
        self.workdir.write_result({"epochs": 3})
        self.assertEqual(self.workdir.result, {"epochs": 3})
        self.assertEqual(self._names(), ["result.json"])

    def test_what_a_killed_process_left_is_gone_when_the_folder_is_claimed(self):
        (self.workdir.path / ".partial-0123abcd-result.json").mkdir()
        self.workdir.claim()
        self.assertEmpty(self._names())


@dataclasses.dataclass(frozen=True)
class _OfFolder(TrainingSettings):
    dataset: str = "digits"
    test_share: float = 0.0


class CheckApartTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_a_workdir_among_the_images_is_refused(self):
        images = self.folder / "images"
        (images / "train" / "ape").mkdir(parents=True)
        settings = _OfFolder(dataset=f"folder:{images}")
        with self.assertRaisesRegex(ValueError, "outside the data set's train/; got"):
            check_apart(images / "train" / "ape", settings)
        with self.assertRaisesRegex(ValueError, "outside the data set's Train/; got"):
            check_apart(images / "Train" / "ape", settings)
        check_apart(images / "runs" / "a", settings)
        check_apart(self.folder, settings)

    def test_a_workdir_among_images_to_which_links_lead_is_refused(self):
        folder = self.folder.resolve()
        data, big = folder / "data", folder / "big"
        for name in ("train/ape", "elsewhere/bee"):
            (big / name).mkdir(parents=True)
        (data / "test").mkdir(parents=True)
        (data / "train").symlink_to(big / "train")
        (data / "test" / "bee").symlink_to(big / "elsewhere" / "bee")
        settings = _OfFolder(dataset=f"folder:{data}")
        for path in ("data/train/run", "big/train", "big/train/ape/run"):
            with self.assertRaisesRegex(ValueError, "train, which is the data set's train/; got"):
                check_apart(folder / path, settings)
        for path in ("data/test/bee/run", "big/elsewhere/bee"):
            with self.assertRaisesRegex(ValueError, "the data set's test(/bee)?/; got"):
                check_apart(folder / path, settings)
        for path in ("big", "big/elsewhere", "big/training", "data/runs"):
            check_apart(folder / path, settings)
        (data / "train").unlink()
        (data / "cat").symlink_to(big / "train")
        check_apart(folder / "big/train", settings)
        settings = _OfFolder(dataset=f"folder:{data}", test_share=0.2)
        with self.assertRaisesRegex(ValueError, "train, which is the data set's cat/; got"):
            check_apart(folder / "big/train/run", settings)

    def test_a_folder_of_classes_has_no_run_in_it(self):
        images = self.folder / "images"
        (images / "cat").mkdir(parents=True)
        settings = _OfFolder(dataset=f"folder:{images}", test_share=0.2)
        for path in (images, images / "runs", images / "cat" / "run"):
            with self.assertRaisesRegex(
                ValueError, "outside the data set's folder .* would be a class"
            ):
                check_apart(path, settings)
        check_apart(self.folder, settings)
        (images / "train").mkdir()
        check_apart(images / "runs", settings)


class CompleteResultTest(FolderTestCase):
    def test_a_complete_run_without_its_export_is_not_complete(self):
        result = {
            "identity": identity_of().facts,
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
            lambda: self._export(folder, identity=identity_of(Settings(seed=1)).facts),
            lambda: self._export(folder, identity=identity_of(data={"classes": ["cow"]}).facts),
            lambda: self._export(folder, epoch=2),
        ):
            self._export(folder)
            spoil()
            with self.assertRaisesRegex(
                DamageError, "students/a of a complete run is missing, dam"
            ):
                self.workdir.complete_result
        self.save()
        self.assertIsNone(self.workdir.complete_result)

    def _export(self, folder, **facts):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "saved_model.pb").write_bytes(b"model")
        sums = identity.checksums(folder, "student.json")
        card = {"student": "a", "identity": identity_of().facts, "checksums": sums, **facts}
        (folder / "student.json").write_text(json.dumps(identity.sealed(card)))

    def test_results_of_before_stay_readable(self):
        path = self.workdir.path / "result.json"
        path.write_text('{"accuracy": 0.5, "format": 2}')
        self.assertEqual(self.workdir.result["accuracy"], 0.5)
        self.assertFalse(identity.is_sealed(self.workdir.result))


if __name__ == "__main__":
    absltest.main()
