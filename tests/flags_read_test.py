"""Every flag that a program offers is read by it."""

import dataclasses
import pathlib

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf import detect, evaluate, export, predict, reproduce, train
from kdcl_tf.classification.settings import Settings
from kdcl_tf.data import ImageRules
from kdcl_tf.detection.settings import DetectionSettings

# What reads the flags that are no settings, beside the program's own door.
_PROGRAMS = {
    "train": (train, Settings),
    "detect": (detect, DetectionSettings),
    "evaluate": (evaluate, None),
    "predict": (predict, None),
    "export": (export, None),
    "reproduce": (reproduce, None),
}


class FlagsReadTest(parameterized.TestCase):
    @parameterized.parameters(*_PROGRAMS)
    def test_each_flag_is_a_setting_or_named_where_the_program_reads(self, name):
        door, settings = _PROGRAMS[name]
        values = flags.FlagValues()
        door.define_flags(values)
        fields = {field.name for field in dataclasses.fields(settings)} if settings else set()
        self.assertEmpty(fields - set(values), "settings without a flag")
        source = pathlib.Path(door.__file__).read_text()
        if "image_rules(flag_values)" in source:
            fields |= {field.name for field in dataclasses.fields(ImageRules)}
        # A flag that is defined in the door stands there once for that.
        defined_here = source.count
        for flag in set(values) - fields:
            least = 2 if f'"{flag}",\n        ' in source or f'("{flag}", ' in source else 1
            self.assertGreaterEqual(defined_here(f'"{flag}"'), least, f"--{flag} is not read")


if __name__ == "__main__":
    absltest.main()
