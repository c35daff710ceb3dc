"""Tests of kdcl_tf.files.streams, in processes with real pipes."""

import os
import subprocess
import sys

from absl.testing import absltest, parameterized

_PROGRAM = """
import os, sys, time
from kdcl_tf.files import streams
streams.keep_open()
print("first", flush=True)
sys.stdin.readline()
for number in range(20000):
    print("line", number)
    print("error", number, file=sys.stderr)
sys.stdout.flush()
assert os.open(os.devnull, os.O_RDONLY) > 2
with open(sys.argv[1], "w") as file:
    file.write("reached the end")
"""


class StreamsTest(parameterized.TestCase):
    @parameterized.parameters("stdout", "stderr")
    def test_a_reader_that_goes_ends_nothing(self, closed):
        path = self.create_tempfile().full_path
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        other = "stderr" if closed == "stdout" else "stdout"
        with open(path + ".other", "wb") as kept:
            if closed == "stderr":
                streams[other] = kept
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, path], stdin=subprocess.PIPE, **streams
            )
            getattr(process, closed).close()
            process.stdin.write(b"go\n")
            _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)
        with open(path) as file:
            self.assertEqual(file.read(), "reached the end")
        if closed == "stdout":
            self.assertEqual(errors.count(b"\n"), 20000)

    def test_output_that_a_full_disk_lost_is_told_at_the_end(self):
        program = (
            "import sys; from kdcl_tf.programs import command_line\n"
            "command_line.run(lambda values: None, lambda values: print('figures'))\n"
        )
        for arguments in ([], ["--help"], ["--helpfull"]):
            with open("/dev/full", "w") as full:
                done = subprocess.run(
                    [sys.executable, "-c", program, *arguments],
                    stdout=full,
                    stderr=subprocess.PIPE,
                    text=True,
                    check=False,
                )
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, "^-c: the disk is full, or its limit is reached .*\n$")

    def test_what_libraries_print_is_dropped_and_ours_is_not(self):
        program = (
            "import os, sys, warnings; from kdcl_tf.files import streams\n"
            "streams.keep_open()\n"
            "with streams.without_libraries():\n"
            "    os.write(2, b'library\\n'); warnings.warn('library')\n"
            "    print('ours', file=sys.stderr)\n"
            "os.write(2, b'after\\n'); print('ours again', file=sys.stderr)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        self.assertEqual(done.stderr, "ours\nafter\nours again\n")

    @parameterized.parameters(
        ("ascii", b"gn\\xfa \\u732b\n"),
        ("latin-1", b"gn\xfa \\u732b\n"),
        ("utf-8", "gn\u00fa \u732b\n".encode()),
    )
    def test_what_an_encoding_lacks_is_escaped(self, encoding, expected):
        program = (
            "from kdcl_tf.programs import command_line\n"
            "command_line.run(lambda values: None, lambda values: print('gn\\u00fa \\u732b'))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=False,
        )
        self.assertEqual((done.stdout, done.stderr, done.returncode), (expected, b"", 0))

    def test_only_what_decoders_print_of_a_folder_is_dropped(self):
        program = (
            "import os, sys; from kdcl_tf.files import streams\n"
            "streams.keep_open()\n"
            "for name in ('folder:x', 'digits', None):\n"
            "    with streams.quiet_reading(name):\n"
            "        os.write(2, b'decoder\\n'); print('skipped:', name, file=sys.stderr)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        self.assertEqual(
            done.stderr, "skipped: folder:x\ndecoder\nskipped: digits\ndecoder\nskipped: None\n"
        )

    def test_without_any_stream_the_numbers_are_kept(self):
        path = self.create_tempfile().full_path
        command = f"exec {sys.executable} -c '{_PROGRAM}' {path} <&- >&- 2>&-"
        self.assertEqual(subprocess.run(["sh", "-c", command], check=False).returncode, 0)
        with open(path) as file:
            self.assertEqual(file.read(), "reached the end")


if __name__ == "__main__":
    absltest.main()
