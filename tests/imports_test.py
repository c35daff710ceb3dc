"""Imports run one way, files are named for nouns, and every module has its test."""

import ast
import pathlib
import subprocess
import sys

from absl.testing import absltest, parameterized

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_PACKAGE = _ROOT / "kdcl_tf"

# What each part may import of this package; the longest matching part decides.
_MAY_IMPORT = {
    "simplex": (),
    "targets": ("simplex",),
    "losses": ("targets",),
    "ensembles": ("simplex", "targets"),
    "membership": (),
    "cohort_metrics": ("targets",),
    "cohort": ("losses", "cohort_metrics", "membership"),
    "methods": ("targets", "losses", "ensembles", "cohort", "methods"),
    "callbacks": ("ensembles",),
    "students": ("students",),
    "data": ("data",),
    "serving": ("students",),
    "command_line": (),
    "evaluation": ("data", "serving", "evaluation"),
    "training": ("training", "methods", "ensembles", "students", "data", "serving"),
    "evaluate": ("command_line", "serving", "evaluation", "training"),
    "train": ("command_line", "training"),
    "export": ("command_line", "serving", "training", "train"),
}


def _modules():
    return sorted(path for path in _PACKAGE.rglob("*.py"))


def _name(path):
    return ".".join(path.relative_to(_PACKAGE).with_suffix("").parts)


def _imported(path):
    """Names below `kdcl_tf` that a file imports, at its top or inside functions."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            if parts[0] == "kdcl_tf":
                names += [".".join([*parts[1:], each.name]) for each in node.names]
    return names


class ImportsTest(parameterized.TestCase):
    @parameterized.parameters(*[_name(path) for path in _modules() if path.parent != _PACKAGE
                                or path.name != "__init__.py"])  # fmt: skip
    def test_a_module_imports_only_what_is_below_it(self, name):
        part = name.split(".")[0]
        self.assertIn(part, _MAY_IMPORT, "a new part needs its place in the order")
        path = _PACKAGE.joinpath(*name.split(".")).with_suffix(".py")
        wrong = [each for each in _imported(path) if each.split(".")[0] not in _MAY_IMPORT[part]]
        self.assertEqual(wrong, [])

    def test_files_are_named_for_what_they_hold(self):
        empty = {"utils", "util", "helpers", "helper", "common", "misc"}
        self.assertEqual([path for path in _modules() if path.stem in empty], [])

    def test_every_module_has_a_test_of_its_name(self):
        missing = [
            _name(path)
            for path in _modules()
            if path.stem != "__init__"
            and not (
                _ROOT / "tests" / path.relative_to(_PACKAGE).with_name(f"{path.stem}_test.py")
            ).exists()
        ]
        self.assertEqual(missing, [])

    def test_importing_the_package_does_not_wait_for_tensorflow(self):
        program = "import sys, kdcl_tf, kdcl_tf.train; sys.exit('tensorflow' in sys.modules)"
        self.assertEqual(subprocess.run([sys.executable, "-c", program]).returncode, 0)

    def test_every_public_name_is_there(self):
        import kdcl_tf

        for name in kdcl_tf.__all__:
            self.assertIsNotNone(getattr(kdcl_tf, name), name)


if __name__ == "__main__":
    absltest.main()
