"""Tests of kdcl_tf.data.sources.index_cache."""

import contextlib
import io
import os
import pathlib
import pwd
import tempfile
from unittest import mock

import numpy as np
from absl.testing import absltest

from kdcl_tf.data.sources import index_cache


class CacheTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.files = [str(self.folder / name) for name in ("a", "b")]
        for file in self.files:
            pathlib.Path(file).write_text("content")
        self.cache = self.folder / "cache"
        environment = mock.patch.dict(os.environ, KDCL_CACHE_DIR=str(self.cache))
        environment.start()
        self.addCleanup(environment.stop)
        self.built = 0

    def _build(self):
        self.built += 1
        return {"numbers": np.arange(3) * self.built, "names": np.array([b"x", b"yz"])}

    def _cached(self, *facts):
        found = index_cache.cached(self.files, facts, self._build)
        return found["numbers"].tolist(), found["names"].tolist()

    def test_built_once_and_read_back(self):
        wanted = ([0, 1, 2], [b"x", b"yz"])
        self.assertEqual([self._cached(), self._cached()], [wanted, wanted])
        self.assertEqual(self.built, 1)
        (file,) = self.cache.iterdir()
        self.assertRegex(file.name, r"^index-[0-9a-f]{24}\.npz$")

    def test_built_again_when_something_is_another(self):
        self._cached()
        self._cached("another feature")
        self.assertEqual(self.built, 2)
        pathlib.Path(self.files[1]).write_text("longer content")
        self._cached()
        self.assertEqual(self.built, 3)
        os.utime(self.files[0], ns=(1, 1))
        self._cached()
        self.assertEqual(self.built, 4)
        self.files.reverse()
        self._cached()
        self.assertEqual(self.built, 5)

    def test_a_damaged_index_is_built_again(self):
        self._cached()
        (file,) = self.cache.iterdir()
        for damage in (b"", file.read_bytes()[:-30], b"nothing of the kind"):
            file.write_bytes(damage)
            self._assert_told_and_built_again(file)
            self._cached()
        self.assertEqual(self.built, 4)

    def _assert_told_and_built_again(self, file):
        before = self.built
        with contextlib.redirect_stderr(io.StringIO()) as told:
            found = self._cached()
        self.assertEqual(self.built, before + 1)
        self.assertEqual(found, ([0, self.built, 2 * self.built], [b"x", b"yz"]))
        self.assertRegex(
            told.getvalue(), rf"^the index '{file}' is damaged \(.+\): it is built again\n$"
        )

    def test_any_flipped_bit_is_found(self):
        """Whether or not the zip format would find it: a flag there also turns checks off."""
        self._cached()
        (file,) = self.cache.iterdir()
        good = file.read_bytes()
        for position in range(0, len(good), 7):
            damaged = bytearray(good)
            damaged[position] ^= 1 << position % 8
            file.write_bytes(damaged)
            before = self.built
            with contextlib.redirect_stderr(io.StringIO()):
                numbers, names = self._cached()
            # Bits that zip does not read change nothing that is in the file.
            self.assertIn(numbers, ([0, 1, 2], [0, self.built, 2 * self.built]))
            self.assertEqual(numbers == [0, 1, 2], self.built == before)
            self.assertEqual(names, [b"x", b"yz"])

    def test_an_altered_index_and_another_file_s_are_built_again(self):
        self._cached()
        (file,) = self.cache.iterdir()
        with np.load(file) as stored:
            arrays = dict(stored)
        for name, other in (
            ("numbers", np.array([0, 1, 3])),
            ("numbers", np.array([0, 1, 2], np.int32)),
            ("names", np.array([b"x", b"zz"])),
            ("more", np.zeros([1])),
        ):
            np.savez(file, **{**arrays, name: other})
            self._assert_told_and_built_again(file)
        np.savez(file, **{name: arrays[name] for name in ("numbers", "names")})
        self._assert_told_and_built_again(file)
        good = file.read_bytes()
        self._cached("another feature")
        (other,) = set(self.cache.iterdir()) - {file}
        other.write_bytes(good)
        before = self.built
        with contextlib.redirect_stderr(io.StringIO()) as told:
            self._cached("another feature")
        self.assertEqual(self.built, before + 1)
        self.assertIn("its checksum is another", told.getvalue())

    def test_a_cache_that_cannot_be_written_to_is_told_and_done_without(self):
        self.cache.write_text("a file in the place of the folder")
        with contextlib.redirect_stderr(io.StringIO()) as told:
            self.assertEqual(self._cached()[0], [0, 1, 2])
        self.assertIn("set KDCL_CACHE_DIR", told.getvalue())

    def test_a_user_without_a_home_does_without(self):
        nowhere = {"KDCL_CACHE_DIR": "", "XDG_CACHE_HOME": ""}
        with (
            mock.patch.dict(os.environ, nowhere),
            contextlib.redirect_stderr(io.StringIO()) as told,
        ):
            del os.environ["HOME"]
            with mock.patch.object(pwd, "getpwuid", side_effect=KeyError("no such user")):
                self.assertEqual(self._cached()[0], [0, 1, 2])
        self.assertRegex(
            told.getvalue(),
            "^the index of .* is not kept: no home of this user is known; set KDCL_CA",
        )

    def test_a_file_that_is_not_there(self):
        self.files.append(str(self.folder / "c"))
        with self.assertRaises(FileNotFoundError):
            self._cached()

    def test_where_it_is(self):
        self.assertEqual(index_cache.folder(), self.cache)
        with mock.patch.dict(os.environ, KDCL_CACHE_DIR="", XDG_CACHE_HOME="/caches"):
            self.assertEqual(str(index_cache.folder()), "/caches/kdcl_tf")
        with mock.patch.dict(os.environ, KDCL_CACHE_DIR="", XDG_CACHE_HOME="", HOME="/me"):
            self.assertEqual(str(index_cache.folder()), "/me/.cache/kdcl_tf")


if __name__ == "__main__":
    absltest.main()
