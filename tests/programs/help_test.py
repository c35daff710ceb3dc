"""Tests of kdcl_tf.programs.help, of small programs and of those that there are."""

import importlib
import os
import sys
from unittest import mock

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf.programs import flag_groups, help as help_lib
from tests import in_process


def _defined():
    values = flags.FlagValues()
    flags.DEFINE_enum(
        "schedule", "step", ["step", "flat"], "How it falls. step: in steps. flat: not.", values
    )
    flags.DEFINE_string("dataset", None, "Which images.", values)
    flags.DEFINE_bool("cutout", True, "Cut a square out.", values)
    flags.DEFINE_integer("epochs", 7, "How long. " + "word " * 30, flag_values=values)
    flags.DEFINE_list("students", ["a", "b"], "Who: see table:x.", values)
    return values


class TextTest(parameterized.TestCase):
    def _text(self, program="train", columns="60"):
        # absl calls the module of a program that is run by its path.
        program_itself = mock.patch.object(sys, "argv", [__name__])
        with mock.patch.dict(os.environ, COLUMNS=columns), program_itself:
            return help_lib.text(program, "Does it.\n\nkdcl-train --x  # y\n", _defined())

    def test_what_it_does_and_flags_under_headings(self):
        text = self._text()
        self.assertStartsWith(
            text, "Does it.\n\n    kdcl-train --x  # y\n\nData:\n\n  --dataset=TEXT\n"
        )
        places = [text.index(f"\n{head}:\n") for head in ("Data", "Students", "Recipe")]
        self.assertEqual(places, sorted(places))
        self.assertIn("  --[no]cutout  (default: yes)\n      Cut a square out.\n", text)
        self.assertIn("  --students=A,B  (default: a,b)\n      Who: see table:x.\n", text)
        self.assertIn(
            "  --schedule=step|flat  (default: step)\n      How it falls.\n        step  in steps\n"
            "        flat  not\n",
            text,
        )
        self.assertLess(max(map(len, text.splitlines())), 61)

    def test_the_flags_of_other_programs_are_under_one_heading(self):
        text = self._text("benchmark")
        self.assertEqual(text.count(":\n\n"), 1)
        self.assertIn("\nFlags:\n\n", text)

    def test_it_is_asked_for_in_many_ways_but_not_behind_the_flags(self):
        for argument in ("--help", "-h", "-?", "--helpshort"):
            self.assertTrue(help_lib.is_asked_for(["x", "--epochs=1", argument]))
        for arguments in (["--helpfull"], ["--", "--help"], ["--epochs=--help"], []):
            self.assertFalse(help_lib.is_asked_for(["--help", *arguments]))


class ProgramsTest(parameterized.TestCase):
    @parameterized.parameters(*flag_groups.OF_PROGRAMS)
    def test_each_value_of_a_choice_is_explained(self, program):
        values = flags.FlagValues()
        importlib.import_module(f"kdcl_tf.{program}").define_flags(values)
        for name in values:
            if isinstance(values[name], flags.EnumFlag):
                before, meanings = help_lib.choices(values[name])
                expected = values[name].parser.enum_values
                self.assertCountEqual(
                    meanings, expected, f"--{name}: explain each value in its help, 'value: ...'"
                )
                self.assertNotEmpty(before, f"--{name}: say first what is chosen")
                self.assertNotIn("", meanings.values())

    @parameterized.parameters(*flag_groups.OF_PROGRAMS)
    def test_it_says_what_the_program_does_with_examples_and_all_flags(self, program):
        done = in_process.run(program, "--epochs=nonsense", "--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        sentence, _, rest = done.stdout.partition("\n\n")
        self.assertRegex(sentence, r"^[A-Z][^\n]+\.$")
        examples, _, listing = rest.partition("\n\n")
        self.assertGreaterEqual(examples.count(f"    kdcl-{program} "), 2)
        values = flags.FlagValues()
        importlib.import_module(f"kdcl_tf.{program}").define_flags(values)
        for name in values:
            self.assertRegex(listing, rf"(?m)^  --(\[no\])?{name}\b")
        self.assertNotIn("\nFlags:\n", done.stdout)


if __name__ == "__main__":
    absltest.main()
