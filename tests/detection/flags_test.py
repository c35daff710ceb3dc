"""Tests of kdcl_tf.detection.flags."""

import dataclasses

from absl import flags
from absl.testing import absltest

from kdcl_tf.detection import flags as detection_flags
from kdcl_tf.detection.settings import DetectionSettings


def _parsed(*arguments):
    values = flags.FlagValues()
    detection_flags.define_flags(values)
    values(["kdcl-detect", *arguments])
    return values


class DetectionFlagsTest(absltest.TestCase):
    def test_without_flags_it_is_the_default(self):
        self.assertEqual(detection_flags.settings_from_flags(_parsed()), DetectionSettings())

    def test_every_field_is_a_flag_and_back(self):
        settings = DetectionSettings(
            detector="mask",
            backbone="keras:MobileNetV2",
            feature_layers=("a", "b"),
            dataset="coco:x",
            train_images="photos",
            train_annotations="a.json",
            validation_images="more",
            validation_annotations="b.json",
            accumulation_steps=2,
            clip_norm=35.0,
            milestones=(),
            flip=False,
            seed=3,
        )
        arguments = [f"--{name}={text}" for name, text in settings.as_flags().items()]
        self.assertLen(arguments, len(dataclasses.fields(DetectionSettings)))
        self.assertEqual(detection_flags.settings_from_flags(_parsed(*arguments)), settings)
        self.assertEqual(detection_flags.named_files(_parsed(*arguments)), settings.named_files)

    def test_the_same_flags_find_the_same_folder(self):
        one = detection_flags.default_workdir(DetectionSettings())
        self.assertRegex(one, r"^runs/coco-2017_faster_[0-9a-f]{8}$")
        elsewhere = DetectionSettings(strategy="mirrored")
        self.assertEqual(one, detection_flags.default_workdir(elsewhere))
        self.assertNotEqual(one, detection_flags.default_workdir(DetectionSettings(seed=1)))


if __name__ == "__main__":
    absltest.main()
