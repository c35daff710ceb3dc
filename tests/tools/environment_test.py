"""Tests of tools/environment.sh: when it installs what. Its pip is one that only tells.

The quickstart and the tests themselves run in environments that it made.
"""

import os
import pathlib
import shutil
import subprocess
import sys

from absl.testing import absltest

_ROOT = pathlib.Path(__file__).parents[2]


class EnvironmentTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        (self.folder / "tools").mkdir()
        shutil.copy(_ROOT / "tools" / "environment.sh", self.folder / "tools")
        shutil.copy(_ROOT / "setup.py", self.folder)
        programs = self.folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        (programs / "activate").write_text("echo active\n")
        self._write_python(programs, 'echo "$@" > arguments\nfor last; do :; done; echo "$last"')

    def _write_python(self, programs, told):
        """A Python that tells what it is given, but for a line of code, which it runs."""
        (programs / "python").write_text(
            f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} "$@"\n{told}\n'
        )
        (programs / "python").chmod(0o755)

    def _made(self, extras=None, **environment):
        """What is installed, then "active"."""
        environment = {**os.environ, **environment}
        environment.pop("KDCL_VENV", None)
        if extras is not None:
            environment["KDCL_EXTRAS"] = extras
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", ". tools/environment.sh"],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.stderr, "")
        told = ("Installing ", ".venv was made at another place")
        return [line for line in done.stdout.splitlines() if not line.startswith(told)]

    def test_a_script_adds_what_it_needs_and_takes_nothing_away(self):
        self.assertEqual(self._made(), [".", "active"])
        self.assertEqual(self._made(), ["active"])
        self.assertEqual(self._made("test,export"), [".[export,test]", "active"])
        self.assertEqual(self._made("export,test"), ["active"])
        self.assertEqual(self._made("test"), ["active"])
        self.assertEqual(self._made(""), ["active"])
        self.assertEqual(self._made("docs"), [".[docs,export,test]", "active"])

    def test_pip_compiles_only_where_python_would_not(self):
        self._made(PYTHONDONTWRITEBYTECODE="")
        self.assertIn(" --no-compile ", (self.folder / "arguments").read_text())
        self._made("test", PYTHONDONTWRITEBYTECODE="1")
        self.assertIn(" --compile ", (self.folder / "arguments").read_text())

    def test_it_installs_again_what_it_had_when_setup_py_has_changed(self):
        self._made("test")
        with (self.folder / "setup.py").open("a") as file:
            file.write("\n")
        self.assertEqual(self._made(), [".[test]", "active"])
        self.assertEqual(self._made(), ["active"])

    def test_what_was_made_before_it_kept_extras_is_made_again(self):
        (self.folder / ".venv" / ".installed").write_text("123 45\n")
        self.assertEqual(self._made("test"), [".[test]", "active"])

    def test_arguments_are_paths_in_the_folder_that_a_script_is_called_from(self):
        programs = self.folder / ".venv" / "bin"
        (programs / "activate").write_text(f"PATH={programs}:$PATH\n")
        self._write_python(programs, f'echo "$@" >> {self.folder}/arguments')
        for name in ("kdcl-train", "kdcl-detect"):
            program = programs / name
            program.write_text(f'#!/bin/sh\necho "$@" >> {self.folder}/arguments\n')
            program.chmod(0o755)
        caller = pathlib.Path(self.create_tempdir().full_path).resolve()
        own = self.folder.resolve()
        data, coco, out = (f"{caller}/{name}" for name in ("data", "coco", "out"))
        for script, given, expected in (
            ("quickstart", ["out"], [f"--workdir={out}\n"]),
            ("quickstart", ["/out"], ["--workdir=/out\n"]),
            ("quickstart", [], [f"--workdir={own}/runs/quickstart\n"]),
            ("one_epoch", ["data", "out"], [f"--data_dir={data} --workdir={out}/"]),
            ("one_epoch", ["/data"], [f"--data_dir=/data --workdir={own}/runs/one_epoch/"]),
            (
                "transfer",
                ["data", "coco", "out"],
                [f"={data} ", f"coco:{coco} ", f"={out}/cohort_2"],
            ),
        ):
            shutil.copy(_ROOT / "tools" / f"{script}.sh", self.folder / "tools")
            (self.folder / "arguments").unlink(missing_ok=True)
            command = ["bash", self.folder / "tools" / f"{script}.sh", *given]
            environment = {**os.environ, "KDCL_VENV": ".venv"}
            subprocess.run(command, cwd=caller, env=environment, check=True, capture_output=True)
            told = (self.folder / "arguments").read_text()
            for part in expected:
                self.assertIn(part, told, (script, given))

    def _refused(self, **environment):
        """The one line with which the environment is refused."""
        done = subprocess.run(
            ["bash", "-eu", "-c", ". tools/environment.sh"],
            cwd=self.folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr.count("\n"), 1)
        return done.stderr

    def _old_python(self):
        old = self.folder / "old"
        old.write_text("#!/bin/sh\n[ $1 = --version ] && echo Python 2.7 || exit 1\n")
        old.chmod(0o755)
        return str(old)

    def test_another_python_is_refused_in_one_line(self):
        shutil.rmtree(self.folder / ".venv")
        expected = "expected Python 3.10 to 3.13; got Python 2.7: set PYTHON to another one\n"
        self.assertEqual(self._refused(PYTHON=self._old_python()), expected)

    def test_another_python_than_that_of_the_environment_is_refused(self):
        self._made()
        here = ".".join(map(str, sys.version_info[:2]))
        self.assertRegex(
            self._refused(PYTHON=self._old_python()),
            f"^expected PYTHON to be the {here} that made .venv; got Python 2.7: remove .venv, or",
        )
        self.assertEqual(self._made(PYTHON=sys.executable), ["active"])

    def test_a_clone_that_was_moved_or_copied_installs_again(self):
        self._made("test")
        moved = self.folder.with_name(f"{self.folder.name} moved")
        self.folder.rename(moved)
        self.folder = moved
        self.addCleanup(shutil.rmtree, moved)
        # It makes the environment anew, with a Python that leaves such a one.
        ours = moved / ".venv"
        kept, python = moved / "kept", moved / "python3"
        shutil.copytree(ours, kept)
        python.write_text(
            f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} "$@"\ncp -r "{kept}" "$3"\n'
            'rm "$3/.installed"\n'
        )
        python.chmod(0o755)
        # There is no pip before.
        (kept / "bin" / "python").write_text(
            f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} "$@"\n'
            '[ "$3" = --version ] && exit 1\nfor last; do :; done; echo "$last"\n'
        )
        path = f"{moved}:{os.environ['PATH']}"
        self.assertEqual(self._made(PATH=path), [".[test]", "active"])
        self.assertEqual(self._made(PATH=path), ["active"])
        # As one whose place was not recorded, and that tells of another itself.
        (ours / ".installed").write_text(f"{self._sum()}\ntest\n")
        (ours / "bin" / "activate").write_text("VIRTUAL_ENV=/elsewhere/.venv\n")
        self.assertEqual(self._made(PATH=path), [".[test]", "active"])

    def _sum(self):
        with (self.folder / "setup.py").open() as file:
            return subprocess.run(
                "cksum", stdin=file, capture_output=True, text=True, check=True
            ).stdout.strip()

    def test_a_script_refuses_words_that_it_does_not_know(self):
        for script, given, told in (
            ("quickstart", ["--help"], "usage: quickstart.sh .FOLDER., .*; got --help"),
            ("quickstart", ["a", "b"], "usage: .*; got a b"),
            ("docs", ["--notebook"], "usage: docs.sh .--notebooks.; got --notebook"),
            ("lint", ["--fixx"], "usage: lint.sh .--fix.; got --fixx"),
            ("versions", ["lowest", "hihgest"], "expected lowest or highest; got hihgest"),
        ):
            done = subprocess.run(
                ["bash", str(_ROOT / "tools" / f"{script}.sh"), *given],
                cwd=self.folder,
                capture_output=True,
                text=True,
                check=False,
            )
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(done.stderr, f"^{told}\n$")

    def test_tests_that_are_named_are_run_alone(self):
        shutil.copy(_ROOT / "tools" / "test.sh", self.folder / "tools")
        (self.folder / ".venv" / "bin" / "activate").write_text('PATH="$PWD/.venv/bin:$PATH"\n')
        for given, expected in (
            (["-k", "linear"], "-m pytest tests -n 2 "),
            (["tests/cohort"], "-m pytest -n 2 "),
        ):
            self._made("test,detection,export")
            subprocess.run(["bash", "tools/test.sh", *given], cwd=self.folder, check=True)
            told = (self.folder / "arguments").read_text()
            self.assertStartsWith(told, expected)
            self.assertEndsWith(told, " ".join(given) + "\n")


if __name__ == "__main__":
    absltest.main()
