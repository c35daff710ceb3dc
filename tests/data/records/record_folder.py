"""A folder of TFRecord files, for tests of which of them are read."""

import pathlib

from absl.testing import absltest

from kdcl_tf.data.records import shards
from tests import image_files

RECORD = image_files.record(b"content")


class RecordFolderTestCase(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def write(self, name, content=RECORD):
        (self.folder / name).write_bytes(content)

    def found(self):
        return shards.find(str(self.folder))

    def names(self, files):
        return [pathlib.Path(file).name for file in files]
