"""What `--help` prints: what the program does, examples, and its flags under headings."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from absl import flags

from kdcl_tf.files.flagfiles import SCHEME
from kdcl_tf.programs import flag_groups

__all__ = ["choices", "default", "headed", "is_asked_for", "text", "usage"]

_ASKING = ("--help", "-help", "--helpshort", "-helpshort", "-h", "--h", "-?", "--?")
# `value: ` at the beginning of a sentence or part.
_CHOICE = re.compile(r"(?:^|(?<=[.;:] ))([a-z0-9][a-z0-9_]*): ")
_KINDS = {"int": "N", "float": "X", "comma separated list of strings": "A,B"}
_WIDEST = 100
_MORE = (
    f"--flagfile=FILE reads flags from a file, one on each line; --flagfile={SCHEME}FOLDER/NAME "
    f"from one that comes with kdcl_tf, such as {SCHEME}cifar100/general_icl. --helpfull lists the "
    "flags of libraries, too."
)


def is_asked_for(argv: Sequence[str]) -> bool:
    """Whether a command line, the program first, asks for help."""
    arguments = argv[1:]
    if "--" in arguments:
        arguments = arguments[: arguments.index("--")]
    return any(argument in _ASKING for argument in arguments)


def text(program: str, about: str, flag_values: flags.FlagValues) -> str:
    """The help of a program.

    Args:
      program: its name without `kdcl-`, such as "train".
      about: the docstring of its module: what it does, and examples.
      flag_values: has its flags, beside those of libraries.
    """
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    blocks = [_about(about)] if about else []
    for head, own in headed(program, _flags(flag_values)):
        blocks.append(f"{head}:")
        blocks += ["\n".join(_flag(each, width)) for each in own]
    return "\n\n".join([*blocks, "\n".join(textwrap.wrap(_MORE, width))])


def headed(program: str, defined: Sequence[flags.Flag]) -> Iterator[tuple[str, list[flags.Flag]]]:
    """`(heading, its flags)` of a program in the order of its help.

    Args:
      program: its name without `kdcl-`.
      defined: its flags.
    """
    for head in (*flag_groups.GROUPS, None):
        own = [each for each in defined if flag_groups.group(program, each.name) == head]
        if own:
            yield head or "Flags", sorted(own, key=lambda each: _place(head, each.name))


def usage(flag: flags.Flag) -> str:
    """How a flag is passed, such as `--epochs=N`."""
    if flag.boolean:
        return f"--[no]{flag.name}"
    if isinstance(flag, flags.EnumFlag):
        return f"--{flag.name}={'|'.join(flag.parser.enum_values)}"
    return f"--{flag.name}={_KINDS.get(flag.flag_type(), 'TEXT')}"


def default(flag: flags.Flag) -> str:
    """The value of a flag that is not passed, as text; empty where it has none."""
    if flag.default is None:
        return ""
    if flag.boolean:
        return "yes" if flag.default else "no"
    if isinstance(flag.default, list):
        return ",".join(flag.default)
    return str(flag.default)


def choices(flag: flags.Flag) -> tuple[str, dict[str, str]]:
    """`(the text before them, {value: what it means})` of a flag whose help explains its values."""
    help_text = " ".join((flag.help or "").split())
    if isinstance(flag, flags.EnumFlag):
        # What absl puts before the help of a choice.
        help_text = help_text.removeprefix(f"<{'|'.join(flag.parser.enum_values)}>: ")
    head, *rest = _CHOICE.split(help_text)
    return head.strip(), {
        value: meaning.strip().rstrip(".;") for value, meaning in zip(rest[::2], rest[1::2])
    }


def _about(docstring):
    """The docstring, with commands indented."""
    lines = textwrap.dedent(docstring).strip().split("\n")
    commands = re.compile(r"\s*(kdcl-|python )")
    # A command goes on in lines that are indented further.
    return "\n".join(f"    {line.strip()}" if commands.match(line) else line for line in lines)


def _flags(flag_values) -> list[flags.Flag]:
    """Those that modules of ours have defined."""
    return [
        flag
        for module, defined in flag_values.flags_by_module_dict().items()
        if module.startswith(("kdcl_tf", "__main__")) or module == sys.argv[0]
        for flag in defined
    ]


def _place(head, name):
    """The position of a flag in its group; those of one program alone come last."""
    names = flag_groups.GROUPS.get(head, "").split()
    return names.index(name) if name in names else len(names)


def _flag(flag, width) -> Iterator[str]:
    """The lines of one flag."""
    value = default(flag)
    yield f"  {usage(flag)}{f'  (default: {value})' if value else ''}"
    before, values = choices(flag)
    if before:
        yield from _wrapped(before, width, " " * 6, " " * 6)
    column = max(map(len, values), default=0) + 2
    for value, meaning in values.items():
        head = " " * 8 + value.ljust(column)
        yield from _wrapped(meaning, width, head, " " * len(head))


def _wrapped(words, width, first, other):
    # Long names are not broken, so that they can be copied.
    options = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(words, width, initial_indent=first, subsequent_indent=other, **options)
