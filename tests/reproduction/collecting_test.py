"""Tests of kdcl_tf.reproduction.collecting, of a real run."""

import copy
import dataclasses
import json
import pathlib
import shutil
import tempfile

from absl.testing import absltest, parameterized

from kdcl_tf.files import identity
from kdcl_tf.reproduction import collecting
from kdcl_tf.reproduction.plan import Run
from kdcl_tf.training.workdir import read_log, read_result
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


if __name__ == "__main__":
    absltest.main()
