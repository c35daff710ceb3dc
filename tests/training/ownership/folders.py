"""A folder with a run in it, for tests of whose it is."""

import dataclasses
import pathlib

from absl.testing import parameterized

from kdcl_tf.files.identity import Identity
from kdcl_tf.training import manifests
from kdcl_tf.training.run_files import read_result
from kdcl_tf.training.settings import TrainingSettings
from kdcl_tf.training.workdir import Workdir

DATA = {"classes": ["ape", "bee"], "train": {"images": 4, "labels": "a" * 64}}


@dataclasses.dataclass(frozen=True)
class Settings(TrainingSettings):
    seed: int = 0
    epochs: int = 3
    storage: str = ""
    dataset: str = "folder:/old"


def identity_of(settings=Settings(), data=DATA, versions=None):
    return Identity(settings.as_flags(), data, versions=versions or {"keras": "3.1"})


class FolderTestCase(parameterized.TestCase):
    """Tests with a `workdir` that a run of `Settings` was begun in."""

    def setUp(self):
        super().setUp()
        self.workdir = Workdir(pathlib.Path(self.create_tempdir().full_path))
        self.workdir.record(Settings())

    def save(self, step=1, found=None):
        folder = manifests.folder_of(self.workdir.path / "checkpoints", step)
        folder.mkdir(parents=True)
        (folder / "variables.index").write_bytes(b"values")
        manifests.write(folder, {"identity": (found or identity_of()).facts, "progress": {}})
        return folder

    def assert_refused(self, message, settings=Settings(seed=1)):
        with self.assertRaisesRegex(ValueError, message):
            self.workdir.check(settings)

    def complete(self, name, **data):
        """`{folder: result}` of a complete run."""
        run = Workdir(self.workdir.path / name)
        run.write_result({"identity": identity_of(data={**DATA, **data}).facts})
        return {run.path: read_result(run.path)}
