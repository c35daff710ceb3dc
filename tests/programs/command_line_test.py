"""Tests of kdcl_tf.programs.command_line, and of flag errors in processes of the programs."""

import contextlib
import importlib
import io
import os
import pathlib
import subprocess
import sys
import weakref
from unittest import mock

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf.programs import command_line
from tests import in_process

# Ends the process with the lines it wrote, and tells on stdout of slow imports.
_PROGRAM = """
import atexit, runpy, sys
slow = (
    "numpy",
    "tensorflow",
    "keras",
    "tensorflow_datasets",
    "sklearn",
    "matplotlib",
    "keras_cv",
)
atexit.register(lambda: print("IMPORTED", sorted(set(slow) & set(sys.modules))))
program = sys.argv.pop(1)
sys.argv[0] = f"kdcl-{program}"
__import__("importlib").import_module(f"kdcl_tf.{program}").cli()
"""


def _run(program, *arguments, cwd=None):
    command = [sys.executable, "-c", _PROGRAM, program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd, check=False)


# `(program, arguments, what it says)`.
_ERRORS = (
    ("train", ["--students=resnet8,vgg"], "unknown student 'vgg': expected"),
    ("train", ["--students=resnet30"], "depth must be 6n+2 .*nearest are resnet26 and resnet32"),
    ("train", ["--students="], "expected --students with names"),
    ("train", ["--ensemble=mean"], "value should be one of <naive|linear|min_logit|general>"),
    ("train", ["--dataset=folder:"], "expected folder:PATH"),
    (
        "train",
        ["--dataset=two words"],
        "expected digits, folder:PATH, tfrecord:PATH or a TFDS name",
    ),
    ("train", ["--dataset=/a/folder"], "if it is a folder of images, pass folder:/a/folder"),
    (
        "train",
        ["--dataset=folder:x", "--test_share=1.5"],
        "test_share: expected a number above 0 and below 1, such as 0.2; got 1.5",
    ),
    (
        "train",
        ["--test_share=0.2"],
        "test_share=0.2: expected a data set folder:PATH without a test set",
    ),
    (
        "train",
        ["--keep=best", "--keep_by=resnet8"],
        "--keep=best chooses an epoch on a validation set; got none: pass --validation_share",
    ),
    (
        "train",
        ["--keep=best", "--validation_share=0.1"],
        "expected --keep_by of resnet8, wrn_10_2, .*; got none",
    ),
    ("train", ["--keep_by=resnet8"], "--keep_by=resnet8 is for --keep=best; got --keep=last"),
    ("train", ["--epoch=3"], "Unknown command line flag 'epoch'. Did you mean: epochs"),
    ("train", ["--epochs=many"], "--epochs=many"),
    ("train", ["--epochs=0"], "expected --epochs to be 1 or more; got 0"),
    ("train", ["--momentum=1"], "expected --momentum to be from 0 to below 1 in float32; got 1.0"),
    (
        "train",
        ["--learning_rate=nan"],
        "expected --learning_rate to be a number above 0, or such as",
    ),
    ("train", ["--milestones=20,x"], "expected --milestones of whole numbers of epochs; got 20,x"),
    ("train", ["--milestones=30,20"], "expected --milestones of rising numbers of epochs"),
    ("train", ["--checkpoint_seconds=-1"], "--checkpoint_seconds=-1"),
    (
        "train",
        ["--ensemble=general", "--holdout_per_class=0"],
        "--ensemble=general fits its weights to held-out",
    ),
    ("train", ["epochs=3"], "expected flags, --name=value; got 'epochs=3'"),
    ("train", ["--flagfile=no/such.flags"], "no/such.flags"),
    ("train", ["--workdir=/dev/null/run"], "--workdir=/dev/null/run cannot be written to"),
    ("train", ["--seeds=3"], "--seeds=3 is for --compare: pass --compare"),
    ("train", ["--compare", "--seeds=0"], "flag --seeds=0: 0 is not a positive integer"),
    ("train", ["--compare", "--method=independent"], "expected another --method than independent"),
    ("train", ["--compare", "--workdir=/dev/null/x"], "--workdir=/dev/null/x cannot be written to"),
    ("evaluate", [], "expected exactly one of --workdir and --model; got neither"),
    (
        "evaluate",
        ["--workdir=a", "--model=b"],
        "expected exactly one of --workdir and --model; got both",
    ),
    ("evaluate", ["--workdir=no/run"], "got --workdir=no/run, which is not there"),
    (
        "evaluate",
        ["--model=x", "--output=no/such/file"],
        "expected --output to be in a folder that exists; got no/such/file",
    ),
    ("evaluate", ["--model=x", "--output=/"], "expected --output to name a file; got the folder /"),
    (
        "evaluate",
        ["--model=x", "--analysis=confusion", "--output=found.html"],
        "a JSON file, such as found.json; got found.html",
    ),
    ("evaluate", ["--split=val"], "value should be one of <test|train|validation>"),
    (
        "evaluate",
        ["--model=x", "--dataset=/a/folder"],
        "got '/a/folder': if it is a folder of images, pass folder:/a/folder",
    ),
    (
        "evaluate",
        ["--model=x", "--dataset=digits", "--test_share=0.2"],
        "expected a data set folder:PATH without a test set",
    ),
    ("predict", [], "expected --model, an exported student"),
    ("predict", ["--model=no/run"], "got no/run, which is not there"),
    (
        "predict",
        ["--model=x", "--output=seen.txt"],
        "expected --output to end in .csv, .json, .html",
    ),
    (
        "predict",
        ["--model=x", "--output=no/such.csv"],
        "--output to be in a folder that exists; got no/",
    ),
    (
        "predict",
        ["--model=x", "--output=/proc/a.csv"],
        "in a folder that can be written to; got /proc/a",
    ),
    (
        "predict",
        ["--max_image_megapixels=0"],
        "max_image_megapixels: expected a number above 0; got 0",
    ),
    ("predict", ["--top=0"], "flag --top=0: 0 is not a positive integer"),
    ("export", [], "expected --workdir, the folder of a run; got none"),
    ("export", ["--workdir=no/run"], "got no/run, which is not there"),
    (
        "export",
        ["--workdir=x", "--format=keras,png"],
        "--format: expected formats among saved_model, keras, .*, all; got 'png'",
    ),
    (
        "export",
        ["--workdir=x", "--format="],
        "--format: expected formats among saved_model, .*; got ''",
    ),
    (
        "export",
        ["--workdir=x", "--student=ensemble", "--format=keras"],
        "--format: expected another format of the ensemble; got keras, which",
    ),
    (
        "export",
        ["--workdir=x", "--images=no/folder"],
        "expected --images to be a folder; got no/folder",
    ),
    (
        "export",
        ["--workdir=x", "--calibration=."],
        "expected litert_int8 among --format with --calibration, since .*; got --format=saved_model",
    ),
    (
        "train",
        ["--flagfile=kdcl:cifar100/generl"],
        "got kdcl:cifar100/generl: did you mean kdcl:cifar100/general or",
    ),
    (
        "train",
        ["--flagfile=kdcl:coco/mask_resnet18"],
        "; it is in flagfile kdcl:coco/mask_resnet18, which is for kdcl-detect",
    ),
    (
        "reproduce",
        ["--flagfile", "kdcl:cifar100/general_icl"],
        "; it is in flagfile kdcl:cifar100/general_icl, which is for kdcl-train",
    ),
    ("train", ["--epochs=abc"], "flag --epochs=abc: expected an integer"),
    ("train", ["--temperature=warm"], "flag --temperature=warm: expected a number"),
    (
        "reproduce",
        ["--shard=4/4"],
        "--shard: expected i/n with i from 0 to n - 1, such as 0/4; got '4/4'",
    ),
    ("reproduce", ["--table=11"], "flag --table=11: value should be one of"),
    ("detect", ["--dataset=/a/folder"], "if it is a folder of images, pass coco:/a/folder"),
    ("detect", ["--detector=yolo"], "flag --detector=yolo: value should be one of"),
    ("detect", ["--backbone=resnet19"], "backbone=resnet19 is neither a path nor a student"),
)


class FlagErrorsTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.finished, cls.imported = in_process.run_all([each[:2] for each in _ERRORS])

    def test_none_waits_for_an_import(self):
        self.assertEqual(self.imported, [])

    @parameterized.parameters(*range(len(_ERRORS)))
    def test_one_line(self, number):
        program, _, message = _ERRORS[number]
        self._assert_one_line(program, self.finished[number], message, "")

    @parameterized.parameters(
        ("train", ["--epochs=0"], "expected --epochs to be 1 or more; got 0"),
        ("train", ["--tpu=local"], "--tpu=local is for --strategy=tpu; got --strategy=one: "),
        ("evaluate", [], "expected exactly one of --workdir and --model; got neither"),
        ("export", [], "expected --workdir, the folder of a run; got none"),
        ("detect", ["--mode=predict"], "expected --image, files and folders"),
    )
    def test_a_program_itself_says_it_and_imports_nothing_slow(self, program, arguments, message):
        finished = _run(program, *arguments, cwd=self.create_tempdir().full_path)
        self._assert_one_line(program, finished, message, "IMPORTED []\n")

    def _assert_one_line(self, program, finished, message, stdout):
        self.assertEqual(finished.returncode, 1)
        self.assertEqual(finished.stdout, stdout)
        self.assertEqual(finished.stderr.count("\n"), 1, finished.stderr)
        self.assertStartsWith(finished.stderr, f"kdcl-{program}: ")
        # "|" and "<" are in the messages themselves.
        pattern = message.replace("|", r"\|").replace("+", r"\+").replace("(", r"\(")
        self.assertRegex(finished.stderr, pattern)

    @parameterized.parameters(
        ("train", ["--[no]invariant", "--learning_rate"]),
        ("evaluate", ["--split"]),
        ("predict", ["--image", "--top"]),
        ("export", ["--format"]),
        ("detect", ["--backbone", "--least_score"]),
        ("reproduce", ["Table:", "--shard"]),
    )
    def test_help_lists_the_flags_and_imports_nothing_slow(self, program, flags):
        finished = _run(program, "--help")
        for flag in flags:
            self.assertIn(flag, finished.stdout)
        self.assertIn("--flagfile=kdcl:FOLDER/NAME", finished.stdout)
        about = importlib.import_module(f"kdcl_tf.{program}").__doc__
        self.assertStartsWith(finished.stdout, about.splitlines()[0])
        self.assertIn("IMPORTED []", finished.stdout)


class InProcessTest(absltest.TestCase):
    def _failed(self, function):
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr), self.assertRaises(SystemExit) as caught:
            function()
        return caught.exception.code, stderr.getvalue()

    def test_a_message_of_many_lines_becomes_one(self):
        told = "cut; pass skip_bad_images=True, or pass storage=disk, or pass --seed=1"
        wanted = "cut; pass --skip_bad_images, or pass --storage=disk, or pass --seed=1\n"
        self.assertEndsWith(self._failed(lambda: command_line.fail(told))[1], wanted)
        status, text = self._failed(lambda: command_line.fail("one\n  two\n", 3))
        self.assertEqual(status, 3)
        self.assertRegex(text, r"^\S+: one two\n$")

    def test_what_an_error_was_raised_in_is_gone_when_the_program_ends(self):
        """An iterator that outlives the interpreter can wait for ever."""

        class Stream:
            pass

        alive = []

        def inner():
            stream = Stream()
            alive.append(weakref.ref(stream))
            raise KeyError("inner")

        def outer():
            stream = Stream()
            alive.append(weakref.ref(stream))
            try:
                inner()
            except KeyError as error:
                raise ValueError("outer") from error

        with contextlib.redirect_stderr(io.StringIO()) as told:
            with self.assertRaises(SystemExit) as end, command_line.user_errors():
                outer()
        self.assertEqual(end.exception.code, 1)
        self.assertEndsWith(told.getvalue(), ": outer\n")
        self.assertEqual([each() for each in alive], [None, None])

    def test_the_values_of_a_program_are_those_of_its_own_flags(self):
        def define(flag_values):
            flags.DEFINE_integer("one", 1, "", flag_values=flag_values)
            flags.DEFINE_string("two", None, "", flag_values)

        values = flags.FlagValues()
        define(values)
        flags.DEFINE_bool("of_a_library", True, "", values)
        values(["program", "--one=3"])
        self.assertEqual(command_line.values_of(define, values), {"one": 3, "two": None})

    def test_user_errors_are_those_of_bad_input(self):
        for error in (ValueError("bad"), FileNotFoundError("bad")):

            def raising(error=error):
                with command_line.user_errors():
                    raise error

            self.assertEqual(self._failed(raising)[0], 1)
        with self.assertRaises(TypeError), command_line.user_errors():
            raise TypeError("a defect keeps its traceback")

    def test_a_configuration_of_keras_that_is_no_json(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        for text in ("{", "[" * 100_000):
            (folder / "keras.json").write_text(text)
            with mock.patch.dict(os.environ, {"KERAS_HOME": str(folder)}):
                with self.assertRaisesRegex(ValueError, f"^{folder}/keras.json is not JSON .*mend"):
                    command_line._check_keras()

    def test_the_home_of_keras_is_found_as_keras_does(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "own").mkdir()
        (folder / "own" / "keras.json").write_text('{"backend": "jax"}')
        home = {"HOME": str(folder), "KERAS_HOME": "~/own", "KERAS_BACKEND": ""}
        with mock.patch.dict(os.environ, home):
            with self.assertRaisesRegex(ValueError, f"got jax from {folder}/own/keras.json$"):
                command_line._check_keras()
        with (
            mock.patch.dict(os.environ),
            mock.patch(
                "pwd.getpwuid", side_effect=KeyError("a user that the system does not know")
            ),
        ):
            for name in home:
                os.environ.pop(name, None)
            command_line._check_keras()


if __name__ == "__main__":
    absltest.main()
