"""Tests of the commands of README.md and docs/: programs and flags are there."""

import contextlib
import io
import os
import re

import flag_pages
from absl import flags
from absl.testing import absltest, parameterized

from tests import documents
from tests.docs import command_values

_ALL = documents.documents()
# Flags of other programs, and of tools that parse their own.
_OTHERS = {
    "nodes", "ntasks-per-node", "kill-on-bad-exit", "flagfile", "help", "helpfull", "notebooks",
    "start_epoch", "resume", "what", "steps",
}  # fmt: skip


class CommandsTest(parameterized.TestCase):
    """The words of every command line are what the real parsers take."""

    def setUp(self):
        super().setUp()
        before = os.getcwd()
        os.chdir(documents.ROOT)
        self.addCleanup(os.chdir, before)

    @parameterized.named_parameters(
        documents.named(path for path in _ALL if documents.commands(path))
    )
    def test_every_command_parses(self, path):
        for words in documents.commands(path):
            with self.subTest(" ".join(words)):
                self._check(words)

    def _check(self, words):
        # What comes before a program of ours: variables, and srun with its own flags.
        ours = [number for number, word in enumerate(words) if word.startswith("kdcl-")]
        if ours:
            self._check_values(words[ours[0]], words[ours[0] + 1 :])
        elif words[:2] == ["python", "-c"]:
            compile(words[2], "command", "exec")
        elif words[0] in ("python", "bash"):
            self.assertTrue((documents.ROOT / words[1]).is_file(), words[1])
            if words[1].endswith(".py") and command_values.define_flags(words[1]):
                self._check_values(words[1], words[2:])
        else:
            self.assertEqual(words[:2], ["pip", "install"])

    def _check_values(self, program, arguments):
        stderr = io.StringIO()
        try:
            with contextlib.redirect_stderr(stderr):
                values = command_values.values(program, arguments)
        except SystemExit:
            self.fail(stderr.getvalue())
        if program == "kdcl-train":
            from kdcl_tf.classification.flags import settings_from_flags

            settings_from_flags(values)

    def test_the_parser_refuses_what_is_wrong(self):
        for wrong in (["--epoch=1", "--nothing=2"], ["--ensemble=best"], ["more"]):
            with self.assertRaises(AssertionError):
                self._check(["kdcl-train", *wrong])
        with self.assertRaises(AssertionError):
            self._check(["bash", "tools/nothing.sh"])

    @parameterized.named_parameters(documents.named(_ALL))
    def test_every_flag_in_the_text_is_one_of_a_program(self, path):
        known = set(_OTHERS)
        for module in flag_pages.modules().values():
            values = flags.FlagValues()
            module.define_flags(values)
            known |= set(values) | {f"no{name}" for name in values}
        text = re.sub(r"\(https?:[^)]*\)", "", documents.prose(path))
        unknown = set(re.findall(r"(?<![\w-])--([a-z][\w-]*)", text)) - known
        self.assertEmpty(unknown)


if __name__ == "__main__":
    absltest.main()
