"""Tests of kdcl_tf.detection.exported_detector."""

import json
import pathlib
import shutil

from absl.testing import absltest

from kdcl_tf.data.normalization import Normalization
from kdcl_tf.detection import exported_detector
from kdcl_tf.files import identity
from kdcl_tf.training.workdir import Workdir
from tests import tiny_detector


class ExportedDetectorTest(absltest.TestCase):
    def test_a_run_and_its_folder_lead_to_the_same(self):
        path = pathlib.Path(tiny_detector.exported())
        for run in (path, path.parent, str(path)):
            found = exported_detector.find(run, "model", ("detector",))
            self.assertEqual(found.path, path)
            self.assertEqual(found.card["detector"], "mask")
            self.assertEqual(found.normalization, Normalization.from_card(found.card))

    def test_another_runs_detector_in_a_runs_folder_is_refused(self):
        run = pathlib.Path(self.create_tempdir().full_path)
        path = run / "detector"
        shutil.copytree(tiny_detector.exported(), path)
        ran = {"settings": {"seed": "0"}, "data": {"classes": []}}
        card = json.loads((path / "detector.json").read_text())
        card["identity"] = {**ran, "settings": {"seed": "1"}}
        (path / "detector.json").write_text(json.dumps(identity.sealed(card)))
        Workdir(run).write_result({"identity": ran})
        with self.assertRaisesRegex(
            ValueError, "^model: .*detector is of another run than .*--seed"
        ):
            exported_detector.find(run, "model", ())
        self.assertEqual(exported_detector.find(path, "model", ()).path, path)

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
