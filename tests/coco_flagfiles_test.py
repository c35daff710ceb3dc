"""Tests of flags/coco: the recipe of Table 8."""

import pathlib

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf.detection import flags as detection_flags
from kdcl_tf.files import flagfiles
from kdcl_tf.training import schedules

_FOLDER = pathlib.Path(__file__).parents[1] / "flags" / "coco"
_IMAGES = 118_287  # of train2017


def _settings(name, *arguments):
    values = flags.FlagValues()
    detection_flags.define_flags(values)
    values(["kdcl-detect", *flagfiles.expanded([f"--flagfile=kdcl:coco/{name}", *arguments])])
    return detection_flags.settings_from_flags(values)


class CocoFlagfilesTest(parameterized.TestCase):
    def test_there_is_one_a_detector(self):
        names = {path.stem for path in _FOLDER.glob("*.flags")}
        self.assertEqual(names, {"recipe", "faster_resnet18", "mask_resnet18"})

    @parameterized.parameters(
        ("faster_resnet18", "faster", ("32.2", "33.1")),
        ("mask_resnet18", "mask", ("33.4", "34.0", "30.7", "31.3")),
    )
    def test_it_is_the_papers_recipe(self, name, detector, numbers):
        settings = _settings(name)
        self.assertEqual((settings.detector, settings.backbone), (detector, "resnet18"))
        self.assertEqual((settings.epochs, settings.batch_size), (14, 32))
        self.assertEqual((settings.weight_decay, settings.momentum), (1e-4, 0.9))
        self.assertTrue(settings.synchronized_batch_norm)
        self.assertEmpty(settings.remarks(-(-_IMAGES // 32)))
        steps = -(-_IMAGES // 32)
        rate = schedules.create(settings, steps)
        expected = [(0, 0.0133), (500, 0.04), (9 * steps - 1, 0.04), (9 * steps, 0.004)]
        expected += [(12 * steps - 1, 0.004), (12 * steps, 0.0004), (14 * steps - 1, 0.0004)]
        for step, value in expected:
            self.assertAlmostEqual(float(rate(step)), value, places=6, msg=step)
        head = (_FOLDER / f"{name}.flags").read_text()
        for number in ("Table 8", "Cost: 160 billion", *numbers):
            self.assertIn(number, head)

    def test_the_rows_differ_in_their_backbone(self):
        self.assertEqual(_settings("faster_resnet18", "--backbone=resnet34").backbone, "resnet34")


if __name__ == "__main__":
    absltest.main()
