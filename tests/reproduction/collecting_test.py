"""Tests of kdcl_tf.reproduction.collecting, of a real run."""

import copy
import dataclasses
import json
import pathlib
import shutil
import tempfile

from absl.testing import absltest, parameterized

from kdcl_tf.files import identity
from kdcl_tf.reproduction import analyses, collecting, proof
from kdcl_tf.reproduction.plan import Run
from kdcl_tf.serving import exported
from kdcl_tf.training.run_files import read_log, read_result
from tests import in_process

_FLAGS = (
    "--students=resnet8,resnet8",
    "--ensemble=min_logit",
    "--train_per_class=4",
    "--holdout_per_class=1",
    "--epochs=3",
    "--milestones=2",
    "--batch_size=16",
)


class CollectTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(tempfile.mkdtemp()) / "table"
        cls.addClassCleanup(shutil.rmtree, cls.folder.parent)
        cls.run_ = Run("a_row", 0, cls.folder / "a_row" / "seed0", _FLAGS)
        done = in_process.run("train", *_FLAGS, f"--workdir={cls.run_.workdir}")
        assert done.returncode == 0, done.stderr
        cls.result, cls.log = read_result(cls.run_.workdir), read_log(cls.run_.workdir)

    def setUp(self):
        super().setUp()
        self.out = pathlib.Path(self.create_tempdir().full_path) / "out"

    def test_a_sound_run_is_copied_as_json_alone(self):
        collecting.collect(self.run_, self.out)
        self.assertEqual({path.name for path in self.out.iterdir()}, {"log.jsonl", "result.json"})
        self.assertEqual(read_log(self.out), self.log)
        found = read_result(self.out)
        self.assertEqual(found, {name: self.result[name] for name in found})
        self.assertEqual(self.result.keys() - found.keys(), {"places"})
        text = (self.out / "result.json").read_text()
        self.assertNotIn(str(self.folder), text)
        self.assertTrue(identity.is_sealed(json.loads(text)))

    def test_a_run_that_goes_on_is_not_complete(self):
        workdir = self.folder / "unfinished" / "seed0"
        workdir.mkdir(parents=True)
        (workdir / "log.jsonl").write_text(json.dumps(self.log[0]) + "\n")
        run = dataclasses.replace(self.run_, row="unfinished", workdir=workdir)
        with self.assertRaisesRegex(
            collecting.NotComplete, "^table, unfinished, seed 0: 1 of 3 ep"
        ):
            collecting.collect(run, self.out)
        self.assertFalse(self.out.exists())

    def test_a_run_of_other_flags_is_refused(self):
        run = dataclasses.replace(self.run_, arguments=(*_FLAGS, "--epochs=4"))
        with self.assertRaisesRegex(ValueError, r"--epochs=3 \(now 4\)"):
            collecting.collect(run, self.out)

    def test_a_damaged_result_is_refused(self):
        workdir = self.folder / "damaged" / "seed0"
        workdir.mkdir(parents=True)
        for name in ("log.jsonl", "result.json", "flags.txt"):
            (workdir / name).write_bytes((self.run_.workdir / name).read_bytes())
        path = workdir / "result.json"
        better = path.read_text().replace('"accuracy": 0.', '"accuracy": 0.9')
        path.write_text(better)
        with self.assertRaisesRegex(ValueError, "result.json is damaged"):
            collecting.collect(dataclasses.replace(self.run_, workdir=workdir), self.out)

    def _doctored(self, change, arguments=_FLAGS, teacher=None):
        """The run after a change of its result, which is sealed again."""
        workdir = self.out / "table" / "a_row" / "seed0"
        workdir.mkdir(parents=True)
        result, log = copy.deepcopy(self.result), copy.deepcopy(self.log)
        change(result, log)
        (workdir / "result.json").write_text(json.dumps(identity.sealed(result)))
        (workdir / "log.jsonl").write_text("".join(json.dumps(each) + "\n" for each in log))
        return Run("a_row", 0, workdir, arguments, teacher)

    @parameterized.named_parameters(
        (
            "a log without steps",
            lambda result, log: log[1].pop("step"),
            "a_row, seed 0: expected a log and a result of kdcl-train; .*KeyError: 'step'",
        ),
        ("an empty line", lambda result, log: log[1].clear(), "KeyError: 'epoch'"),
        ("no data", lambda result, log: result.pop("data"), "KeyError: 'data'"),
        ("no log", lambda result, log: log.clear(), r"the log has \[\]"),
        (
            "settings that its identity does not have",
            lambda result, log: result["settings"].update(seed=3, students=["resnet8"]),
            "expected --students=resnet8,resnet8; the result has resnet8; expected --seed=0; the "
            "result has 3",
        ),
    )
    def test_a_run_that_is_not_what_it_claims_is_refused(self, change, message):
        with self.assertRaisesRegex(ValueError, message):
            collecting.collect(self._doctored(change), self.out / "copy")
        self.assertFalse((self.out / "copy").exists())

    def test_a_run_on_other_images_than_those_beside_it_is_refused(self):
        collecting.collect(self.run_, self.out, beside=[self.result])
        other = copy.deepcopy(self.result)
        other["identity"]["data"]["test"]["labels"] = "0" * 64
        with self.assertRaisesRegex(
            ValueError, "not of the same digits as the other runs: test labels differ"
        ):
            collecting.collect(self.run_, self.out, beside=[self.result, other])
        other["data"]["name"] = "cifar100"
        collecting.collect(self.run_, self.out, beside=[self.result, other])

    def test_a_run_of_another_teacher_is_refused(self):
        student = self.folder / "a_row" / "seed0" / "students" / "resnet8"
        arguments = (*_FLAGS, "--method=offline_distillation", f"--teacher={student}")

        def taught_by(teacher, its_digest):
            def change(result, _):
                settings = Run("a_row", 0, self.folder, arguments).settings
                result["settings"] = {**dataclasses.asdict(settings), "teacher": teacher}
                result["identity"]["settings"] = settings.as_flags()
                result["identity"]["data"]["teacher"] = its_digest

            return self._doctored(change, arguments, self.run_)

        moved = "elsewhere/table/a_row/seed0/students/resnet8"
        own = exported.digest(student)
        for teacher, its_digest, message in (
            (
                moved.replace("seed0", "seed1"),
                own,
                "expected the teacher table/a_row/seed0/.*seed1",
            ),
            (moved, "0" * 64, "its teacher is not the student that is in table/a_row/seed0/"),
        ):
            run = taught_by(teacher, its_digest)
            with self.assertRaisesRegex(ValueError, message):
                collecting.collect(run, self.out / "copy")
            shutil.rmtree(self.out)
        collecting.collect(taught_by(moved, own), self.out / "copy")
        self.assertTrue((self.out / "copy" / "result.json").exists())

    def test_a_real_run_has_no_faults(self):
        self.assertEqual(list(collecting.faults(self.result, self.log)), [])

    @parameterized.named_parameters(
        ("an epoch missing", lambda result, log: log.pop(1), r"epochs 1 to 3, .*\[1, 3\]"),
        ("an epoch twice", lambda result, log: log.insert(1, log[0]), r"has \[1, 1, 2, 3\]"),
        ("fewer steps", lambda result, log: log[1].update(step=5), "3 steps in every epoch.* 2"),
        ("other steps", lambda result, log: result.update(steps=8), "of step 8, the log ends at 9"),
        (
            "fewer images",
            lambda result, log: result["data"].update(num_train=39),
            "expected 40 training images; got 39",
        ),
        (
            "more held out",
            lambda result, log: result["data"].update(num_held_out=20),
            "expected 10 held-out images; got 20",
        ),
        (
            "a faster epoch",
            lambda result, log: log[2].update(images_per_second=1e6),
            "epoch 3 took .* expected 40",
        ),
        (
            "another accuracy",
            lambda result, log: result["students"]["resnet8"].update(accuracy=0.5),
            "resnet8's accuracy is 0.5 in the result",
        ),
        (
            "another loss",
            lambda result, log: result["students"]["resnet8"].update(cross_entropy=0.25),
            "resnet8's cross entropy is 0.25 in the result",
        ),
        (
            "weights that nobody logged",
            lambda result, log: result.update(general_weights={"resnet8": 0.75}),
            "resnet8's weight is 0.75 in the result, None in the last line",
        ),
        (
            "fewer seconds",
            lambda result, log: result.update(seconds=result["seconds"] + 60),
            "the result is of .* s, the log of ",
        ),
        (
            "part of an image",
            lambda result, log: result["students"]["resnet8"].update(accuracy=0.501),
            "is right on 180.36 test images",
        ),
        (
            "another ensemble",
            lambda result, log: result.update(ensemble_accuracy=0.99),
            "ensemble_accuracy is 0.99 in the result",
        ),
    )
    def test_what_does_not_hold_is_told(self, change, message):
        result, log = copy.deepcopy(self.result), copy.deepcopy(self.log)
        change(result, log)
        self.assertRegex("; ".join(collecting.faults(result, log)), message)

    def test_all_of_cifar_100_is_all_of_it(self):
        result, log = copy.deepcopy(self.result), copy.deepcopy(self.log)
        result["data"].update(name="cifar100", num_classes=100)
        result["settings"].update(train_per_class=0, holdout_per_class=50)
        found = "; ".join(collecting.faults(result, log))
        self.assertIn("expected 5000 held-out images; got 10", found)
        self.assertIn("expected 45000 training images; got 40", found)
        self.assertIn("expected 10000 test images; got 360", found)


class AnalysisTest(absltest.TestCase):
    def test_an_analysis_is_copied_with_paths_below_the_runs(self):
        analysis = analyses.ANALYSES[0]
        folder = pathlib.Path(self.create_tempdir().full_path)
        runs, target = folder / "runs", folder / "published.json"
        planned = proof.runs(proof.PARTS, runs)
        path = analyses.output(analysis, runs)
        path.parent.mkdir(parents=True)
        names = [f"table7_medium/{row}/seed0/students/resnet32" for row in analysis.rows]
        for name in names:
            (runs / name).mkdir(parents=True)
            (runs / name / "saved_model.pb").write_text(name)
        digests = [exported.digest(runs / name) for name in names]

        def refused(kind, students, digests=digests):
            # Of runs that have been moved since.
            paths = [f"/elsewhere/runs/{name}" for name in students]
            content = {"analysis": kind, "students": paths, "digests": digests, "numbers": {"a": 1}}
            path.write_text(json.dumps(content) if kind.isalpha() else kind)
            try:
                collecting.collect_analysis(analysis, planned, runs, target)
            except ValueError as error:
                return str(error)
            return ""

        self.assertEqual(refused("noise", names), "")
        found = json.loads(target.read_text())
        self.assertEqual(found["students"], names)
        others = [name.replace("resnet32", "wrn_16_2") for name in names]
        for kind, students, message in (
            ("{", names, "noise_of_first_student.json is damaged, or of an older version"),
            ("[" * 100_000, names, "noise_of_first_student.json is damaged, or of an older"),
            ("spread", names, "expected noise of .*; got spread of "),
            (
                "noise",
                names[1:],
                "expected noise of table7_medium/vanilla/.*; got noise of table7_m",
            ),
            ("noise", [name.replace("seed0", "seed1") for name in names], "got .*/vanilla/seed1/"),
            ("noise", others, "expected .*/resnet32, .*; got noise of .*wrn_16_2"),
        ):
            self.assertRegex(refused(kind, students), message)
        anew = [*digests[:-1], "0" * 64]
        self.assertRegex(
            refused("noise", names, anew),
            f"is of other students than those that are in {names[-1]}: tools/analyse.py makes it",
        )
        # Published results may be copied to where runs go on, without students.
        shutil.rmtree(runs / names[-1])
        self.assertEqual(refused("noise", names, anew), "")


if __name__ == "__main__":
    absltest.main()
