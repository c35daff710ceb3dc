"""README.md and the pages of docs/ as tests read them: blocks of code, links, headings."""

import importlib.util
import pathlib
import re
import shlex
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "pages"

_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A block of code: its language, empty if none is given, and its text."""

    language: str
    text: str


def documents():
    """The paths of README.md and of all pages."""
    return [ROOT / "README.md", *sorted(PAGES.rglob("*.md"))]


def name(path):
    """`docs/pages/start.md`."""
    return path.relative_to(ROOT).as_posix()


def blocks(path):
    """The blocks of code of a document, in order."""
    found = []
    for indent, language, text in _BLOCK.findall(path.read_text(encoding="utf-8")):
        lines = [line.removeprefix(indent) for line in text.split("\n")]
        found.append(Block(language, "\n".join(lines)))
    return found


def prose(path):
    """A document without its blocks of code."""
    return _BLOCK.sub("", path.read_text(encoding="utf-8"))


def examples(path):
    """`[(a block of Python, what it prints or None)]`: the block of text that follows it."""
    found = blocks(path)
    pairs = zip(found, [*found[1:], Block("", "")])
    return [
        (block.text, after.text if after.language == "text" else None)
        for block, after in pairs
        if block.language == "python"
    ]


def commands(path):
    """The command lines of a document's blocks of shell, each as a list of words."""
    found = []
    for block in blocks(path):
        if block.language == "sh":
            text = block.text.replace("\\\n", " ")
            found += [shlex.split(line, comments=True) for line in text.splitlines()]
    return [words for words in found if words]


def anchors(path):
    """The anchors of a page's headings, as Python-Markdown makes them."""
    found = set()
    for heading in _HEADING.findall(prose(path)):
        text = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading)
        slug = re.sub(r"[^\w\s-]", "", text, flags=re.ASCII).strip().lower()
        found.add(re.sub(r"[-\s]+", "-", slug))
    return found


def run_examples(paths):
    """Runs the examples of each document in this process and folder, each document by itself.

    Returns:
      `{name: [what each block printed]}`; the last is a traceback where one failed.
    """
    import contextlib
    import io
    import traceback

    found = {}
    for path in paths:
        variables, printed = {"__name__": "__main__"}, found.setdefault(name(path), [])
        for code, _ in examples(path):
            output = io.StringIO()
            try:
                with contextlib.redirect_stdout(output):
                    exec(compile(code, name(path), "exec"), variables)
            except Exception:
                printed.append(traceback.format_exc())
                break
            printed.append(output.getvalue())
    return found


if __name__ == "__main__":
    import json

    print(json.dumps(run_examples([ROOT / path for path in sys.argv[1:]])))


def named(paths):
    """`[(a name for a test, path)]`."""
    return [(re.sub(r"\W", "_", name(path)), path) for path in paths]


def hooks():
    """The module docs/hooks.py."""
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
