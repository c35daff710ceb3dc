"""Tests of kdcl_tf.evaluation.places."""

import json
import pathlib
from unittest import mock

from absl.testing import absltest, parameterized

from kdcl_tf import files
from kdcl_tf.evaluation import places
from kdcl_tf.evaluation.analyses.analysis import Analysis
from kdcl_tf.serving import exported


class PlacesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.run = pathlib.Path(self.create_tempdir().full_path) / "run"
        self.small, self.large = (self.run / "students" / name for name in ("small", "large"))
        for path in (self.small, self.large):
            path.mkdir(parents=True)
            (path / "saved_model.pb").write_bytes(path.name.encode())
            (path / "student.json").write_text("{}")

    def test_all_students_of_runs_or_one_of_each(self):
        self.assertCountEqual(places.student_paths([self.run], []), [self.small, self.large])
        self.assertEqual(places.student_paths([self.run], [], self.small.name), [self.small])

    def test_models_are_where_they_are_named(self):
        named = [f"{self.large}/../{self.small.name}", "a.tflite"]
        found = places.student_paths([], named)
        self.assertEqual(found, [self.small, pathlib.Path("a.tflite").absolute()])

    def test_what_names_no_students_is_refused(self):
        run, model = str(self.run), str(self.small)
        for arguments, message in (
            (([], []), "exactly one of --workdir and --model; got neither"),
            (([run], [model]), "exactly one of --workdir and --model; got both"),
            (([], [model], "small"), "leave out --student"),
            (([run, f"{run}/."], []), "each of --workdir once; got .*run twice"),
            (([], [model, model]), "each of --model once; got .* twice"),
            (([run], [], "middle"), "--student to be one of large, small of .*run; got middle"),
            (([f"{run}/students/none"], []), "none, which is not there"),
            (([f"{run}/students"], []), f"no exported students; .*: pass the run, {run}$"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                places.student_paths(*arguments)

    def test_logs_tell_of_students_that_need_not_be_exported(self):
        run = self.run.parent / "logged"
        (run / "students").mkdir(parents=True)
        (run / "log.jsonl").touch()
        found = places.student_paths([run], [], "small", needs_models=False)
        self.assertEqual(found, [run / "students" / "small"])
        # The analysis says that it needs a name.
        self.assertEqual(places.student_paths([run], [], needs_models=False), [])
        for path, message in (
            (self.run, "run, which has no log.jsonl$"),
            (run / "gone", "gone, which is not there$"),
            (run / "students", f"folder of a run's students: pass the run, {run}$"),
        ):
            with self.assertRaisesRegex(ValueError, f"logs are compared; got .*{message}"):
                places.student_paths([path], [], "small", needs_models=False)

    def _outputs(self, analysis, output=None, plot=None, paths=None):
        values = {"analysis": analysis, "output": output, "plot": plot}
        return places.output_files(values, paths or [self.small])

    def test_scores_are_written_only_where_a_flag_says_so(self):
        self.assertEqual(self._outputs("scores"), (None, None))
        output = str(self.run / "scores.json")
        self.assertEqual(self._outputs("scores", output), (pathlib.Path(output), None))
        self.assertFalse((self.run / "analyses").exists())

    def test_analyses_are_beside_the_students_of_a_run_or_beside_a_model(self):
        self.assertEqual(
            self._outputs("noise"),
            (self.run / "analyses" / "noise.json", self.run / "analyses" / "noise.png"),
        )
        model = self.run / "elsewhere" / "small.tflite"
        model.parent.mkdir()
        model.touch()
        output, _ = self._outputs("spread", paths=[model])
        self.assertEqual(output, model.parent / "analyses" / "spread.json")
        # They are made when there is something to write.
        self.assertFalse(output.parent.exists())
        self.assertFalse((self.run / "analyses").exists())
        places.write(Analysis({"a": 1.5}, "text"), "spread", [self.small], output, None)
        self.assertEqual(json.loads(output.read_text())["numbers"], {"a": 1.5})

    def test_a_student_that_is_not_there_is_named_and_nothing_is_made(self):
        gone = self.run / "students" / "middle"
        nowhere = self.run / "typo" / "students" / "small"
        for analysis in ("confusion", "scores"):
            for path in (gone, nowhere):
                with self.assertRaisesRegex(
                    ValueError, f"expected an exported student, .*; got {path}, which is not there"
                ):
                    self._outputs(analysis, paths=[self.small, path])
        self.assertEqual([each.name for each in self.run.iterdir()], ["students"])

    def test_analyses_that_cannot_be_written_are_refused_before_any_work(self):
        place = self.run / "analyses"
        message = f"expected a folder {place} that can be written to; got .*: pass --output"
        place.touch()
        with self.assertRaisesRegex(ValueError, message):
            self._outputs("noise")
        place.unlink()
        denied = PermissionError(13, "Permission denied")
        with mock.patch.object(files, "check_writable", side_effect=denied):
            with self.assertRaisesRegex(ValueError, message):
                self._outputs("noise")

    def test_a_plot_has_a_name_of_its_own(self):
        output, plot = str(self.run / "a.json"), str(self.run / "b.pdf")
        self.assertEqual(self._outputs("noise", output)[1], self.run / "a.png")
        self.assertEqual(self._outputs("noise", output, plot)[1], self.run / "b.pdf")
        for name in ("a.json", "a.csv"):
            with self.assertRaisesRegex(ValueError, "--plot to name a picture, such as a.png"):
                self._outputs("noise", output, str(self.run / name))
        with self.assertRaisesRegex(ValueError, "--output to name a JSON file, such as b.json"):
            self._outputs("noise", str(self.run / "b.png"))

    def test_the_analyses_of_a_file_in_a_students_folder_are_beside_it(self):
        file = self.small / "small.tflite"
        file.write_bytes(b"model")
        output, plot = self._outputs("confusion", paths=[file])
        self.assertEqual(output, self.small / "analyses" / "confusion.json")
        self.assertEqual(plot, output.with_suffix(".png"))

    def test_the_tables_of_several_students_have_to_have_room_for_their_names(self):
        output = str(self.run / f"{'a' * 221}.json")
        self.assertEqual(self._outputs("confusion", output)[0].name, f"{'a' * 221}.json")
        with self.assertRaisesRegex(ValueError, "--output to have a name of at most 225 bytes"):
            self._outputs("confusion", output, paths=[self.small, self.large])
        self._outputs("noise", output, paths=[self.small, self.large])

    def test_no_file_of_a_run_is_replaced(self):
        (self.run / "flags.txt").write_text("# format 3\n--epochs=1\n")
        result, picture = str(self.run / "result.json"), str(self.run / "accuracy.png")
        with self.assertRaisesRegex(ValueError, "--output to be .* belongs to the run in "):
            self._outputs("scores", result)
        for output, plot in ((None, picture), (str(self.run / "accuracy.json"), None)):
            with self.assertRaisesRegex(ValueError, "--plot to be .* belongs to the run in "):
                self._outputs("noise", output, plot)

    def test_no_file_of_a_model_is_replaced(self):
        with self.assertRaisesRegex(ValueError, "belongs to an exported model"):
            self._outputs("scores", str(self.small / "student.json"))

    def test_numbers_have_the_students_and_their_digests_and_scores_have_none(self):
        further = self.run / "further.csv"

        def write(path):
            self.assertTrue(path.exists())
            further.write_text("a,b\n")
            return [further]

        drawn = []
        found = Analysis({"a": 1.5}, "text", drawn.append, write)
        output, plot = self.run / "a.json", self.run / "a.png"
        places.write(found, "confusion", [self.small], output, plot)
        written = json.loads(output.read_text())
        self.assertEqual(written["numbers"], {"a": 1.5})
        self.assertEqual(written["students"], [str(self.small)])
        self.assertEqual(written["digests"], [exported.digest(self.small)])
        self.assertEqual(drawn, [plot])
        places.write(found, "scores", [self.small], output, None)
        self.assertEqual(json.loads(output.read_text()), {"a": 1.5})
        self.assertEqual(drawn, [plot])


if __name__ == "__main__":
    absltest.main()
