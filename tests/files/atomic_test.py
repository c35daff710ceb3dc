"""Tests of kdcl_tf.files.atomic."""

import errno
import multiprocessing
import os
import pathlib
import resource
import signal
import subprocess
import sys
from unittest import mock

from absl.testing import absltest, parameterized

from kdcl_tf import files
from kdcl_tf.files import atomic

# Ends the process, as a kill does, just before or after the nth call of a function of `os`.
_KILLED = """
import os, sys
from kdcl_tf import files

function, when, number, kind, path = sys.argv[1:]
original, calls = getattr(os, function), 0

def killed(*args, **kwargs):
    global calls
    calls += 1
    if calls == int(number) and when == "before":
        os._exit(9)
    result = original(*args, **kwargs)
    if calls == int(number):
        os._exit(9)
    return result

setattr(os, function, killed)
if kind == "file":
    files.write_text(path, "new")
else:
    with files.replaced_folder(path) as partial:
        (partial / "inner").mkdir()
        (partial / "inner" / "text").write_text("new")
"""


def _moments(function, count):
    return [
        (function, when, number) for number in range(1, count + 1) for when in ("before", "after")
    ]


class FilesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.path = self.folder / "result.json"

    def _names(self):
        return sorted(path.name for path in self.folder.iterdir())

    def _write_folder(self, text):
        with files.replaced_folder(self.path) as partial:
            (partial / "inner").mkdir()
            (partial / "inner" / "text").write_text(text)

    def _write(self, kind, text):
        files.write_text(self.path, text) if kind == "file" else self._write_folder(text)

    def _read(self, kind):
        path = self.path if kind == "file" else self.path / "inner" / "text"
        return path.read_text()

    @parameterized.parameters("file", "folder")
    def test_the_new_one_takes_the_place_of_the_old(self, kind):
        for text in ("old", "new \u00e9"):
            self._write(kind, text)
            self.assertEqual(self._read(kind), text)
            self.assertEqual(self._names(), ["result.json"])

    def test_a_folder_has_nothing_of_the_one_before(self):
        self._write_folder("old")
        (self.path / "more").write_text("")
        self._write_folder("new")
        self.assertEqual([each.name for each in self.path.iterdir()], ["inner"])

    def test_what_is_written_is_hidden_and_a_file_has_its_final_name(self):
        hidden = r"^\.partial-[0-9a-f]{8}-result\.json$"
        with files.replaced_file(self.path) as partial:
            partial.touch()
            self.assertEqual(partial.name, self.path.name)
            self.assertRegex(partial.parent.name, hidden)
            self.assertEqual(partial.parents[1], self.folder)
        with files.replaced_folder(self.path.with_name("result.json")) as partial:
            self.assertRegex(partial.name, hidden)
            self.assertEqual(partial.parent, self.folder)

    def test_a_file_has_the_permissions_of_any_other(self):
        (self.folder / "other").write_text("")
        files.write_text(self.path, "")
        self.assertEqual(self.path.stat().st_mode, (self.folder / "other").stat().st_mode)

    def test_text_that_cannot_be_encoded_leaves_the_old_file(self):
        files.write_text(self.path, "old")
        with self.assertRaises(UnicodeEncodeError):
            files.write_text(self.path, "new \ud800")
        self.assertEqual((self.path.read_text(), self._names()), ("old", ["result.json"]))

    @parameterized.product(
        kind=("file", "folder"), error=(ValueError, KeyboardInterrupt), there=(True, False)
    )
    def test_an_error_inside_leaves_the_old_one(self, kind, error, there):
        if there:
            self._write(kind, "old")
        replaced = files.replaced_file if kind == "file" else files.replaced_folder
        with self.assertRaises(error), replaced(self.path) as partial:
            (partial if kind == "file" else partial / "text").write_text("half")
            raise error
        self.assertEqual(self._names(), ["result.json"] if there else [])
        if there:
            self.assertEqual(self._read(kind), "old")

    @parameterized.product(
        kind=("file", "folder"), function=("fsync", "rename", "replace"), number=(1, 2, 3, 4)
    )
    def test_an_error_of_the_system_leaves_the_old_or_the_new_one(self, kind, function, number):
        self._write(kind, "old")
        original, calls = getattr(os, function), []

        def failing(*args):
            calls.append(args)
            if len(calls) == number:
                raise OSError(errno.ENOSPC, "No space left on device")
            return original(*args)

        with mock.patch.object(os, function, failing):
            failed = False
            try:
                self._write(kind, "new")
            except OSError:
                failed = True
        # A fault after the last rename is told, too, but then the new one is there.
        self.assertIn(self._read(kind), ("old", "new") if failed else ("new",))
        self._write(kind, "newest")
        self.assertEqual((self._read(kind), self._names()), ("newest", ["result.json"]))

    def test_a_full_disk_leaves_the_old_one(self):
        files.write_text(self.path, "old")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            with self.assertRaises(OSError):
                files.write_text(self.path, "new" * 1000)
            with self.assertRaises(OSError), files.replaced_folder(self.folder / "more") as partial:
                (partial / "text").write_text("new" * 1000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, handler)
        self.assertEqual((self.path.read_text(), self._names()), ("old", ["result.json"]))

    def test_where_nothing_can_be_made(self):
        for folder in (self.folder / "absent", pathlib.Path("/dev/null"), pathlib.Path("/proc")):
            with self.assertRaises(OSError):
                files.write_text(folder / "text", "")
            with self.assertRaises(OSError):
                files.check_writable(folder)
        with self.assertRaises(OSError), files.replaced_folder("/dev/null/folder"):
            self.fail("the block is not entered")
        files.check_writable(self.folder)
        self.assertEmpty(self._names())

    def test_a_file_is_not_written_over_a_folder(self):
        self._write_folder("old")
        with self.assertRaises(OSError):
            files.write_text(self.path, "new")
        self.assertEqual((self._read("folder"), self._names()), ("old", ["result.json"]))

    @parameterized.parameters(
        *[("file", *each) for each in _moments("replace", 1) + _moments("fsync", 2)],
        *[("folder", *each) for each in _moments("rename", 3) + _moments("fsync", 4)],
        ("file", "mkdir", "after", 1),
        ("folder", "mkdir", "after", 2),
    )
    def test_a_process_killed_at_any_moment(self, kind, function, when, number):
        self._write(kind, "old")
        arguments = [function, when, str(number), kind, str(self.path)]
        done = subprocess.run([sys.executable, "-c", _KILLED, *arguments], check=False)
        self.assertEqual(done.returncode, 9)
        files.recover(self.folder)
        self.assertIn(self._read(kind), ("old", "new"))
        files.clean(self.folder)
        self.assertIn(self._read(kind), ("old", "new"))
        self.assertEqual(self._names(), ["result.json"])

    def test_between_the_renames_the_next_write_and_readers_find_the_old_one(self):
        self._write_folder("old")
        arguments = ["rename", "after", "1", "folder", str(self.path)]
        subprocess.run([sys.executable, "-c", _KILLED, *arguments], check=False)
        self.assertFalse(self.path.exists())
        with self.assertRaises(ValueError), files.replaced_folder(self.path):
            self.assertEqual(self._read("folder"), "old")
            raise ValueError
        self.assertEqual((self._read("folder"), self._names()), ("old", ["result.json"]))

    def test_what_is_half_removed_is_not_put_back(self):
        for number in ("2", "3"):
            self._write_folder("old")
            arguments = ["rename", "after", number, "folder", str(self.path)]
            subprocess.run([sys.executable, "-c", _KILLED, *arguments], check=False)
            self.assertEqual(self._read("folder"), "new")
            files.clean(self.folder)
            files.remove(self.path)
            files.recover(self.folder)
            self.assertEmpty(self._names())

    def test_everything_is_synced_before_it_is_renamed_and_its_folder_after(self):
        events, original = [], os.fsync

        def fsync(handle):
            events.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))[-11:])
            return original(handle)

        def renaming(function):
            def rename(old, new):
                events.append("RENAME")
                return function(old, new)

            return rename

        with (
            mock.patch.object(os, "fsync", fsync),
            mock.patch.object(os, "replace", renaming(os.replace)),
            mock.patch.object(os, "rename", renaming(os.rename)),
        ):
            files.write_text(self.path, "text")
            self.assertEqual(events, ["result.json", "RENAME", self.folder.name[-11:]])
            self.path.unlink()
            events.clear()
            self._write_folder("old")
            inside = ["text", "inner", "result.json"]
            self.assertEqual(events, [*inside, "RENAME", self.folder.name[-11:]])
            events.clear()
            self._write_folder("new")
            self.assertEqual(
                events, [*inside, "RENAME", "RENAME", self.folder.name[-11:], "RENAME"]
            )

    def test_what_another_live_process_writes_is_left_alone(self):
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_write_slowly, args=(self.path, theirs))
        process.start()
        ours.recv()
        (partial,) = self._names()
        files.write_text(self.path, "ours")
        files.clean(self.folder)
        self.assertEqual(self._names(), [partial, "result.json"])
        ours.send("go on")
        process.join()
        self.assertEqual(process.exitcode, 0)
        self.assertEqual((self.path.read_text(), self._names()), ("theirs", ["result.json"]))

    def test_what_others_left_is_removed_by_its_own_name_or_by_clean(self):
        mine, other = (f".partial-0123abcd-{name}" for name in ("result.json", "x.keras"))
        strangers = [".partial-result.json", "partial-0123abcd-x", ".hidden", "x.partial"]
        for name in strangers:
            (self.folder / name).write_text("")
        for name in (mine, other):
            (self.folder / name).mkdir()
            (self.folder / name / "half").write_text("")
        files.write_text(self.path, "whole")
        self.assertCountEqual(self._names(), [other, *strangers, "result.json"])
        files.clean(self.folder)
        self.assertCountEqual(self._names(), [*strangers, "result.json"])

    def test_removing_is_whole_too(self):
        self._write_folder("old")
        with mock.patch.object(atomic.shutil, "rmtree"):
            files.remove(self.path)
        self.assertFalse(self.path.exists())
        files.clean(self.folder)
        self.assertEmpty(self._names())

    def test_a_folder_that_is_not_there_is_clean(self):
        files.clean(self.folder / "absent")
        files.recover(self.folder / "absent")
        self.assertFalse((self.folder / "absent").exists())

    def test_it_imports_only_the_standard_library(self):
        program = (
            "import sys; from kdcl_tf import files; "
            "print({'tensorflow', 'keras', 'numpy', 'absl'} & set(sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual(done.stdout.strip(), "set()", done.stderr)


def _write_slowly(path, pipe):
    with files.replaced_file(path) as partial:
        partial.write_text("theirs")
        pipe.send("begun")
        pipe.recv()


if __name__ == "__main__":
    absltest.main()
