"""Tests of kdcl_tf.training.run_files."""

import json
import pathlib

from absl.testing import absltest, parameterized

from kdcl_tf.files.identity import FORMAT, DamageError, sealed
from kdcl_tf.training.run_files import check_export, missing_exports, read_log, read_result
from kdcl_tf.training.workdir import Workdir
from tests.training.written_checkpoint import write_checkpoint


class RunFilesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.workdir = Workdir(pathlib.Path(self.create_tempdir().full_path) / "run")

    def _with_loss(self, losses, **result):
        """A complete run with the losses of its epochs."""
        log = [{"epoch": n, "test_a_cross_entropy": each} for n, each in enumerate(losses, 1)]
        self.workdir.write_log(log)
        students = {"a": {"cross_entropy": losses[-1], "saved_model": "students/a"}}
        self.workdir.write_result({"epochs": len(log), "students": students, **result})
        return log

    def test_the_log_of_a_complete_run_must_be_its_own(self):
        log = self._with_loss([2.0, 1.5])
        path, result = self.workdir.path, self.workdir.result
        self.assertEqual(read_log(path, result), log)
        whole = (path / "log.jsonl").read_bytes()
        for lines, wrong in (
            (whole[:-1], "expected the epochs 1 to 2, each once; got 1"),
            (whole.replace(b"1.5", b"1.6"), "its epoch 2 has other numbers than result.json"),
            (whole.replace(b"test_a", b"test_b"), "its epoch 2 has other numbers than result.json"),
        ):
            (path / "log.jsonl").write_bytes(lines)
            with self.assertRaisesRegex(
                DamageError, rf"log.jsonl is damaged \({wrong}\), and there is no checkpoint"
            ):
                read_log(path, result)
        # Of a run that goes on, a crash may have cut the last line.
        self.assertLen(read_log(path), 2)
        (path / "log.jsonl").write_bytes(whole.replace(b"2.0", b"2.1"))
        write_checkpoint(self.workdir.path, log)
        with self.assertRaisesRegex(DamageError, "not what the newest checkpoint has.*: delete th"):
            read_log(path, result)
        (path / "log.jsonl").unlink()
        self.assertEqual(read_log(path, result), [])

    def test_a_loss_that_is_no_number_is_its_own(self):
        log = self._with_loss([float("nan"), float("nan")])
        path, result = self.workdir.path, self.workdir.result
        self.assertEqual(str(read_log(path, result)), str(log))
        write_checkpoint(path, log, self._facts())
        self.assertEqual(str(read_log(path, result)), str(log))
        self.workdir.write_log([log[0], {**log[1], "test_a_cross_entropy": 1.0}])
        with self.assertRaisesRegex(DamageError, "has other numbers than result.json"):
            read_log(path, result)

    def test_the_numbers_are_those_of_the_epoch_that_was_exported(self):
        self._with_loss([1.5, 2.0, 1.5], exported_epoch=2)
        with self.assertRaisesRegex(DamageError, "its epoch 2 has other numbers"):
            read_log(self.workdir.path, self.workdir.result)

    def test_published_logs_are_those_of_their_results(self):
        results = sorted(pathlib.Path(__file__).parents[2].joinpath("results").rglob("result.json"))
        self.assertNotEmpty(results)
        for path in results:
            read_log(path.parent, read_result(path.parent))

    def _facts(self, **settings):
        return {"settings": settings, "data": {"classes": ["x"]}, "format": FORMAT}

    @parameterized.parameters("result", "checkpoint")
    def test_an_export_in_its_folder_must_be_its_own(self, known):
        model = self.workdir.path / "students" / "a"
        own = {"student": "a", "identity": self._facts(seed="0"), "epoch": 1}
        # Where nothing tells what run it is, or whether it is one.
        for change in ({"identity": self._facts(seed="1")}, {"student": "b"}):
            check_export(self.workdir.path, model, {**own, **change})
        model.with_name("b").mkdir(parents=True)
        with self.assertRaisesRegex(ValueError, "/a holds student b: put each"):
            check_export(self.workdir.path, model, {**own, "student": "b"})
        later = self._facts(seed="0", flag_of_a_later_version="x")
        if known == "result":
            self.workdir.write_result({"identity": later, "exported_epoch": 1})
        else:
            write_checkpoint(self.workdir.path, [], later)
        check_export(self.workdir.path, model, own)
        check_export(self.workdir.path, model, {})
        beside = "result.json" if known == "result" else "the checkpoints"
        for change, wrong in (
            ({"student": "b"}, "/a holds student b: put each"),
            ({"identity": self._facts(seed="1")}, f"another run than {beside} .*another --seed"),
        ):
            with self.assertRaisesRegex(ValueError, wrong):
                check_export(self.workdir.path, model, {**own, **change})

    def test_an_export_may_know_less_of_the_data_than_the_result(self):
        data = {"classes": ["x"], "train": {"images": 4, "labels": "a" * 64, "decoded": "b" * 64}}
        whole = {"settings": {"seed": "0"}, "data": data, "format": FORMAT}
        less = {"classes": ["x"], "train": {"images": 4, "labels": "a" * 64}}
        other = {"classes": ["x"], "train": {"images": 4, "labels": "c" * 64}}
        result = {"identity": whole, "exports": ["students/a"]}
        for found, missing in ((data, []), (less, []), (other, ["students/a"])):
            card = {"student": "a", "identity": {**whole, "data": found}, "checksums": {}}
            (self.workdir.path / "students" / "a").mkdir(parents=True, exist_ok=True)
            path = self.workdir.path / "students" / "a" / "student.json"
            path.write_text(json.dumps(sealed(card)))
            self.assertEqual(missing_exports(self.workdir.path, result), missing)
        path.write_text(json.dumps(sealed({"student": "a", "checksums": {}})))
        self.assertEqual(missing_exports(self.workdir.path, result), ["students/a"])


if __name__ == "__main__":
    absltest.main()
