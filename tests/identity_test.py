"""Tests of kdcl_tf.identity."""

import json
import pathlib

from absl.testing import absltest

from kdcl_tf import identity


class IdentityTest(absltest.TestCase):
    def test_a_seal_breaks_at_any_change(self):
        facts = {"epoch": 2, "é": [1.5, None, {"b": True, "a": float("inf")}], "t": (1, 2)}
        sealed = json.loads(json.dumps(identity.sealed(facts), indent=3))
        self.assertTrue(identity.is_sealed(sealed))
        self.assertEqual(sealed["t"], [1, 2])
        for change in ({"epoch": 3}, {"new": 1}, {"checksum": None}, {"checksum": "0" * 64}):
            self.assertFalse(identity.is_sealed({**sealed, **change}), change)
        self.assertFalse(identity.is_sealed({"epoch": 2}))
        self.assertFalse(identity.is_sealed([1]))

    def test_files_that_are_not_what_was_written_are_named(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        (folder / "sub").mkdir()
        paths = (folder / "a", folder / "sub" / "b", folder / "card")
        for path in paths:
            path.write_text(path.name * 10)
        sums = identity.checksums(folder, leave_out="card")
        self.assertEqual(list(sums), ["a", "sub/b"])
        self.assertEqual(identity.damage(folder, sums), "")
        paths[1].write_text("b" * 9 + "c")
        self.assertEqual(identity.damage(folder, sums), "sub/b is not what was written")
        paths[0].unlink()
        self.assertEqual(identity.damage(folder, sums), "a cannot be read (No such file or directory)")


if __name__ == "__main__":
    absltest.main()
