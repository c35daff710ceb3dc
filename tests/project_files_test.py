"""Tests of what is beside the package: documents, the citation and the workflow agree with it."""

import pathlib
import re

from absl.testing import absltest, parameterized

import kdcl_tf

_ROOT = pathlib.Path(__file__).parents[1]
_PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def _text(name):
    return (_ROOT / name).read_text(encoding="utf-8")


class ProjectFilesTest(parameterized.TestCase):
    @parameterized.parameters("CONTRIBUTING.md", "SECURITY.md")
    def test_every_file_that_is_named_is_there(self, name):
        named = set(re.findall(r"`([\w.]+/[\w./-]*\w|\w+\.py)`", _text(name)))
        named |= set(re.findall(r"\bbash (tools/\w+\.sh)", _text(name)))
        self.assertNotEmpty(named)
        places = (_ROOT, _ROOT / "kdcl_tf")
        missing = [each for each in named if not any((place / each).exists() for place in places)]
        self.assertEmpty(missing)

    def test_every_name_in_the_checklists_is_in_a_file_that_the_same_item_names(self):
        text = _text("CONTRIBUTING.md")
        items = re.findall(r"- \[ \] (.*?)(?=\n- \[ \]|\n\n)", text, re.DOTALL)
        self.assertGreater(len(items), 30)
        checked = 0
        for item in items:
            files = re.findall(r"`([\w/]+\.py)`", item)
            contents = [
                path.read_text()
                for each in files
                for path in (_ROOT / each, _ROOT / "kdcl_tf" / each)
                if path.exists()
            ]
            constants = re.findall(r"`(_?[A-Z][A-Z_]+)`", item)
            if contents:
                checked += len(constants)
                for constant in constants:
                    known = any(re.search(rf"\b{constant}\b", each) for each in contents)
                    self.assertTrue(known, f"{constant}: {item}")
        self.assertGreater(checked, 10)

    def test_the_citation_is_of_this_version_and_of_the_paper(self):
        citation = _text("CITATION.cff")
        self.assertEqual(
            re.search(r"^version: (.+)$", citation, re.MULTILINE)[1], kdcl_tf.__version__
        )
        released = re.search(r"^date-released: (.+)$", citation, re.MULTILINE)[1]
        self.assertIn(f"## {kdcl_tf.__version__} ({released})\n", _text("CHANGELOG.md"))
        link = re.search(r"^  url: (.+)$", citation, re.MULTILINE)[1]
        self.assertIn(link, re.sub(r'"\s+"', "", _text("setup.py")))

    def test_pythons_are_the_same_everywhere(self):
        setup, workflow = _text("setup.py"), _text(".github/workflows/tests.yml")
        self.assertIn('python_requires=">=3.10,<3.14"', setup)
        self.assertEqual(re.findall(r"Python :: (3\.\d+)", setup), list(_PYTHONS))
        self.assertIn(f"python: [{', '.join(map(repr, _PYTHONS))}]".replace("'", '"'), workflow)
        self.assertIn("(3, 10) <= sys.version_info[:2] < (3, 14)", _text("tools/environment.sh"))

    def test_the_workflow_and_continuous_integration_call_scripts_that_there_are(self):
        called = re.findall(
            r"bash (tools/\w+\.sh)", _text(".github/workflows/tests.yml") + _text(".ci/run")
        )
        self.assertContainsSubset(["tools/lint.sh", "tools/test.sh"], called)
        self.assertEmpty([each for each in set(called) if not (_ROOT / each).exists()])


if __name__ == "__main__":
    absltest.main()
