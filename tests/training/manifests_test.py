"""Tests of kdcl_tf.training.manifests."""

import json
import pathlib
import shutil

from absl.testing import absltest

from kdcl_tf import files
from kdcl_tf.files import identity
from kdcl_tf.files.identity import FORMAT, DamageError
from kdcl_tf.training import manifests


class ManifestsTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder, self.saves = pathlib.Path(self.create_tempdir().full_path), 0
        for step in (5, 40):
            self._write(step, {"progress": {"step": step}})

    def _write(self, step, facts):
        folder = manifests.folder_of(self.folder, step)
        folder.mkdir(exist_ok=True)
        (folder / "variables.index").write_bytes(b"index %d" % step)
        manifests.write(folder, facts)

    def _path(self, step, name=manifests.NAME):
        return manifests.folder_of(self.folder, step) / name

    def test_it_has_checksums_of_the_files_beside_it(self):
        facts = manifests.read(self._path(5).parent)
        self.assertEqual(facts["progress"], {"step": 5})
        self.assertEqual(facts["format"], FORMAT)
        self.assertEqual(list(facts["files"]), ["variables.index"])

    def test_the_newest_is_the_one_of_the_last_step(self):
        self.assertEqual(
            [path.name for path in manifests.saved(self.folder)],
            ["step-000000005", "step-000000040"],
        )
        path, facts = manifests.newest(self.folder)
        self.assertEqual((path.name, facts["progress"]), ("step-000000040", {"step": 40}))
        self.assertIsNone(manifests.newest(self.folder / "none"))

    def test_copies_that_their_owner_has_named_are_none(self):
        whole = self._path(40).parent
        for name in (
            "step-before-lr-change",
            "step-000000041.bak",
            "step-000000041.tar",
            "step-41",
        ):
            shutil.copytree(whole, self.folder / name)
        (self.folder / "step-000000042").touch()
        # Longer than nine digits, a number is still after those that are less.
        self._write(1_000_000_000, {"progress": {}})
        self.assertEqual(
            [path.name for path in manifests.saved(self.folder)],
            ["step-000000005", "step-000000040", "step-1000000000"],
        )

    def test_a_damaged_one_is_passed_over_with_a_line(self):
        for damage, wrong in (
            (
                lambda: self._path(40).write_text("{"),
                "manifest.json cannot be read (JSONDecodeError)",
            ),
            (lambda: self._path(40).write_bytes(b"\xff{}"), "cannot be read (UnicodeDecodeError)"),
            (lambda: self._path(40).write_text("[]"), "manifest.json is not what was written"),
            (lambda: self._path(40).unlink(), "cannot be read (FileNotFoundError)"),
            (self._change_a_number, "manifest.json is not what was written"),
            (
                lambda: self._path(40, "variables.index").unlink(),
                "variables.index cannot be read (No such",
            ),
            (
                lambda: self._path(40, "variables.index").write_text(""),
                "variables.index is not what",
            ),
        ):
            self._write(40, {"progress": {"step": 40}})
            damage()
            told = []
            path, _ = manifests.newest(self.folder, say=told.append)
            self.assertEqual(path.name, "step-000000005")
            (line,) = told
            self.assertIn("step-000000040 is damaged: ", line)
            self.assertIn(wrong, line)

    def _change_a_number(self):
        text = self._path(40).read_text()
        self._path(40).write_text(text.replace('"step": 40', '"step": 41'))

    def test_values_of_variables_can_be_left_unchecked(self):
        self._path(40, "variables.index").unlink()
        path, _ = manifests.newest(self.folder, manifests.sealed_facts)
        self.assertEqual(path.name, "step-000000040")

    def test_with_all_damaged_it_is_an_error_and_no_fresh_start(self):
        for step in (5, 40):
            self._path(step).unlink()
        with self.assertRaisesRegex(
            DamageError, r"no checkpoint in .* can be used \(.*step-000000005.*: restore one"
        ):
            manifests.newest(self.folder)

    def test_one_that_a_run_replaces_while_it_is_read_is_looked_at_again(self):
        """As an epoch's saves before and after its evaluation, which have one step."""
        replacements, told = [40, 40], []

        def reader(folder):
            facts = manifests.sealed_facts(folder)
            if replacements:
                self._replace(replacements.pop())
            wrong = identity.damage(folder, facts["files"])
            if wrong:
                raise DamageError(f"checkpoint {folder} is damaged: {wrong}")
            return facts

        path, facts = manifests.newest(self.folder, reader, told.append)
        self.assertEqual((path.name, facts["progress"]), ("step-000000040", {"save": 2}))
        # The only one is removed when the next one is there.
        replacements.append(45)
        path, facts = manifests.newest(self.folder, reader, told.append)
        self.assertEqual((path.name, facts["progress"]), ("step-000000045", {"save": 3}))
        self.assertEmpty(told)
        with self.assertRaisesRegex(DamageError, "were replaced while they were read.*: try again"):
            replacements.extend([45] * 1000)
            manifests.newest(self.folder, reader, told.append)

    def _replace(self, step):
        """Saves as a run does: `step`, and removes those before it."""
        self.saves += 1
        with files.replaced_folder(manifests.folder_of(self.folder, step)) as partial:
            (partial / "variables.index").write_text(f"{self.saves}")
            manifests.write(partial, {"progress": {"save": self.saves}})
        for each in manifests.saved(self.folder)[:-1]:
            files.remove(each)

    def test_another_format_is_refused_and_not_passed_over(self):
        facts = json.loads(self._path(40).read_text())
        for changed in (
            identity.sealed({**facts, "format": FORMAT + 1}),
            {"progress": {}, "format": 2, "variables": []},
            {"progress": {}, "variables": []},
        ):
            self._path(40).write_text(json.dumps(changed))
            with self.assertRaisesRegex(
                ValueError, rf"has format \d+; expected format {FORMAT}"
            ) as caught:
                manifests.newest(self.folder)
            self.assertNotIsInstance(caught.exception, DamageError)


if __name__ == "__main__":
    absltest.main()
