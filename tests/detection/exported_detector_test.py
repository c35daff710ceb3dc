"""Tests of kdcl_tf.detection.exported_detector."""

import pathlib
import shutil

from absl.testing import absltest

from kdcl_tf.data.normalization import Normalization
from kdcl_tf.detection import exported_detector
from tests import tiny_detector


class ExportedDetectorTest(absltest.TestCase):
    def test_a_run_and_its_folder_lead_to_the_same(self):
        path = pathlib.Path(tiny_detector.exported())
        for run in (path, path.parent, str(path)):
            found = exported_detector.find(run, "model", ("detector",))
            self.assertEqual(found.path, path)
            self.assertEqual(found.card["detector"], "mask")
            self.assertEqual(found.normalization, Normalization.from_card(found.card))

    def test_refused_under_the_option_that_named_it(self):
        path = pathlib.Path(tiny_detector.exported())
        copy = pathlib.Path(self.create_tempdir().full_path) / "detector"
        shutil.copytree(path, copy)
        (copy / "saved_model.pb").write_bytes(b"damaged")
        for run, facts, message in (
            (
                path.parent / "nothing",
                (),
                "^other=.*nothing: expected an exported detector, a folder",
            ),
            (copy, (), "^other: .*saved_model.pb.*export it again$"),
            (path, ("no_such_fact",), "^other: .*no_such_fact"),
        ):
            with self.assertRaisesRegex(ValueError, message) as caught:
                exported_detector.find(run, "other", facts)
            self.assertNotIn("\n", str(caught.exception))


if __name__ == "__main__":
    absltest.main()
