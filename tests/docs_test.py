"""Tests of README.md and docs/: code runs, flags are there, and links lead somewhere."""

import contextlib
import importlib
import importlib.util
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse
from unittest import mock

import flag_pages
import pytest
from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf.programs import command_line
from tests import class_folder, documents

_ROOT = documents.ROOT
_ALL = documents.documents()
_WITH_CODE = [path for path in _ALL if documents.examples(path)]
# Flags of other programs, and of tools that parse their own.
_OTHERS = {
    "nodes", "ntasks-per-node", "kill-on-bad-exit", "flagfile", "help", "helpfull", "notebooks",
    "start_epoch", "resume", "what", "steps",
}  # fmt: skip


def _load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _named(paths):
    return [(re.sub(r"\W", "_", documents.name(path)), path) for path in paths]


def _define_flags(program):
    """The `define_flags` of `kdcl-train`, or of a file of tools/; None where it has none."""
    if program.startswith("kdcl-"):
        return flag_pages.modules()[program].define_flags
    module = importlib.import_module(pathlib.PurePath(program).stem)
    return getattr(module, "define_flags", None)


def _values(program, arguments):
    values = flags.FlagValues()
    _define_flags(program)(values)
    command_line.parse(values, [program, *arguments])
    return values


class ReaderTest(absltest.TestCase):
    """What reads the documents finds what is there."""

    def _write(self, text):
        path = pathlib.Path(self.create_tempdir().full_path) / "page.md"
        path.write_text(text)
        return path

    def test_blocks_examples_and_commands(self):
        path = self._write(
            "# A `b` [c](d.md)\n```python\nprint(1)\n```\n\n```text\n1\n```\n1. x\n\n"
            "    ```sh\n    kdcl-train --epochs=1 \\\n      --seed=2  # short\n    ```\n"
            "```\nplain\n```\n"
        )
        self.assertEqual(documents.examples(path), [("print(1)\n", "1\n")])
        self.assertEqual(documents.commands(path), [["kdcl-train", "--epochs=1", "--seed=2"]])
        self.assertEqual(
            [block.language for block in documents.blocks(path)], ["python", "text", "sh", ""]
        )
        self.assertEqual(documents.anchors(path), {"a-b-c"})
        self.assertNotIn("plain", documents.prose(path))

    def test_there_is_something_to_test(self):
        self.assertGreater(len(_ALL), 30)
        self.assertGreater(sum(len(documents.commands(path)) for path in _ALL), 40)
        self.assertGreater(len(_WITH_CODE), 6)


class ExamplesTest(parameterized.TestCase):
    """All blocks of Python run, in one process; those of a page go on from each other."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = class_folder.make(cls)
        # What the page about serving loads.
        export = (
            "import kdcl_tf\n"
            "from kdcl_tf.data.normalization import Normalization\n"
            "classes = [f'class {i}' for i in range(100)]\n"
            "colours = Normalization((0.5,) * 3, (0.25,) * 3)\n"
            "card = kdcl_tf.serving.Card('resnet32', (32, 32, 3), classes, colours)\n"
            "student = kdcl_tf.students.build('resnet32', 100)\n"
            "path = 'runs/general_icl/students/resnet32'\n"
            "kdcl_tf.serving.export_student(student, path, card=card)\n"
        )
        run = "import runpy, sys\nrunpy.run_module('tests.documents', run_name='__main__')\n"
        cls.done = subprocess.run(
            [sys.executable, "-c", export + run, *map(documents.name, _WITH_CODE)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            capture_output=True,
            text=True,
        )
        lines = cls.done.stdout.splitlines()
        cls.printed = json.loads(lines[-1]) if lines else {}
        cls.saved = {path.name for path in folder.iterdir()}

    @parameterized.named_parameters(_named(_WITH_CODE))
    def test_it_runs_and_prints_what_the_page_says(self, path):
        self.assertIn(documents.name(path), self.printed, self.done.stderr[-2000:])
        printed = self.printed[documents.name(path)]
        for (code, expected), found in zip(documents.examples(path), printed):
            self.assertNotIn("Traceback", found, code)
            if expected is not None:
                self.assertEqual(found, expected)
        self.assertLen(printed, len(documents.examples(path)))

    def test_the_example_of_readme_is_short_trains_and_saves(self):
        (code, _), *others = documents.examples(_ROOT / "README.md")
        self.assertEmpty(others)
        self.assertLessEqual(len([line for line in code.splitlines() if line.strip()]), 20)
        self.assertIn("val_small_accuracy", self.printed["README.md"][0])
        self.assertIn("small.keras", self.saved)


class CommandsTest(parameterized.TestCase):
    """The words of every command line are what the real parsers take."""

    def setUp(self):
        super().setUp()
        before = os.getcwd()
        os.chdir(_ROOT)
        self.addCleanup(os.chdir, before)

    @parameterized.named_parameters(_named(path for path in _ALL if documents.commands(path)))
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
            self.assertTrue((_ROOT / words[1]).is_file(), words[1])
            if words[1].endswith(".py") and _define_flags(words[1]):
                self._check_values(words[1], words[2:])
        else:
            self.assertEqual(words[:2], ["pip", "install"])

    def _check_values(self, program, arguments):
        stderr = io.StringIO()
        try:
            with contextlib.redirect_stderr(stderr):
                values = _values(program, arguments)
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

    @parameterized.named_parameters(_named(_ALL))
    def test_every_flag_in_the_text_is_one_of_a_program(self, path):
        known = set(_OTHERS)
        for module in flag_pages.modules().values():
            values = flags.FlagValues()
            module.define_flags(values)
            known |= set(values) | {f"no{name}" for name in values}
        text = re.sub(r"\(https?:[^)]*\)", "", documents.prose(path))
        unknown = set(re.findall(r"(?<![\w-])--([a-z][\w-]*)", text)) - known
        self.assertEmpty(unknown)


class LinksTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hooks = _hooks()

    def _links(self, path):
        text = path.read_text(encoding="utf-8")
        return [match[3] for match in self.hooks.links(text)]

    @parameterized.named_parameters(
        _named([*_ALL, _ROOT / "BUILD.md", _ROOT / "results" / "README.md"])
    )
    def test_every_link_leads_to_a_file_and_an_anchor_in_it(self, path):
        for link in self._links(path):
            if link.startswith(("https://", "http://")):
                continue
            target, _, anchor = link.partition("#")
            file = (path.parent / target).resolve() if target else path
            self.assertTrue(file.exists(), link)
            self.assertTrue(file.is_relative_to(_ROOT), link)
            if anchor and file.suffix == ".md":
                self.assertIn(anchor, documents.anchors(file) | _documented(file), link)

    @parameterized.named_parameters(_named(_ALL))
    def test_every_address_is_well_formed_and_every_reference_defined(self, path):
        text = documents.prose(path)
        defined = dict(re.findall(r"^\[([\w-]+)\]: (\S+)$", text, re.MULTILINE))
        for address in re.findall(r"https?://[^\s)>\]]*", text):
            parts = urllib.parse.urlsplit(address)
            self.assertRegex(parts.netloc, r"^[\w-]+(\.[\w-]+)+$", address)
            self.assertNotIn("//", parts.path, address)
        used = set(re.findall(r"\]\[([\w-]+)\]", text))
        self.assertEqual(used, set(defined))

    def test_every_file_that_the_documents_name_is_there(self):
        text = "".join(path.read_text() for path in [*_ALL, _ROOT / "BUILD.md"])
        text = re.sub(r"https?://\S*", "", text)
        named = re.findall(
            r"(?<![\w/.-])(?:tools|flags|results|tests|kdcl_tf|docs)/[\w./-]*\w", text
        )
        self.assertGreater(len(named), 50)
        # What only a wheel has.
        missing = {path for path in named if not (_ROOT / path).exists()} - {"kdcl_tf/flags"}
        self.assertEmpty(missing)


class HooksTest(absltest.TestCase):
    """docs/hooks.py, without MkDocs."""

    def setUp(self):
        super().setUp()
        self.hooks = _hooks()

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
        text = (_ROOT / "docs" / "mkdocs.yml").read_text()
        for path in [*documents.PAGES.rglob("*.md"), *documents.PAGES.rglob("*.ipynb")]:
            page = path.relative_to(documents.PAGES).with_suffix(".md").as_posix()
            self.assertIn(f" {page}\n", text)

    def test_readme_is_for_two_minutes(self):
        self.assertLess(len((_ROOT / "README.md").read_text().split()), 1000)

    def test_what_the_package_tells_of_itself_has_no_link_to_files_beside_it(self):
        pytest.importorskip("setuptools", reason="this environment was made without setuptools")
        done = subprocess.run(
            [sys.executable, "setup.py", "--long-description"],
            cwd=_ROOT,
            capture_output=True,
            text=True,
        )
        self.assertIn("# kdcl_tf", done.stdout, done.stderr)
        self.assertIn("](https://", done.stdout)
        self.assertNotRegex(done.stdout, r"\]\((?!https://)")


class NotebooksTest(parameterized.TestCase):
    notebooks = sorted((documents.PAGES / "tutorials").glob("*.ipynb"))

    @parameterized.named_parameters((path.stem, path) for path in notebooks)
    def test_it_was_run_from_the_top_and_tells_nothing_of_a_machine(self, path):
        text = path.read_text()
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        self.assertEqual(
            [cell["execution_count"] for cell in cells], list(range(1, len(cells) + 1))
        )
        self.assertFalse(
            [each for cell in cells for each in cell["outputs"] if each["output_type"] == "error"]
        )
        self.assertTrue([cell for cell in cells if cell["outputs"]])
        self.assertNotRegex(text, r"(?<![\w.])/(root|home|tmp|usr|opt|work)/|Warning")
        self.assertLess(len(text), 300_000)

    @parameterized.named_parameters((path.stem, path) for path in notebooks)
    def test_its_commands_parse(self, path):
        cells = json.loads(path.read_text())["cells"]
        lines = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        commands = re.findall(r"^!(kdcl-.*)$", lines.replace("\\\n", " "), re.MULTILINE)
        self.assertLen(commands, lines.count("!kdcl-"))
        for line in commands:
            program, *arguments = line.split(" > ")[0].split()
            # Another flag or value ends the program.
            self.assertIsNotNone(_values(program, arguments))

    def test_what_a_notebook_keeps_of_its_outputs(self):
        pytest.importorskip("nbclient", reason="the extra docs is not installed")
        import run_notebooks
        from nbformat import v4

        def stream(text, name="stdout"):
            return v4.new_output("stream", name=name, text=text)

        figure = {"image/png": "AAAA", "text/plain": "<Figure>"}
        outputs = [
            stream("\r  0%|   | 0/2 [00:00<?]\r      \r[1/2] begins in /tmp/x/run"),
            stream("\n 50%|## | 1/2\r100%|###| 2/2\n[1/2] 93.33% in 2.8 min\n"),
            stream(
                "a.py:1: UserWarning: mind\n  the_line()\nI0000 00:00:1 port.cc:1] oneDNN\n",
                "stderr",
            ),
            v4.new_output("display_data", figure),
        ]
        cell = v4.new_code_cell("run()", outputs=outputs, metadata={"collapsed": False})
        done = run_notebooks.cleaned(v4.new_notebook(cells=[cell]), pathlib.Path("/tmp/x"))
        told, drawn = done.cells[0].outputs
        self.assertEqual(told.text, "[1/2] begins in ./run\n[1/2] 93.33%\n")
        self.assertEqual(drawn.data, {"image/png": "AAAA"})
        self.assertEqual(done.cells[0].metadata, {})

    @parameterized.named_parameters((path.stem, path) for path in notebooks)
    @pytest.mark.slow  # Below: it would not reach the tests that are made of this one.
    def test_it_runs(self, path):
        pytest.importorskip("nbclient", reason="the extra docs is not installed")
        pytest.importorskip("ipykernel", reason="the extra docs is not installed")
        import nbformat
        import run_notebooks

        with (
            mock.patch.dict(os.environ, PYTHONPATH=str(_ROOT)),
            tempfile.TemporaryDirectory() as folder,
        ):
            written = nbformat.read(path, as_version=4)
            done = run_notebooks.run(nbformat.read(path, as_version=4), pathlib.Path(folder))
        counts = [[cell.get("execution_count") for cell in each.cells] for each in (done, written)]
        self.assertEqual(*counts)


@pytest.mark.slow
class BuildTest(absltest.TestCase):
    def test_the_site_is_built_without_a_warning_and_names_no_other_host(self):
        for module in ("mkdocs", "material", "mkdocstrings", "nbconvert"):
            pytest.importorskip(module, reason="the extra docs is not installed")
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet",
                 "--config-file", "docs/mkdocs.yml", "--site-dir", folder],
                cwd=_ROOT,
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


def _hooks():
    return _load(_ROOT / "docs" / "hooks.py", "hooks")


def _documented(path):
    """The names that a page of the reference documents: those after `:::`, and their members."""
    found = set()
    for name in re.findall(r"^::: (\S+)$", path.read_text(), re.MULTILINE):
        found.add(name)
        for member, inner in _members(_object(name)):
            found |= {
                f"{name}.{member}",
                *(f"{name}.{member}.{each}" for each, _ in _members(inner)),
            }
    return found


def _object(name):
    """The module, or the thing in a module, of a dotted name."""
    try:
        return importlib.import_module(name)
    except ImportError:
        owner, _, last = name.rpartition(".")
        return getattr(_object(owner), last)


def _members(thing):
    return [(name, getattr(thing, name)) for name in dir(thing) if not name.startswith("_")]


if __name__ == "__main__":
    absltest.main()
