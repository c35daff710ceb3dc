"""Tests of kdcl_tf.programs.command_line, and of flag errors in processes of the programs."""

import contextlib
import io
import subprocess
import sys
import weakref

from absl.testing import absltest, parameterized

from kdcl_tf.programs import command_line

_TRAIN, _EVALUATE = "kdcl_tf.train", "kdcl_tf.evaluate"
_EXPORT, _DETECT = "kdcl_tf.export", "kdcl_tf.detect"

# Ends the process with the lines it wrote, and tells on stdout of slow imports.
_PROGRAM = """
import atexit, runpy, sys
slow = ("tensorflow", "keras", "tensorflow_datasets", "sklearn", "matplotlib")
atexit.register(lambda: print("IMPORTED", sorted(set(slow) & set(sys.modules))))
module = sys.argv.pop(1)
sys.argv[0] = "kdcl-" + module.split(".")[1]
__import__("importlib").import_module(module).cli()
"""


def _run(module, *arguments, cwd=None):
    command = [sys.executable, "-c", _PROGRAM, module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd, check=False)


class FlagErrorsTest(parameterized.TestCase):
    @parameterized.parameters(
        (_TRAIN, ["--students=resnet8,vgg"], "unknown student 'vgg': wanted"),
        (_TRAIN, ["--students=resnet30"], "depth must be 6n+2 .*nearest are resnet26 and resnet32"),
        (_TRAIN, ["--students="], "--students got no names"),
        (_TRAIN, ["--ensemble=mean"], "value should be one of <naive|linear|min_logit|general>"),
        (_TRAIN, ["--dataset=folder:"], "expected folder:PATH"),
        (_TRAIN, ["--dataset=two words"], "expected digits, folder:PATH, tfrecord:PATH or a TFDS name"),
        (_TRAIN, ["--epoch=3"], "Unknown command line flag 'epoch'. Did you mean: epochs"),
        (_TRAIN, ["--epochs=many"], "--epochs=many"),
        (_TRAIN, ["--epochs=0"], "--epochs=0: wanted at least 1"),
        (_TRAIN, ["--momentum=1"], "--momentum=1.0: wanted from 0 to below 1"),
        (_TRAIN, ["--learning_rate=nan"], "--learning_rate=nan: wanted more than 0"),
        (_TRAIN, ["--milestones=20,x"], "--milestones=20,x: wanted whole numbers of epochs"),
        (_TRAIN, ["--milestones=30,20"], "wanted rising numbers of epochs"),
        (_TRAIN, ["--checkpoint_seconds=-1"], "--checkpoint_seconds=-1"),
        (
            _TRAIN,
            ["--ensemble=general", "--holdout_per_class=0"],
            "--ensemble=general fits its weights to held-out",
        ),
        (_TRAIN, ["epochs=3"], "got 'epochs=3', which is no flag; wanted --name=value"),
        (_TRAIN, ["--flagfile=no/such.flags"], "no/such.flags"),
        (_TRAIN, ["--workdir=/dev/null/run"], "--workdir=/dev/null/run cannot be written to"),
        (_EVALUATE, [], "wanted exactly one of --workdir and --model"),
        (_EVALUATE, ["--workdir=a", "--model=b"], "wanted exactly one of --workdir and --model"),
        (_EVALUATE, ["--workdir=no/run"], "--workdir=no/run has no exported students"),
        (_EVALUATE, ["--model=x", "--output=no/such/file"], "there is no folder no/such"),
        (_EVALUATE, ["--model=x", "--output=/"], "--output=/: got a folder, wanted the name of a"),
        (_EVALUATE, ["--split=validation"], "value should be one of <test|train>"),
        (_EXPORT, [], "wanted --workdir, the folder of a run"),
        (_EXPORT, ["--workdir=no/run"], "no/run is no run of kdcl-train: it has no flags.txt"),
        (_EXPORT, ["--workdir=x", "--format=onnx"], "value should be one of <saved_model|keras"),
    )
    def test_one_line_and_no_tensorflow(self, module, arguments, message):
        finished = _run(module, *arguments, cwd=self.create_tempdir().full_path)
        self.assertEqual(finished.returncode, 1)
        self.assertEqual(finished.stdout, "IMPORTED []\n")
        self.assertEqual(finished.stderr.count("\n"), 1, finished.stderr)
        self.assertStartsWith(finished.stderr, f"kdcl-{module.split('.')[1]}: ")
        # "|" and "<" are in the messages themselves.
        pattern = message.replace("|", r"\|").replace("+", r"\+").replace("(", r"\(")
        self.assertRegex(finished.stderr, pattern)

    @parameterized.parameters(
        (_TRAIN, "--help", ["--[no]invariant", "--learning_rate", "Try --helpfull"]),
        (_TRAIN, "--helpshort", ["--[no]invariant"]),
        (_TRAIN, "--helpfull", ["--[no]invariant", "--[no]logtostderr"]),
        (_EVALUATE, "--help", ["--split"]),
        (_EXPORT, "-?", ["--format"]),
        (_DETECT, "--help", ["--backbone", "--least_score"]),
    )
    def test_help_lists_the_flags_imports_nothing_slow_and_is_no_failure(self, module, flag, lines):
        finished = _run(module, flag)
        self.assertEqual((finished.stderr, finished.returncode), ("", 0))
        for line in lines:
            self.assertIn(line, finished.stdout)
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

    def test_user_errors_are_those_of_bad_input(self):
        for error in (ValueError("bad"), FileNotFoundError("bad")):

            def raising(error=error):
                with command_line.user_errors():
                    raise error

            self.assertEqual(self._failed(raising)[0], 1)
        with self.assertRaises(TypeError), command_line.user_errors():
            raise TypeError("a defect keeps its traceback")


if __name__ == "__main__":
    absltest.main()
