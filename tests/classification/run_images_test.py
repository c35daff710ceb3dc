"""Tests of kdcl_tf.classification.run_images."""

import pathlib
import tempfile

from absl.testing import absltest

from kdcl_tf.classification import run_images
from kdcl_tf.classification.settings import Settings

_SETTINGS = Settings(
    students=("resnet8",), ensemble="min_logit", image_size=8, train_per_class=4, holdout_per_class=1
)


class RunImagesTest(absltest.TestCase):
    def test_the_data_of_the_run_and_no_other(self):
        dataset = run_images.load(_SETTINGS, None, {})
        self.assertLen(dataset.train, 40)
        digest = dataset.digest()
        again = run_images.load(_SETTINGS, None, digest)
        self.assertEqual(again.digest(), digest)
        other = {**digest, "test": {**digest["test"], "decoded": "0" * 64}}
        with self.assertRaisesRegex(ValueError, "^digits is not what the run was trained with: test"):
            run_images.load(_SETTINGS, None, other)

    def test_data_that_is_gone_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            gone = pathlib.Path(folder) / "gone"
            settings = Settings(students=("resnet8",), ensemble="min_logit", dataset=f"folder:{gone}")
            with self.assertRaisesRegex(ValueError, "^folder:.*gone, the data of the run, is not found: "):
                run_images.load(settings, None, {})


if __name__ == "__main__":
    absltest.main()
