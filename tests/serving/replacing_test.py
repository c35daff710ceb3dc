"""Tests of kdcl_tf.serving.replacing."""

import json
import os
import pathlib
import stat

import tensorflow as tf
from absl.testing import parameterized

from kdcl_tf import files
from kdcl_tf.files import identity
from kdcl_tf.serving import replacing
from kdcl_tf.serving.formats import readme


class ReplacingTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def _student(self, *parts):
        path = self.folder.joinpath(*parts)
        path.mkdir(parents=True)
        (path / "saved_model.pb").touch()
        return path

    def test_an_export_replaces_only_one_of_its_kind(self):
        path = self._student("a")
        self.assertTrue(replacing.may_replace(self.folder / "absent"))
        self.assertFalse(replacing.may_replace(path))
        (path / "detector.json").write_text('{"checksums": {}}')
        self.assertFalse(replacing.may_replace(path))
        self.assertTrue(replacing.may_replace(path, "detector.json"))
        with self.assertRaisesRegex(
            FileExistsError, f"^expected .* exported student .* at {path}; "
        ):
            replacing.check_replaced(path, "student")
        # Of a version without checksums, and one that is damaged.
        for text in (
            '{"student": "a", "image_shape": [1, 1, 1], "mean": [0], "deviation": [1]}',
            '{"student": "a", "ima',
        ):
            (path / "student.json").write_text(text)
            replacing.check_replaced(path, "student")
        (path / "student.json").write_text('["Ada"]')
        self.assertFalse(replacing.may_replace(path))

    def test_what_is_left_of_an_export_is_mended_where_it_is_for_it(self):
        path = self.folder / "run" / "students" / "a"
        path.mkdir(parents=True)
        # Of an empty folder nothing is lost.
        self.assertTrue(replacing.may_replace(path))
        (path / "variables").mkdir()
        (path / "README.md").write_text("")
        self.assertTrue(replacing.may_replace(path, is_own=True))
        self.assertFalse(replacing.may_replace(path))
        (path / "notes.txt").write_text("mine")
        with self.assertRaisesRegex(FileExistsError, "got something else, which is kept"):
            replacing.check_replaced(path, "student", is_own=True)
        (path / "saved_model.pb").write_text("")
        self.assertTrue(replacing.may_replace(path, is_own=True))
        self.assertFalse(replacing.may_replace(path))
        file = self.folder / "file"
        file.write_text("")
        self.assertFalse(replacing.may_replace(file, is_own=True))

    def test_whatever_a_user_has_put_beside_a_model_is_kept(self):
        for card in ("student.json", "detector.json"):
            path = self._student(f"of {card}")
            (path / "student.json").unlink(missing_ok=True)
            (path / "variables").mkdir(exist_ok=True)
            (path / "variables" / "variables.index").write_bytes(b"ours")
            facts = {"student": "a", "checksums": identity.checksums(path)}
            (path / card).write_text(json.dumps(identity.sealed(facts)))
            others = {"mine.bin": b"mine", "variables/mine": b"inside", "more/deep/file": b"deep"}
            if card == "detector.json":
                # A detector has no file of that name.
                others["README.md"] = b"for people"
            for name, content in others.items():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                (path / name).write_bytes(content)
            (path / "mine.bin").chmod(0o444)
            (path / "to nothing").symlink_to("nothing")
            (path / "to a folder").symlink_to("more")
            os.mkfifo(path / "pipe")
            with files.replaced_folder(path) as partial:
                (partial / "saved_model.pb").write_bytes(b"new")
                replacing.keep_others(path, partial, card)
            self.assertEqual((path / "saved_model.pb").read_bytes(), b"new")
            for name, content in others.items():
                self.assertEqual((path / name).read_bytes(), content)
            self.assertEqual(os.readlink(path / "to nothing"), "nothing")
            self.assertEqual(os.readlink(path / "to a folder"), "more")
            self.assertTrue(stat.S_ISFIFO(os.lstat(path / "pipe").st_mode))
            self.assertFalse((path / card).exists())
            self.assertFalse((path / "variables" / "variables.index").exists())

    @parameterized.parameters(True, False)
    def test_the_readme_of_files_that_were_exported_beside_a_model_is_kept(self, has_card):
        for text, kept in ((f"{readme.MARK}\n# a", True), ("# a", False), (b"\xff", False)):
            path = self._student(f"{len(text)} {kept}")
            names = ("README.md", "README.kdcl.md", "a.onnx")
            for name, content in zip(names, ("# a", text, "model")):
                content = content if isinstance(content, bytes) else content.encode()
                (path / name).write_bytes(content)
            if has_card:
                facts = {"checksums": identity.checksums(path, leave_out="a.onnx")}
                (path / "student.json").write_text(json.dumps(identity.sealed(facts)))
            with files.replaced_folder(path) as partial:
                (partial / "saved_model.pb").write_bytes(b"new")
                replacing.keep_others(path, partial)
            found = {each.name for each in path.iterdir()}
            wanted = {"saved_model.pb", "a.onnx", *(["README.kdcl.md"] if kept else [])}
            self.assertEqual(found, wanted)

    def test_results_are_not_written_where_a_model_is(self):
        student = self._student("run", "students", "m")
        (student / "student.json").write_text('{"checksums": {}}')
        file = self.folder / "run" / "students" / "m.onnx"
        file.write_bytes(b"model")
        card = file.with_name("m.onnx.json")
        card.write_text('{"checksums": {}}')
        scores = file.with_name("scores.json")
        scores.write_text('{"m": 0.5}')
        link = self.folder / "link.json"
        link.symlink_to(card)
        for output in (None, scores, file.with_name("new.json"), self.folder / "x.json"):
            replacing.check_apart(output, [student, file])
        # A model that is not read, of which only the card is left.
        other = self.folder / "other"
        other.mkdir()
        sums = {"checksums": {"variables/x.json": "0"}}
        (other / "detector.json").write_text(json.dumps(identity.sealed(sums)))
        inside = [student / "student.json", student / "scores.json", other / "variables" / "x.json"]
        replacing.check_apart(other / "variables" / "y.json")
        for output in (*inside, file, card, link):
            with self.assertRaisesRegex(
                ValueError, "^expected --output to be a file of its own; got"
            ):
                replacing.check_apart(output, [student, file])

    def test_results_are_not_written_over_a_run(self):
        run = self.folder / "run"
        run.mkdir()
        (run / "flags.txt").write_text("# format 3\n--epochs=1\n")
        for name in ("result.json", "log.jsonl", "accuracy.png", "checkpoints/a.json"):
            with self.assertRaisesRegex(
                ValueError,
                f"^expected --plot to be a file of its own; got .*{name}, which belongs to the run in "
                r"\S+/run: pass another$",
            ):
                replacing.check_apart(run / name, flag="plot")
        for place in (run / "scores.json", self.folder / "result.json"):
            replacing.check_apart(place)

    def test_a_card_that_is_a_link_is_not_replaced(self):
        student = self._student("m")
        (self.folder / "store").write_text('{"checksums": {}}')
        (student / "student.json").symlink_to(self.folder / "store")
        with self.assertRaisesRegex(ValueError, "which belongs to an exported model: pass another"):
            replacing.check_apart(student / "student.json")

    @parameterized.parameters('{"a": 1}\n{"a": 2}\n', '{"checksums": {"student.keras": "0"}}')
    def test_what_is_called_like_a_card_does_not_take_all_below_it(self, text):
        (self.folder / "student.json").write_text(text)
        replacing.check_apart(self.folder / "deep" / "out.json")
        replacing.check_apart(self.folder / "out.json")

    def test_a_folder_that_is_called_like_a_card_is_none(self):
        (self.folder / "student.json").mkdir()
        replacing.check_apart(self.folder / "out.json")
        replacing.check_apart(self.folder / "student.json" / "out.json")

    def test_a_list_of_detections_makes_no_model(self):
        (self.folder / "student.json").write_text("[]")
        (self.folder / "detector.json").write_text("[]")
        self.assertEqual(replacing.owner(self.folder / "detector.json"), "")


if __name__ == "__main__":
    tf.test.main()
