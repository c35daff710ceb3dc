"""Tests of the site: what makes it, its pages, and itself."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import flag_pages
import pytest
from absl import flags
from absl.testing import absltest, parameterized

from tests import documents

_ALL = documents.documents()


class HooksTest(absltest.TestCase):
    """docs/hooks.py, without MkDocs."""

    def setUp(self):
        super().setUp()
        self.hooks = documents.hooks()

    def test_links_outside_of_code(self):
        text = "[a](b.md) `[c](d)` ![e](f.png)\n```\n[g](h)\n```\n[i [j]](k#l)\n"
        found = [match.groups() for match in self.hooks.links(text)]
        self.assertEqual(found, [("", "a", "b.md"), ("!", "e", "f.png"), ("", "i [j]", "k#l")])

    def test_a_link_leads_to_the_same_file_in_the_site(self):
        text = "[r](../../results/README.md#x) [p](choosing.md) [w](https://a.org/b) [o](#here)"
        self.assertEqual(
            self.hooks.rewritten(text, "docs/pages/index.md"),
            "[r](results/README.md#x) [p](choosing.md) [w](https://a.org/b) [o](#here)",
        )
        deeper = self.hooks.rewritten("[r](../../../BUILD.md)", "docs/pages/programs/index.md")
        self.assertEqual(deeper, "[r](../BUILD.md)")
        project = self.hooks.rewritten("[a](docs/pages/index.md) [b](results/)", "BUILD.md")
        self.assertEqual(project, "[a](index.md) [b](results/README.md)")

    def test_a_folder_without_a_readme_is_named_only(self):
        self.assertEqual(self.hooks.rewritten("[t](transfer)", "results/README.md"), "t")

    def test_formulas_become_mathml(self):
        pytest.importorskip("latex2mathml", reason="the extra docs is not installed")
        inline = self.hooks.with_mathml('<span class="arithmatex">\\(T^2\\)</span>')
        self.assertRegex(
            inline, r'<span class="formula"><math .*display="inline".*<msup>.*</math></span>'
        )
        block = self.hooks.with_mathml(
            '<div class="arithmatex">\\[a &amp;lt; b\\]</div>'.replace("amp;", "")
        )
        self.assertIn('display="block"', block)
        self.assertIn("<mo>&lt;</mo>", block.replace("&#x0003C;", "&lt;"))

    def test_every_formula_is_of_commands_that_are_known(self):
        converter = pytest.importorskip(
            "latex2mathml.converter", reason="the extra docs is not installed"
        )
        for path in _ALL:
            for formula in re.findall(
                r"\$\$(.+?)\$\$|\$([^$`\n]+)\$", documents.prose(path), re.DOTALL
            ):
                # A command that is not known stays as it is.
                self.assertNotIn(
                    "\\", converter.convert("".join(formula).strip()), documents.name(path)
                )


class PagesTest(parameterized.TestCase):
    def test_the_pages_of_flags_are_those_that_the_definitions_make(self):
        with tempfile.TemporaryDirectory() as folder:
            for path in flag_pages.write(pathlib.Path(folder)):
                committed = flag_pages.FOLDER / path.name
                self.assertEqual(committed.read_text(), path.read_text(), "run tools/flag_pages.py")

    @parameterized.named_parameters(
        (re.sub(r"\W", "_", called), called) for called in flag_pages.modules()
    )
    def test_a_page_has_every_flag_of_its_program(self, called):
        module = flag_pages.modules()[called]
        values = flags.FlagValues()
        module.define_flags(values)
        text = (flag_pages.FOLDER / flag_pages.file_name(called)).read_text()
        for name in values:
            self.assertIn(f"### {name}\n\n`--", text)

    def test_every_page_is_in_the_navigation(self):
        text = (documents.ROOT / "docs" / "mkdocs.yml").read_text()
        for path in [*documents.PAGES.rglob("*.md"), *documents.PAGES.rglob("*.ipynb")]:
            page = path.relative_to(documents.PAGES).with_suffix(".md").as_posix()
            self.assertIn(f" {page}\n", text)

    def test_readme_is_for_two_minutes(self):
        self.assertLess(len((documents.ROOT / "README.md").read_text().split()), 1000)

    def test_what_the_package_tells_of_itself_has_no_link_to_files_beside_it(self):
        pytest.importorskip("setuptools", reason="this environment was made without setuptools")
        done = subprocess.run(
            [sys.executable, "setup.py", "--long-description"],
            cwd=documents.ROOT,
            capture_output=True,
            text=True,
        )
        self.assertIn("# kdcl_tf", done.stdout, done.stderr)
        self.assertIn("](https://", done.stdout)
        self.assertNotRegex(done.stdout, r"\]\((?!https://)")


@pytest.mark.slow
class BuildTest(absltest.TestCase):
    def test_the_site_is_built_without_a_warning_and_names_no_other_host(self):
        for module in ("mkdocs", "material", "mkdocstrings", "nbconvert"):
            pytest.importorskip(module, reason="the extra docs is not installed")
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet",
                 "--config-file", "docs/mkdocs.yml", "--site-dir", folder],
                cwd=documents.ROOT,
                env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
                capture_output=True,
                text=True,
            )  # fmt: skip
            self.assertEqual(done.returncode, 0, done.stderr)
            for path in pathlib.Path(folder).rglob("*.html"):
                fetched = re.findall(
                    r'<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="(https?:[^"]*)"',
                    path.read_text(),
                )
                self.assertEmpty(fetched, path.name)


if __name__ == "__main__":
    absltest.main()
