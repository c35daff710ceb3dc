"""Tests of kdcl_tf.programs.flag_groups: every flag of every program is in exactly one group."""

import importlib
import pathlib

from absl import flags
from absl.testing import absltest, parameterized

import kdcl_tf
from kdcl_tf.programs import flag_groups

_DOORS = {
    path.stem
    for path in pathlib.Path(kdcl_tf.__file__).parent.glob("*.py")
    if "define_flags" in path.read_text()
}


def _flags(program):
    values = flags.FlagValues()
    importlib.import_module(f"kdcl_tf.{program}").define_flags(values)
    return list(values)


class GroupsTest(parameterized.TestCase):
    def test_every_program_is_known(self):
        self.assertEqual(set(flag_groups.OF_PROGRAMS), _DOORS)

    @parameterized.parameters(*sorted(_DOORS))
    def test_every_flag_has_a_group(self, program):
        without = [name for name in _flags(program) if flag_groups.group(program, name) is None]
        self.assertEmpty(without, "add these flags to a group in kdcl_tf/programs/flag_groups.py")
        heads = {flag_groups.group(program, name) for name in _flags(program)}
        self.assertContainsSubset(heads, set(flag_groups.GROUPS))

    def test_no_flag_has_two_groups(self):
        names = " ".join(flag_groups.GROUPS.values()).split()
        self.assertEmpty({name for name in names if names.count(name) > 1})

    @parameterized.parameters(*sorted(_DOORS))
    def test_what_differs_in_a_program_is_a_flag_of_it_and_differs(self, program):
        for name, head in flag_groups.OF_PROGRAMS[program].items():
            self.assertIn(name, _flags(program))
            self.assertIn(head, flag_groups.GROUPS)
            self.assertNotIn(name, flag_groups.GROUPS[head].split())

    def test_other_programs_have_no_groups(self):
        self.assertIsNone(flag_groups.group("benchmark", "dataset"))


if __name__ == "__main__":
    absltest.main()
