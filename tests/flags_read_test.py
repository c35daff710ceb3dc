"""Every flag that a program offers is read by it."""

import ast
import dataclasses
import pathlib

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf import detect, evaluate, export, predict, reproduce, train
from kdcl_tf.classification import run_images
from kdcl_tf.classification.settings import Settings
from kdcl_tf.data import ImageRules
from kdcl_tf.detection import evaluation as detection_evaluation
from kdcl_tf.detection.settings import DetectionSettings
from kdcl_tf.evaluation import datasets, places, preparing, run_data, trained_images
from kdcl_tf.reproduction import flags as reproduction_flags
from kdcl_tf.serving.formats import flags as format_flags
from kdcl_tf.training import flags as training_flags

# The settings of a program, and the modules that read its other flags, its own door first.
_PROGRAMS = {
    "train": (Settings, train, training_flags),
    "detect": (DetectionSettings, detect, detection_evaluation, training_flags),
    "evaluate": (None, evaluate, places, preparing, datasets, run_data, trained_images),
    "predict": (None, predict),
    "export": (None, export, run_images, format_flags),
    "reproduce": (None, reproduce, reproduction_flags),
}


def _named(source: str) -> set[str]:
    """The strings of a program, but for the names in its definitions of flags."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    defined = [call.args[0] for call in calls if ast.unparse(call.func).startswith("flags.DEFINE_")]
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {each.value for each in strings if each not in defined and isinstance(each.value, str)}


class FlagsReadTest(parameterized.TestCase):
    @parameterized.parameters(*_PROGRAMS)
    def test_each_flag_is_a_setting_or_named_where_the_program_reads(self, name):
        settings, door, *others = _PROGRAMS[name]
        values = flags.FlagValues()
        door.define_flags(values)
        fields = {field.name for field in dataclasses.fields(settings)} if settings else set()
        self.assertEmpty(fields - set(values), "settings without a flag")
        sources = [pathlib.Path(each.__file__).read_text() for each in (door, *others)]
        if any("image_rules(flag_values)" in source for source in sources):
            fields |= {field.name for field in dataclasses.fields(ImageRules)}
        named = set().union(*map(_named, sources))
        self.assertEmpty(set(values) - fields - named, "flags that are not read")

    def test_a_flag_that_is_defined_alone_is_not_named(self):
        defined = 'flags.DEFINE_string("folder", None, "Where.", flag_values)\n'
        self.assertNotIn("folder", _named(defined))
        self.assertIn("folder", _named(defined + 'where = flag_values["folder"].value\n'))
        self.assertIn("folder", _named(defined + '_OF_RUNS = ("folder", "seed")\n'))


if __name__ == "__main__":
    absltest.main()
