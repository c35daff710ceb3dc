"""Tests of kdcl_tf.programs.flagfiles."""

import pathlib

from absl.testing import absltest, parameterized

from kdcl_tf.programs import flagfiles


class FlagfilesTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "a.flags"

    @parameterized.parameters(
        ("--epochs=3\n".encode("utf-16"), "is UTF-16: save it as UTF-8"),
        ("--epochs=3\n".encode("utf-16-le"), "is no text: expected UTF-8, a flag on each line"),
        ("--epochs=3\n".encode("utf-8-sig"), "starts with a byte order mark: save it as UTF-8"),
        ("--dataset=caf\xe9\n".encode("latin-1"), r"is not UTF-8 \(byte 13 is 0xe9\): save it as"),
        (bytes(range(256)), "is no text"),
    )
    def test_what_is_no_text_is_refused(self, content, message):
        self.path.write_bytes(content)
        for arguments in ([f"--flagfile={self.path}"], ["--flagfile", str(self.path)]):
            with self.assertRaisesRegex(ValueError, f"^flagfile {self.path} {message}"):
                flagfiles.check(arguments)

    def test_those_that_it_names_are_read_too(self):
        inner = self.path.with_name("inner.flags")
        self.path.write_text(f"# comment\n--flagfile={inner}\n")
        with self.assertRaises(FileNotFoundError):
            flagfiles.check([f"--flagfile={self.path}"])
        inner.write_bytes(b"\0")
        with self.assertRaisesRegex(ValueError, f"flagfile {inner} is no text"):
            flagfiles.check([f"--flagfile={self.path}"])
        inner.write_text(f"--flagfile={self.path}\n")
        with self.assertRaisesRegex(ValueError, f"^flagfile {self.path} includes itself"):
            flagfiles.check([f"--flagfile={self.path}"])

    def test_what_is_no_file_or_too_much_is_refused(self):
        with self.assertRaisesRegex(ValueError, "^expected --flagfile to be a regular file; got /dev/"):
            flagfiles.check(["--flagfile=/dev/stdin"])
        with self.assertRaisesRegex(ValueError, "~nobody_here/a is in the home of an unknown user"):
            flagfiles.check(["--flagfile=~nobody_here/a"])
        # In a line, and each the next one twice.
        for copies in (1, 2):
            paths = [self.path.with_name(f"{number}.flags") for number in range(30)]
            for path, inner in zip(paths, paths[1:]):
                path.write_text(f"--flagfile={inner}\n" * copies)
            paths[-1].write_text("--epochs=3\n")
            with self.assertRaisesRegex(ValueError, "include at most 200 others, 20 deep; got more"):
                flagfiles.check([f"--flagfile={paths[0]}"])

    def test_what_is_read_twice_without_a_circle_passes(self):
        self.path.write_text("--epochs=3\n--name=caf\u00e9\n")
        flagfiles.check([f"--flagfile={self.path}", "--epochs=4", f"--flagfile={self.path}"])
        flagfiles.check(["--", "--flagfile=nowhere"])


if __name__ == "__main__":
    absltest.main()
