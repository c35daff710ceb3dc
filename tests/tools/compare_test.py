"""Tests of tools/compare.py and tools/tabulate.py: what they print, and what they refuse."""

import contextlib
import io
import json
import pathlib

import compare
import tabulate
from absl.testing import absltest, parameterized

from kdcl_tf.files.identity import sealed

_DATA = {"name": "digits", "num_train": 100, "num_test": 360}


class TwoRunsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _write(self, name, accuracies, data=_DATA, **settings):
        students = {
            student: {"accuracy": accuracy, "saved_model": f"students/{student}"}
            for student, accuracy in accuracies.items()
        }
        result = {"students": students, "data": data, "exports": [], "images_per_second": 99.6}
        result["settings"] = settings
        (self.folder / name).mkdir()
        content = json.dumps({**result, "ensemble_accuracy": 0.5})
        (self.folder / name / "result.json").write_text(content)

    def _printed(self, module, *names):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            module.main([str(self.folder / name) for name in names])
        return printed.getvalue().splitlines()

    def test_known_numbers(self):
        self._write("alone", {"a": 0.25, "b": 0.5})
        self._write("cohort", {"b": 0.625, "a": 0.375})
        lines = self._printed(compare, "alone", "cohort")
        self.assertIn("Test accuracy on 360 images of digits, trained on 100 (one seed)", lines)
        self.assertTrue(any(line.split() == ["a", "25.00%", "37.50%", "+12.50"] for line in lines))
        self._write("again", {"a": 0.375, "b": 0.625})
        self.assertEqual(
            self._printed(tabulate, "alone", "again"),
            [
                "| run | a | b | ensemble | images/s |",
                "|---|---|---|---|---|",
                "| alone | 25.00% | 50.00% | 50.00% | 100 |",
                "| again | 37.50% | 62.50% | 50.00% | 100 |",
            ],
        )

    def test_runs_of_other_settings_are_told_and_named_apart(self):
        for name, epochs in (("vanilla", 100), ("short", 60)):
            (self.folder / name).mkdir()
            self._write(f"{name}/seed0", {"a": 0.25}, method="kdcl", epochs=epochs)
        with contextlib.redirect_stderr(io.StringIO()) as told:
            rows = self._printed(tabulate, "vanilla/seed0", "short/seed0")[2:]
        self.assertEqual([row.split()[1] for row in rows], ["vanilla/seed0", "short/seed0"])
        self.assertRegex(told.getvalue(), r"short/seed0 and .* differ in epochs \(60 and 100\)\.")
        self.assertEqual(tabulate.names([pathlib.Path("a/b"), pathlib.Path("a/b")]), ["b", "b"])

    @parameterized.parameters((compare,), (tabulate,))
    def test_what_is_not_to_be_compared_is_refused_in_a_line(self, module):
        self._write("alone", {"a": 0.25})
        self._write("other", {"b": 0.25})
        self._write("elsewhere", {"a": 0.25}, {**_DATA, "name": "cifar100", "num_test": 10_000})
        (self.folder / "unfinished").mkdir()
        (self.folder / "detector").mkdir()
        (self.folder / "detector" / "result.json").write_text("{}")
        for name, message in (
            ("other", "expected runs of the same students.*got"),
            ("detector", "expected the workdirs of runs of kdcl-train; got .*detector"),
            ("elsewhere", "expected runs on the same images .*: 10000 test images of cifar100$"),
            ("unfinished", "got no result.json in .*unfinished: let kdcl-train finish first"),
        ):
            with self.assertRaisesRegex(SystemExit, message):
                self._printed(module, "alone", name)

    def test_the_arms_must_be_what_they_are_called(self):
        self._write("alone", {"a": 0.25}, method="independent", seed=1, epochs=60, ensemble="naive")
        self._write("cohort", {"a": 0.375}, method="kdcl", seed=2, epochs=60, ensemble="linear")
        lines = self._printed(compare, "alone", "cohort")
        self.assertIn(
            "The gains are not those of the method alone, as the runs differ in seed (1 and 2).",
            lines,
        )
        with self.assertRaisesRegex(SystemExit, "--method=independent; got .*cohort of .*kdcl$"):
            self._printed(compare, "cohort", "alone")

    def test_weights_that_only_one_run_starts_from_are_told_wherever_they_lie(self):
        digest = "0123456789" * 6
        for name, sources in (("alone", {}), ("cohort", {"a": digest}), ("again", {"a": digest})):
            method = "independent" if name != "cohort" else "kdcl"
            path = f"a={name}/w.keras" if sources else ""
            self._write(name, {"a": 0.25}, method=method, initial_weights=path)
            told = {"data": {"initial_weights": sources}}
            path = self.folder / name / "result.json"
            path.write_text(json.dumps(sealed({**json.loads(path.read_text()), "identity": told})))
        told = "as the runs differ in initial_weights (of no student and a 01234567)."
        self.assertIn(told, "\n".join(self._printed(compare, "alone", "cohort")))
        self.assertNotIn("differ in", "\n".join(self._printed(compare, "again", "cohort")))

    def test_runs_of_other_devices_are_told(self):
        self._write("alone", {"a": 0.25}, seed=2)
        self._write("cohort", {"a": 0.375}, strategy="mirrored", seed=2)
        self.assertRegex(
            "\n".join(self._printed(compare, "alone", "cohort")),
            "With seed 2 the cohort and the students alone differ in the number of parts",
        )
        with contextlib.redirect_stderr(io.StringIO()) as told:
            self._printed(tabulate, "alone", "cohort")
        lines = told.getvalue().splitlines()
        for line, what in zip(lines, ("number of parts", "number of devices"), strict=True):
            self.assertRegex(
                line, f"/cohort and .*/alone differ in the {what}.*, or in one .* not recorded.$"
            )

    def test_other_test_images_of_the_same_name_and_number_are_refused(self):
        for name, digest in (("alone", "1"), ("changed", "2")):
            self._write(name, {"a": 0.25})
            path = self.folder / name / "result.json"
            told = {"data": {"test": {"images": 360, "labels": digest * 64}}}
            path.write_text(json.dumps(sealed({**json.loads(path.read_text()), "identity": told})))
        with self.assertRaisesRegex(
            SystemExit, "same images as .*; got .*/changed: test labels differ$"
        ):
            self._printed(compare, "alone", "changed")
        path.write_text(path.read_text()[:-10])
        with self.assertRaisesRegex(SystemExit, "changed/result.json is damaged"):
            self._printed(compare, "alone", "changed")

    @parameterized.parameters(
        ("folder:photos", "folder:/data/photos", "1", ""),
        ("folder:photos", "folder:/data/photos", "2", "test labels differ$"),
        (
            "folder:photos",
            "tfrecord:/data/photos",
            "1",
            "360 test images of tfrecord:/data/photos$",
        ),
        # By a version that recorded nothing of the images.
        ("folder:cats", "folder:/data/cars", None, "of folder:/data/cars, too little recorded of"),
        ("folder:cats", "folder:cats", None, ""),
    )
    def test_the_same_images_may_lie_elsewhere(self, before, now, digest, message):
        for name, where, known in (("alone", before, "1"), ("cohort", now, digest)):
            self._write(name, {"a": 0.25}, {**_DATA, "name": where})
            path = self.folder / name / "result.json"
            test = known and {"images": 360, "labels": known * 64, "names": "3" * 64}
            told = {"data": {"test": test} if test else {}}
            path.write_text(json.dumps(sealed({**json.loads(path.read_text()), "identity": told})))
        if not message:
            self.assertIn("+0.00", "\n".join(self._printed(compare, "alone", "cohort")))
            return
        with self.assertRaisesRegex(SystemExit, message):
            self._printed(compare, "alone", "cohort")


if __name__ == "__main__":
    absltest.main()
