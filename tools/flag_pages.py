"""Writes the pages of docs/ that list the flags of every program, from their definitions.

python tools/flag_pages.py            writes docs/pages/programs/
python tools/flag_pages.py FOLDER     writes another folder
"""

from __future__ import annotations

import importlib
import pathlib
import re
import sys
import textwrap
from collections.abc import Iterator
from types import ModuleType

from absl import flags

from kdcl_tf.programs import help as help_lib

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "pages" / "programs"
_MADE = "<!-- Made by tools/flag_pages.py: mend the help of the flag instead. -->"


def modules() -> dict[str, ModuleType]:
    """`{how a program is called: its module}`."""
    scripts = re.findall(r'"(kdcl-\w+)=([\w.]+):cli"', (ROOT / "setup.py").read_text())
    return {called: importlib.import_module(name) for called, name in scripts}


def file_name(called: str) -> str:
    """The page of a program, such as `kdcl-train.md`."""
    return f"{called}.md"


def page(called: str, module: ModuleType) -> str:
    """The Markdown of one program: what it does, and its flags under the headings of its help."""
    values = flags.FlagValues()
    module.define_flags(values)
    first, _, rest = textwrap.dedent(module.__doc__).strip().partition("\n\n")
    lines = [_MADE, "", f"# {called}", "", first, "", *_about(rest)]
    program = called.removeprefix("kdcl-")
    for head, own in help_lib.headed(program, [values[name] for name in values]):
        # Not the heading alone, so that no flag has the same anchor.
        lines += [f"## {head if head == 'Flags' else f'Flags: {head.lower()}'}", ""]
        for flag in own:
            lines += [*_flag(flag), ""]
    return "\n".join(lines).rstrip() + "\n"


def write(folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes a page for each program; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for called, module in modules().items():
        paths.append(folder / file_name(called))
        paths[-1].write_text(page(called, module), encoding="utf-8")
    return paths


def _about(text) -> Iterator[str]:
    """The rest of a docstring, its commands in a block of code."""
    for block in filter(None, text.split("\n\n")):
        is_code = block.lstrip().startswith(("kdcl-", "python "))
        yield from ("```sh", *textwrap.dedent(block).split("\n"), "```") if is_code else (block,)
        yield ""


def _flag(flag) -> Iterator[str]:
    value = help_lib.default(flag)
    yield from (f"### {flag.name}", "")
    yield f"`{help_lib.usage(flag)}`" + (f", by default `{value}`" if value else "")
    before, choices = help_lib.choices(flag)
    if before:
        yield from ("", _escaped(before))
    if choices:
        yield ""
    for choice, meaning in choices.items():
        yield f"- `{choice}`: {_escaped(meaning)}"


def _escaped(text):
    """Text that holds names such as `train-*` and `<name>`, as Markdown that shows them."""
    for mark in "\\*[":
        text = text.replace(mark, f"\\{mark}")
    # Python-Markdown takes an escaped `<` for the beginning of a tag.
    return text.replace("<", "&lt;")


if __name__ == "__main__":
    for written in write(pathlib.Path(sys.argv[1]) if sys.argv[1:] else FOLDER):
        print(written)
