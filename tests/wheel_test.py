"""Tests of the wheel: what it carries, and that it works from an empty folder, without a clone."""

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

import numpy as np
import pytest
from absl.testing import absltest
from PIL import Image

from tests import class_folder

_ROOT = pathlib.Path(__file__).parents[1]
# What a wheel is made of.
_SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "kdcl_tf", "flags")
_FLAGFILES = sorted(f"kdcl_tf/{path.relative_to(_ROOT)}" for path in _ROOT.glob("flags/*/*.flags"))
_SMALL = (
    "--dataset=digits",
    "--students=resnet8,wrn_10_1",
    "--train_per_class=4",
    "--holdout_per_class=1",
    "--batch_size=10",
    "--epochs=1",
    "--milestones=",
)


def _run(*command, cwd, **environment):
    """A process that finds no clone through its environment."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _copied(folder):
    for name in _SOURCES:
        source = _ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    return folder


def _wheel(project, folder):
    """The wheel of a project, made without another download."""
    options = ("--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    done = _run(sys.executable, "-m", "pip", "wheel", *options, ".", cwd=project)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def _installed(wheel, venv):
    """The folder of programs of an environment with this wheel, and the packages of this one."""
    _run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=venv.parent)
    python = venv / "bin" / "python"
    install = ("install", "--no-deps", "--no-index", wheel)
    done = _run(sys.executable, "-m", "pip", "--python", python, *install, cwd=venv.parent)
    assert done.returncode == 0, done.stderr
    own = next(venv.glob("lib/python*/site-packages"))
    # After its own, and without what makes a clone importable.
    others = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (own / "others.pth").write_text("".join(f"{path}\n" for path in others))
    return venv / "bin"


class WheelTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = class_folder.make(cls)
        (cls.folder / "project").mkdir()
        cls.project = _copied(cls.folder / "project")
        # Of a build before a module was removed.
        (cls.project / "build" / "lib" / "kdcl_tf").mkdir(parents=True)
        (cls.project / "build" / "lib" / "kdcl_tf" / "gone.py").touch()
        cls.wheel = _wheel(cls.project, cls.folder)

    def test_it_carries_all_flagfiles_and_types_but_no_tests(self):
        with zipfile.ZipFile(self.wheel) as archive:
            names = archive.namelist()
            for name in _FLAGFILES:
                self.assertEqual(archive.read(name).decode(), (_ROOT / name[8:]).read_text())
        self.assertEqual(sorted(name for name in names if name.endswith(".flags")), _FLAGFILES)
        self.assertIn("kdcl_tf/py.typed", names)
        folders = {name.partition("/")[0] for name in names}
        self.assertLen(folders, 2, folders)
        modules = {str(path.relative_to(_ROOT)) for path in (_ROOT / "kdcl_tf").rglob("*.py")}
        self.assertEqual({name for name in names if name.endswith(".py")}, modules)

    @pytest.mark.slow
    def test_a_wheel_of_the_source_archive_carries_the_same(self):
        done = _run(sys.executable, "setup.py", "-q", "sdist", cwd=self.project)
        self.assertEqual(done.returncode, 0, done.stderr)
        unpacked = self.folder / "unpacked"
        (archive,) = (self.project / "dist").glob("*.tar.gz")
        with tarfile.open(archive) as source:
            source.extractall(unpacked, filter="data")
        (unpacked / "wheel").mkdir()
        wheel = _wheel(next(unpacked.glob("kdcl_tf-*")), unpacked / "wheel")
        with zipfile.ZipFile(wheel) as again, zipfile.ZipFile(self.wheel) as first:
            self.assertEqual(sorted(again.namelist()), sorted(first.namelist()))

    @pytest.mark.slow
    def test_it_is_used_from_an_empty_folder(self):
        programs = _installed(self.wheel, self.folder / "venv")
        empty = self.folder / "empty"
        empty.mkdir()

        def run(program, *arguments):
            done = _run(programs / program, *arguments, cwd=empty)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout

        where = run("python", "-c", "import kdcl_tf; print(kdcl_tf.__file__)")
        self.assertStartsWith(where, str(self.folder / "venv"))
        for program in ("train", "evaluate", "predict", "export", "detect", "reproduce"):
            self.assertIn("kdcl:cifar100/general_icl", run(f"kdcl-{program}", "--help"))
        flagfile = "--flagfile=kdcl:cifar100/general_icl"
        self.assertIn("plot: run/", run("kdcl-train", flagfile, *_SMALL, "--workdir=run"))
        Image.fromarray(np.full([32, 32, 3], 128, np.uint8)).save(empty / "grey.png")
        seen = run("kdcl-predict", "--model=run/students/resnet8", "--image=grey.png")
        self.assertIn("grey.png", seen)
        made = run(
            "kdcl-reproduce", "--table=10", "--scale=digits", "--seeds=1", "--rows=cutout_vanilla"
        )
        self.assertIn("runs/table10_digits/report.html", made)
        done = _run(programs / "kdcl-train", "--flagfile=kdcl:cifar100/general_ikl", cwd=empty)
        self.assertIn("did you mean kdcl:cifar100/general_icl", done.stderr)
        self.assertCountEqual(os.listdir(empty), ["run", "grey.png", "runs"])


if __name__ == "__main__":
    absltest.main()
