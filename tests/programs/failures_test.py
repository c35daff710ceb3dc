"""Tests of kdcl_tf.programs.failures."""

import contextlib
import errno
import importlib
import io
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
from unittest import mock

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf import files
from kdcl_tf.files.identity import DamageError
from kdcl_tf.programs import failures

_PROGRAM = """
import sys, time
from kdcl_tf.programs import failures
with failures.in_one_line(), failures.stopped_by_signals():
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("cleaned", flush=True)
"""

# Standard error is held back as libraries' notices are, and what a handler raises is lost as C++
# may lose it.
_WITH_TENSORFLOW = """
import contextlib, os, pathlib, sys, time
import tensorflow
from kdcl_tf import files
from kdcl_tf.programs import failures
with failures.in_one_line(), failures.stopped_by_signals():
    with files.replaced_file(pathlib.Path(sys.argv[1]) / "numbers.csv") as partial:
        partial.write_text("half")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        print("ready", flush=True)
        with contextlib.suppress(BaseException):
            time.sleep(60)
        print("not reached")
"""

_UNWINDING = f"""
import tensorflow
from kdcl_tf import files
with files.unwinding():
{textwrap.indent(_PROGRAM, "    ")}
"""


# A run that is begun refuses other numbers of either.
_LESS_MEMORY_OF_RUNS = (
    "pass a smaller --batch_size, or more --accumulation_steps, to a new --workdir"
)


def _default_signals():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class FailuresTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        failures.keep_tracebacks_in(self.folder)
        self.addCleanup(failures._folder.clear)

    def _told(self, error):
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr):
            with self.assertRaises(SystemExit) as stop, failures.in_one_line():
                raise error
        self.assertEqual(stop.exception.code, 1)
        line = stderr.getvalue()
        self.assertEqual(line.count("\n"), 1)
        return line.partition(": ")[2].strip()

    @parameterized.parameters(
        (DamageError("file x is damaged"), "^file x is damaged$"),
        (
            OSError(errno.ENOSPC, "No space left on device", "a/b"),
            r"^the disk is full, or its limit is reached \(.*a/b'\): free",
        ),
        (
            RuntimeError("write failed: No space left on device\nmore"),
            r"^the disk is full, .*\(write",
        ),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "^the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), "^a/b: Permission denied$"),
        (FileNotFoundError(errno.ENOENT, "No such file", b"\xff"), r"^\\xff: No such file$"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/a\nb\u2028c  d \udcff"),
            r"^/a\\nb\\u2028c  d \\xff: Permission denied$",
        ),
        (
            NotADirectoryError(errno.ENOTDIR, "Not a directory", "a\r\n  b"),
            r"got a\\r\\n  b, where",
        ),
        (OSError(errno.EBADF, "Bad file descriptor", 7), "^7: Bad file descriptor$"),
        (DamageError("'a  b' is\n  damaged: \r\n\n mend it \n"), "^'a  b' is damaged: mend it$"),
        (FileExistsError(errno.EEXIST, "File exists", "a/b"), "a folder; got a/b, where a file is"),
        (
            NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"),
            "got a/b, where a file is in",
        ),
        (OSError(errno.EFBIG, "File too large"), "^the disk is full, or its limit is reached"),
        (RuntimeError("Could not determine home directory."), "^a path begins with ~ and a user"),
        (
            FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp', '/']"),
            r"^no folder for temporary files can be written to \(.*'/tmp', '/'\]\): .* set TMPDIR to",
        ),
        (MemoryError(), r"^memory is full \(MemoryError\): end other programs, or use a machine"),
    )
    def test_what_any_phase_may_meet_has_its_words(self, error, line):
        self.assertRegex(self._told(error), line)
        self.assertEmpty(list(self.folder.iterdir()))

    @parameterized.parameters(
        ("train", (), f": {_LESS_MEMORY_OF_RUNS}$"),
        ("detect", (), f": {_LESS_MEMORY_OF_RUNS}$"),
        ("detect", ("--mode=evaluate",), ": end other programs, or use a machine with more$"),
        ("evaluate", (), ": pass a smaller --batch_size$"),
        ("predict", (), ": pass a smaller --batch_size$"),
        ("export", (), ": end other programs, or use a machine with more$"),
    )
    def test_a_full_memory_has_advice_that_the_program_can_follow(self, door, arguments, line):
        values = flags.FlagValues()
        importlib.import_module(f"kdcl_tf.{door}").define_flags(values)
        values([door, *arguments])
        with mock.patch.object(failures.flags, "FLAGS", values):
            self.assertRegex(self._told(MemoryError()), line)

    def test_a_defect_keeps_its_traceback_in_the_workdir(self):
        line = self._told(KeyError("inside\nout"))
        self.assertEqual(
            line,
            rf"unexpected KeyError: 'inside\nout'; its traceback is in {self.folder / 'error.txt'}",
        )
        text = (self.folder / "error.txt").read_text()
        self.assertIn("raise error", text)
        self.assertIn("KeyError", text)

    def test_without_a_workdir_it_is_kept_in_the_temporary_folder(self):
        failures.keep_tracebacks_in(self.folder / "gone")
        place = pathlib.Path(self._told(AssertionError("x")).partition(" is in ")[2])
        self.addCleanup(place.unlink)
        self.assertIn("AssertionError: x", place.read_text())

    def test_no_temporary_folder_is_asked_for_where_the_workdir_takes_the_traceback(self):
        with mock.patch.object(failures.tempfile, "gettempdir", side_effect=FileNotFoundError):
            self.assertEndsWith(self._told(KeyError("x")), f"is in {self.folder / 'error.txt'}")
            failures.keep_tracebacks_in(self.folder / "gone")
            line = self._told(KeyError("x"))
        self.assertEqual(line, "unexpected KeyError: 'x'; its traceback could not be written")

    @parameterized.parameters(
        ("command_line.import_tensorflow()", "^-c: no folder for temporary files can be written"),
        ("files.temporary_folder().__enter__()", "^-c: no folder for temporary files can be"),
        ("1 / 0", "^-c: unexpected ZeroDivisionError: .*; its traceback could not be written$"),
    )
    def test_a_disk_that_takes_names_but_no_bytes_is_told_in_a_line(self, call, line):
        program = (
            "from kdcl_tf import files\nfrom kdcl_tf.programs import command_line\n"
            f"command_line.run(lambda values: None, lambda values: {call})\n"
        )
        command = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual((done.stdout, done.returncode), ("", 1))
        self.assertRegex(done.stderr.removesuffix("\n"), line)
        self.assertEqual(done.stderr.count("\n"), 1)

    @parameterized.parameters(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    def test_a_signal_ends_it_in_a_line_and_cleans_up(self, number):
        process = self._start()
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual((stdout, process.returncode), ("cleaned\n", 128 + number))
        self.assertRegex(stderr, f"^-c: stopped by {number.name}; nothing is half-written[^\n]*\n$")

    def test_a_program_that_has_tensorflow_ends_at_once_whatever_is_lost(self):
        process = self._start(program=_WITH_TENSORFLOW, argument=str(self.folder))
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual((stdout, process.returncode), ("", 130))
        line = stderr.splitlines()[-1]
        self.assertStartsWith(line, "-c: stopped by SIGINT; nothing is half-written")
        self.assertEmpty(list(self.folder.iterdir()))

    def test_it_raises_where_a_library_cleans_up_itself(self):
        process = self._start(program=_UNWINDING)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual((stdout, process.returncode), ("cleaned\n", 130))
        self.assertStartsWith(stderr.splitlines()[-1], "-c: stopped by SIGINT; nothing is")

    def test_an_error_that_a_signal_became_is_told_as_the_signal(self):
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr), self.assertRaises(SystemExit) as stop:
            # This process has TensorFlow, perhaps.
            with failures.in_one_line(), failures.stopped_by_signals(), files.unwinding():
                try:
                    os.kill(os.getpid(), signal.SIGTERM)
                except failures.Stopped as stopped:
                    raise ImportError("initialization failed") from stopped
        self.assertEqual(stop.exception.code, 143)
        self.assertRegex(stderr.getvalue(), "stopped by SIGTERM; nothing is half-written")
        self.assertRegex(self._told(ImportError("no such module")), "^unexpected ImportError")

    def test_a_signal_that_is_lost_on_the_way_is_told_at_the_end(self):
        stderr = io.StringIO()
        with contextlib.redirect_stderr(stderr), self.assertRaises(SystemExit) as stop:
            with failures.in_one_line(), failures.stopped_by_signals(), files.unwinding():
                # As C++ does that calls Python and drops what it raises.
                with contextlib.suppress(failures.Stopped):
                    os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual(stop.exception.code, 143)
        self.assertRegex(stderr.getvalue(), "stopped by SIGTERM; nothing is half-written")

    def test_a_signal_that_nohup_ignores_stays_ignored(self):
        process = self._start("trap '' HUP; exec ")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 143)

    def test_handlers_are_those_of_before_and_none_replaces_what_is_ignored(self):
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
        self.addCleanup(lambda: [signal.signal(*each) for each in before.items()])
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        seen = []
        with failures.handled_by(lambda number, _: seen.append(number)):
            for number in before:
                os.kill(os.getpid(), number)
        self.assertEqual(seen, [signal.SIGTERM])
        self.assertEqual(signal.getsignal(signal.SIGTERM), before[signal.SIGTERM])
        self.assertEqual(signal.getsignal(signal.SIGHUP), signal.SIG_IGN)

    def _start(self, prefix="exec ", program=_PROGRAM, argument=""):
        # Signals that whoever started the tests ignores are not to be ignored here.
        process = subprocess.Popen(
            ["sh", "-c", f'{prefix}"$0" -c "$1" "$2"', sys.executable, program, argument],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_default_signals,
        )
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process


if __name__ == "__main__":
    absltest.main()
