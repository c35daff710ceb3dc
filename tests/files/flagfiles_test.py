"""Tests of kdcl_tf.files.flagfiles."""

import itertools
import os
import pathlib
import shutil

from absl.testing import absltest, parameterized

from kdcl_tf.files import flagfiles

_FLAGS = pathlib.Path(__file__).parents[2] / "flags"


class _InFolder(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.path = self.folder / "a.flags"


class ExpandedTest(_InFolder):
    def test_flags_stand_where_their_file_is_named(self):
        self.path.write_text(
            "# a comment\n\n  // another\n --epochs=3 \r\n--name=caf\u00e9\u2028x\n"
        )
        found = flagfiles.expanded(["--seed=1", f"--flagfile={self.path}", "--epochs=4"])
        self.assertEqual(found, ["--seed=1", "--epochs=3", "--name=caf\u00e9\u2028x", "--epochs=4"])
        self.assertEqual(flagfiles.expanded(["-flagfile", str(self.path), "x"])[-1], "x")
        self.assertEqual(flagfiles.expanded([]), [])

    def test_what_follows_two_dashes_is_no_flag(self):
        arguments = ["--seed=1", "--", "--flagfile=nowhere"]
        self.assertEqual(flagfiles.expanded(arguments), arguments)

    def test_one_that_another_names_is_looked_for_beside_it(self):
        inside = self.folder / "inside"
        inside.mkdir()
        self.path.write_text("--flagfile=inside/b.flags\n--last=1\n")
        (inside / "b.flags").write_text("--flagfile=c.flags\n--flagfile=../d.flags\n")
        (inside / "c.flags").write_text("--c=1\n")
        (self.folder / "d.flags").write_text("--d=1\n")
        # Of the same name where the program runs.
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "c.flags").write_text("--wrong=1\n")
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(elsewhere)
        for named in (self.path, "../a.flags"):
            found = flagfiles.expanded([f"--flagfile={named}"])
            self.assertEqual(found, ["--c=1", "--d=1", "--last=1"])

    def test_one_may_name_another_by_its_whole_path_or_one_of_ours(self):
        other = self.folder / "other.flags"
        other.write_text("--seed=1\n")
        self.path.write_text(f"--flagfile={other}\n--flagfile=kdcl:cifar100/recipe\n")
        found = flagfiles.expanded([f"--flagfile={self.path}"])
        self.assertEqual(found[0], "--seed=1")
        self.assertIn("--epochs=200", found)

    def test_what_is_read_twice_without_a_circle_passes(self):
        self.path.write_text("--epochs=3\n")
        found = flagfiles.expanded(
            [f"--flagfile={self.path}", "--epochs=4", f"--flagfile={self.path}"]
        )
        self.assertEqual(found, ["--epochs=3", "--epochs=4", "--epochs=3"])


class RefusedTest(_InFolder):
    @parameterized.parameters(
        ("--epochs=3\n".encode("utf-16"), "is UTF-16: save it as UTF-8"),
        ("--epochs=3\n".encode("utf-16-le"), "is no text: expected UTF-8, a flag on each line"),
        ("--epochs=3\n".encode("utf-8-sig"), "starts with a byte order mark: save it as UTF-8"),
        ("--dataset=caf\xe9\n".encode("latin-1"), r"is not UTF-8 \(byte 13 is 0xe9\): save it as"),
        (bytes(range(256)), "is no text"),
    )
    def test_what_is_no_text(self, content, message):
        self.path.write_bytes(content)
        for arguments in ([f"--flagfile={self.path}"], ["--flagfile", str(self.path)]):
            with self.assertRaisesRegex(ValueError, f"^flagfile {self.path} {message}"):
                flagfiles.expanded(arguments)

    def test_those_that_it_names_too(self):
        inner = self.path.with_name("inner.flags")
        self.path.write_text("# comment\n--flagfile=inner.flags\n")
        message = (
            f"^expected flagfile inner.flags, which {self.path} names, to be {inner}; got nothing"
        )
        with self.assertRaisesRegex(ValueError, message):
            flagfiles.expanded([f"--flagfile={self.path}"])
        inner.write_bytes(b"\0")
        with self.assertRaisesRegex(ValueError, "^flagfile inner.flags is no text"):
            flagfiles.expanded([f"--flagfile={self.path}"])
        inner.write_text(f"--flagfile={self.path}\n")
        with self.assertRaisesRegex(ValueError, f"^flagfile {self.path} includes itself"):
            flagfiles.expanded([f"--flagfile={self.path}"])

    def test_the_one_that_has_a_flag(self):
        self.path.write_text("--seed=1\n--flagfile=b.flags\n")
        (self.folder / "b.flags").write_text("-epochs=4\n--nofast\n")
        for arguments in (
            [f"--flagfile={self.path}"],
            ["--flagfile=kdcl:cifar100/recipe", "--flagfile", str(self.path)],
        ):
            self.assertEqual(flagfiles.that_has("seed", arguments), str(self.path))
        arguments = ["--method=kdcl", f"--flagfile={self.path}"]
        self.assertEqual(flagfiles.that_has("nofast", arguments), str(self.path))
        self.assertEqual(flagfiles.that_has("method", arguments), "")
        self.assertEqual(flagfiles.program_of(str(self.path)), "")

    def test_what_is_not_there_or_no_file(self):
        with self.assertRaisesRegex(
            FileNotFoundError,
            f"^expected --flagfile to be a file; got {self.path}, which is not there$",
        ):
            flagfiles.expanded([f"--flagfile={self.path}"])
        with self.assertRaisesRegex(FileNotFoundError, r"got x\\ny, which is not there$"):
            flagfiles.expanded(["--flagfile=x\ny"])
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        for named in ("cifar100/general_icl", "flags/cifar100/general_icl.flags"):
            with self.assertRaisesRegex(
                FileNotFoundError, r"there: did you mean kdcl:cifar100/general_icl\?$"
            ):
                flagfiles.expanded([f"--flagfile={named}"])
        for arguments in (["--flagfile="], ["--flagfile"]):
            with self.assertRaisesRegex(ValueError, "^expected --flagfile=FILE; got no file"):
                flagfiles.expanded(arguments)
        with self.assertRaisesRegex(
            ValueError, "^expected --flagfile to be a regular file; got /dev/"
        ):
            flagfiles.expanded(["--flagfile=/dev/stdin"])
        with self.assertRaisesRegex(ValueError, "~nobody_here/a is in the home of an unknown user"):
            flagfiles.expanded(["--flagfile=~nobody_here/a"])

    @parameterized.parameters(1, 2)
    def test_too_many_in_a_line_or_each_the_next_one_twice(self, copies):
        paths = [self.path.with_name(f"{number}.flags") for number in range(30)]
        for path, inner in itertools.pairwise(paths):
            path.write_text(f"--flagfile={inner.name}\n" * copies)
        paths[-1].write_text("--epochs=3\n")
        with self.assertRaisesRegex(ValueError, "include at most 200 others, 20 deep; got more"):
            flagfiles.expanded([f"--flagfile={paths[0]}"])


class OursTest(_InFolder):
    def test_every_file_in_flags_has_a_name_and_all_that_it_names_is_there(self):
        paths = sorted(_FLAGS.glob("*/*.flags"))
        self.assertEqual(flagfiles.folder(), _FLAGS)
        self.assertEqual(
            list(flagfiles.names()),
            sorted(f"kdcl:{path.parent.name}/{path.stem}" for path in paths),
        )
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        for name, path in zip(
            flagfiles.names(), sorted(paths, key=lambda path: path.with_suffix(""))
        ):
            found = flagfiles.expanded([f"--flagfile={name}"])
            self.assertNotEmpty(found, name)
            self.assertEqual(found, flagfiles.expanded([f"--flagfile={name}.flags"]))
            self.assertEqual(found, flagfiles.expanded([f"--flagfile={path}"]))

    def test_a_folder_beside_the_modules_is_preferred_as_in_a_wheel(self):
        package = self.folder / "kdcl_tf"
        (package / "files").mkdir(parents=True)
        shutil.copy(flagfiles.__file__, package / "files")
        for folder in (package, self.folder):
            (folder / "flags").mkdir()
        module = {"__file__": str(package / "files" / "flagfiles.py"), "__name__": "copied"}
        exec((package / "files" / "flagfiles.py").read_text(), module)
        self.assertEqual(module["folder"](), (package / "flags").resolve())

    @parameterized.parameters(
        ("cifar100/generl_icl", r"did you mean kdcl:cifar100/general_icl or "),
        ("general_icl", r"did you mean kdcl:cifar100/general_icl or "),
        ("cifar100/mask_resnet18.flags", r"did you mean kdcl:coco/mask_resnet18\b"),
        ("imagenet/finetune", r"did you mean kdcl:photographs/finetune\b"),
        ("photographs", r"name one of kdcl:photographs/finetune$"),
        (
            "",
            r"there are flagfiles in kdcl:cifar100/, kdcl:coco/, kdcl:imagenet/, kdcl:photographs/$",
        ),
        ("x/../../setup", r"there are flagfiles in "),
        ("quite/another", r"there are flagfiles in "),
    )
    def test_a_name_that_is_unknown_is_refused_with_those_that_are_near(self, name, message):
        expected = r"^expected a flagfile of kdcl_tf, such as kdcl:cifar100/general_icl; got kdcl:"
        with self.assertRaisesRegex(ValueError, f"{expected}{name}: {message}"):
            flagfiles.expanded([f"--flagfile=kdcl:{name}"])


if __name__ == "__main__":
    absltest.main()
