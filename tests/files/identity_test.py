"""Tests of kdcl_tf.files.identity."""

import json
import pathlib
import sys

import keras
from absl.testing import absltest, parameterized

from kdcl_tf.files import identity
from kdcl_tf.files.identity import FORMAT, Identity

_DATA = {
    "classes": ["ape", "bee", "cow"],
    "image_shape": [8, 8, 3],
    "train": {"images": 6, "labels": "a" * 64, "names": "b" * 64, "bytes": "c" * 64},
    "test": {"images": 3, "labels": "d" * 64},
}


class IdentityTest(parameterized.TestCase):
    def test_versions(self):
        found = identity.versions()
        self.assertEqual(found["keras"], keras.__version__)
        self.assertEqual(found["python"], ".".join(map(str, sys.version_info[:3])))
        self.assertEqual(set(found), {"kdcl_tf", "tensorflow", "keras", "python"})

    def test_its_facts_survive_json(self):
        facts = Identity({"seed": "0"}, _DATA).facts
        self.assertEqual(json.loads(json.dumps(facts)), facts)
        self.assertEqual(facts["format"], FORMAT)
        self.assertEqual(facts["versions"], identity.versions())

    def test_versions_that_differ_are_told(self):
        before = {"keras": "3.1", "python": "3.11"}
        now = {"keras": "3.2", "python": "3.11", "new": "1"}
        self.assertEqual(identity.version_changes(before, now), "keras 3.1 (now 3.2)")
        self.assertEqual(identity.version_changes(now, now), "")

    @parameterized.parameters(
        ({}, ""),
        ({"train": {"images": 3, "labels": "e" * 64}}, "train has 3 images; the run had 6"),
        ({"train": {"images": 6, "labels": "e" * 64}}, "train labels differ"),
        ({"train": {"images": 6, "bytes": "e" * 64}}, "train bytes differ"),
        # What only the other knows.
        ({"train": {"images": 6, "decoded": "e" * 64}}, ""),
        ({"classes": ["bee", "cow", "ape"]}, "the classes have another order"),
        ({"classes": ["ape", "cat", "cow"]}, "classes 'bee' are gone; classes 'cat' are new"),
        (
            {"classes": ["a", "b", "c", "d", "e"]},
            "classes 'ape', 'bee', 'cow' are gone; classes 'a', 'b', 'c' and 2 more are new",
        ),
        ({"image_shape": [9, 8, 3]}, "image_shape are [9, 8, 3]; the run had [8, 8, 3]"),
    )
    def test_data_that_changed_is_named(self, change, told):
        self.assertEqual(identity.data_changes(_DATA, {**_DATA, **change}), told)

    def test_two_spellings_of_a_class_are_one(self):
        names = ["caf\u00e9"], ["cafe\u0301"]
        self.assertEqual(identity.data_changes(*({"classes": each} for each in names)), "")

    def test_two_spellings_of_the_names_of_images_are_one(self):
        def data(names, **composed):
            return {"train": {"images": 6, "names": names * 64, **composed}}

        # As one file system writes them, as another does, and as a run of before told the latter.
        plain, apart, early = data("a"), data("b", composed_names="a" * 64), data("b")
        for before, now in ((plain, apart), (apart, plain), (early, apart), (apart, apart)):
            self.assertEqual(identity.data_changes(before, now), "")
        other = data("c", composed_names="d" * 64)
        for before in (plain, apart, early):
            self.assertEqual(identity.data_changes(before, other), "train names differ")

    def test_a_number_and_labels_tell_no_images(self):
        digest = {"images": 4, "labels": "a" * 64}
        self.assertEqual(identity.telling(digest), {})
        names = {"names": "b" * 64, "composed_names": "c" * 64}
        self.assertEqual(identity.telling({**digest, **names}), names)

    def test_of_a_long_list_only_the_place_is_named(self):
        before, now = ({"test": {"categories": [*range(80), last]}} for last in (80, 90))
        self.assertEqual(identity.data_changes(before, now), "test categories differ")

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
        for hidden in (".DS_Store", "sub/._b", ".AppleDouble/a", "sub/.ipynb_checkpoints/b"):
            (folder / hidden).parent.mkdir(exist_ok=True)
            (folder / hidden).write_text("of a file manager")
        sums = identity.checksums(folder, leave_out="card")
        self.assertEqual(list(sums), ["a", "sub/b"])
        self.assertEqual(identity.damage(folder, sums), "")
        paths[1].write_text("b" * 9 + "c")
        self.assertEqual(identity.damage(folder, sums), "sub/b is not what was written")
        paths[0].unlink()
        self.assertEqual(
            identity.damage(folder, sums), "a cannot be read (No such file or directory)"
        )


if __name__ == "__main__":
    absltest.main()
