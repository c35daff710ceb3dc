"""Hooks of MkDocs: files of the repository that pages link to, notebooks, and MathML.

A page links to any file of the repository by its path, `../../results/README.md`, as GitHub shows
it.  Such a file becomes a part of the site, and so does what it links to in its turn, at its own
path in the repository: `results/README.md`.  A folder stands for its README.md; a link to one that
has none becomes plain text.

A notebook becomes a page of its cells and their outputs, as they were committed.
"""

from __future__ import annotations

import html as html_lib
import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = "docs/pages"

_CODE = re.compile(r"^(```|~~~).*?^\1[^\n]*$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
# `[text](target)` and `![text](target)`; a text may hold one pair of brackets.
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
_IS_ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:|#|/")
_MATHEMATICS = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def links(markdown: str) -> Iterator[re.Match[str]]:
    """The links and pictures of a text outside its code: mark, text and target."""
    code = [match.span() for match in _CODE.finditer(markdown)]
    for match in _LINK.finditer(markdown):
        if not any(start <= match.start() < end for start, end in code):
            yield match


def is_relative(target: str) -> bool:
    """Whether a link's target is a path, and not an address or an anchor of the same page."""
    return not _IS_ELSEWHERE.match(target)


def resolved(path: str, target: str) -> str | None:
    """The path in the repository that a link of a file leads to; None for a folder without README.

    Args:
      path: of the file that has the link, in the repository.
      target: the link's path, without an anchor.
    """
    found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if (ROOT / found).is_dir():
        found = posixpath.join(found, "README.md")
        return found if (ROOT / found).exists() else None
    return found


def place(path: str) -> str:
    """Where a file of the repository is in the site's sources; for a notebook, its page."""
    if path.startswith(f"{PAGES}/"):
        return re.sub(r"\.ipynb$", ".md", path.removeprefix(f"{PAGES}/"))
    return path


def with_mathml(html: str) -> str:
    """The HTML of a page with its formulas as MathML, which browsers draw by themselves."""
    from latex2mathml import converter  # Here, so that links can be tested without it.

    def drawn(match):
        shown = "inline" if match[2] == "(" else "block"
        mathml = converter.convert(html_lib.unescape(match[3]).strip(), display=shown)
        return f'<{match[1]} class="formula">{mathml}</{match[1]}>'

    return _MATHEMATICS.sub(drawn, html)


def notebook_page(uri: str) -> dict[str, str | bytes]:
    """`{path in the site's sources: content}` of a notebook's page and its pictures.

    Args:
      uri: the notebook's path in `docs/pages`.
    """
    from nbconvert import MarkdownExporter

    stem = Path(uri).stem
    resources = {"output_files_dir": f"{stem}_files", "unique_key": stem}
    body, made = MarkdownExporter().from_filename(str(ROOT / PAGES / uri), resources)
    body += f'\n\n<a href="{stem}.ipynb" download>This page as a notebook</a>\n'
    folder = posixpath.dirname(uri)
    pictures = {posixpath.join(folder, name): data for name, data in made["outputs"].items()}
    return {place(f"{PAGES}/{uri}"): body, **pictures}


def rewritten(markdown: str, path: str) -> str:
    """The text of a file with links that hold in the site."""
    here = posixpath.dirname(place(path))

    def changed(match):
        target, hash_, anchor = match[3].partition("#")
        found = resolved(path, target)
        if found is None:
            return match[2]
        return (
            f"{match[1]}[{match[2]}]({posixpath.relpath(place(found), here or '.')}{hash_}{anchor})"
        )

    return _replaced(markdown, changed)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what the navigation and pages name outside their folder, and what that links to."""
    from mkdocs.structure.files import File, InclusionLevel

    for file in list(files):
        if file.src_uri.endswith(".ipynb"):
            for uri, content in notebook_page(file.src_uri).items():
                files.append(File.generated(config, uri, content=content))
    own = {f"{PAGES}/{file.src_uri}" for file in files}
    waiting = [*sorted(own), *_named(config.nav)]
    seen = set()
    while waiting:
        path = waiting.pop()
        if path in seen or not (ROOT / path).is_file():
            continue
        seen.add(path)
        if path not in own and not path.startswith(f"{PAGES}/"):
            file = File.generated(config, place(path), abs_src_path=str(ROOT / path))
            file.inclusion = InclusionLevel.NOT_IN_NAV
            files.append(file)
        if path.endswith(".md"):
            waiting += _linked(path)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Makes links hold in the site."""
    source = page.file.abs_src_path
    if not source:  # The page of a notebook.
        return rewritten(markdown, f"{PAGES}/{page.file.src_uri}")
    return rewritten(markdown, Path(source).resolve().relative_to(ROOT).as_posix())


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Draws formulas."""
    return with_mathml(html)


def _named(nav) -> Iterator[str]:
    """The paths in a navigation: a path, or a list or a dict of such."""
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _named(part)


def _linked(path: str) -> Iterator[str]:
    for match in links((ROOT / path).read_text(encoding="utf-8")):
        target = match[3].partition("#")[0]
        found = is_relative(match[3]) and resolved(path, target)
        if found:
            yield found


def _replaced(markdown: str, changed: Callable[[re.Match[str]], str]) -> str:
    parts, end = [], 0
    for match in links(markdown):
        if is_relative(match[3]):
            parts += [markdown[end : match.start()], changed(match)]
            end = match.end()
    return "".join([*parts, markdown[end:]])
