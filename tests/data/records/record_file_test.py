"""Tests of kdcl_tf.data.records.record_file."""

import gzip
import pathlib
import subprocess
import zlib

from absl.testing import absltest, parameterized

from kdcl_tf.data.records import record_file
from tests import image_files

_RECORD = image_files.record(b"content" * 999)
_COMPRESSED = {"gzip": gzip.compress(_RECORD), "zlib": zlib.compress(_RECORD)}


class RecordFileTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "it's a file"

    def kind(self, content):
        self.path.write_bytes(content)
        return record_file.kind_of(str(self.path))

    def test_the_checksum_has_its_published_value(self):
        # RFC 3720, B.4, and the usual check value.
        self.assertEqual(record_file._crc32c(bytes(32)), 0x8A9136AA)
        self.assertEqual(record_file._crc32c(b"123456789"), 0xE3069283)

    @parameterized.parameters(
        (_RECORD, "records"),
        (_RECORD[:12], "records"),
        (_RECORD[:11], "other"),
        (b"", "empty"),
        (bytes(12), "other"),
        (b"name,label\na.jpg,1\n", "other"),
        (_COMPRESSED["gzip"], "gzip"),
        (_COMPRESSED["zlib"], "zlib"),
        (gzip.compress(b"name,label\n" * 99), "other"),
        (_COMPRESSED["gzip"][:9], "other"),
    )
    def test_kinds(self, content, kind):
        self.assertEqual(self.kind(content), kind)

    def test_one_flipped_bit_makes_another_header(self):
        for bit in range(96):
            header = bytearray(_RECORD[:12])
            header[bit // 8] ^= 1 << bit % 8
            self.assertFalse(record_file.is_header(bytes(header)))

    @parameterized.parameters("gzip", "zlib")
    def test_a_compressed_file_is_refused_with_a_command_that_rewrites_it(self, kind):
        self.assertEqual(self.kind(_COMPRESSED[kind]), kind)
        with self.assertRaisesRegex(
            ValueError, f"got one that {kind} has compressed. Rewrite it: "
        ):
            record_file.check_not_compressed(str(self.path))
        subprocess.run(record_file.rewriting(str(self.path), kind), shell=True, check=True)
        self.assertEqual(self.path.read_bytes(), _RECORD)
        self.assertLen(list(self.path.parent.iterdir()), 1)
        self.assertIsNone(record_file.check_not_compressed(str(self.path)))


if __name__ == "__main__":
    absltest.main()
