"""The flags that commands of documents give to programs and tools."""

import importlib
import importlib.util
import pathlib

import flag_pages
from absl import flags

from kdcl_tf.programs import command_line


def define_flags(program):
    """The `define_flags` of `kdcl-train`, or of a file of tools/; None where it has none."""
    if program.startswith("kdcl-"):
        return flag_pages.modules()[program].define_flags
    module = importlib.import_module(pathlib.PurePath(program).stem)
    return getattr(module, "define_flags", None)


def values(program, arguments):
    """The flags of a program, parsed from the words of a command."""
    found = flags.FlagValues()
    define_flags(program)(found)
    command_line.parse(found, [program, *arguments])
    return found
