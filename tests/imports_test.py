"""Tests of the layers: imports run one way, and every module has its test."""

import ast
import pathlib
import subprocess
import sys

from absl.testing import absltest, parameterized

_ROOT = pathlib.Path(__file__).parents[1]
_PACKAGE = _ROOT / "kdcl_tf"
_PROGRAMS = ("train", "evaluate", "export", "detect")

# What each part may import of kdcl_tf, besides itself.  A part that is not here is free.
_ALLOWED = {
    "simplex": (),
    "targets": ("simplex",),
    "losses": ("targets",),
    "ensembles": ("simplex", "targets"),
    "membership": (),
    "student_optimizers": (),
    "cohort_metrics": ("targets",),
    "accumulation": (),
    "placement": (),
    "cohort": (
        "accumulation",
        "cohort_metrics",
        "losses",
        "membership",
        "placement",
        "student_optimizers",
        "targets",
    ),
    "gate": (),
    "branched": ("cohort", "gate"),
    "exported": (),
    "serving": ("exported", "students"),
    "teachers": ("membership", "serving"),
    "callbacks": ("ensembles",),
    "methods": ("branched", "cohort", "ensembles", "losses", "targets", "teachers"),
    "students": (),
    "data": (),
    "figures": (),
    # A leaf: that nothing imports it, but its own program, follows from the rules here.
    # Of the package itself it takes the version, which a run records.
    "detection": ("data", "exported", "figures", "students", "training"),
}
# What each of the upper parts may not import.
_FORBIDDEN = {
    "training": ("detection", *_PROGRAMS),
    "evaluation": ("detection", *_PROGRAMS),
    "train": ("detect", "detection", "evaluate", "export", "reproduction"),
    "evaluate": ("detect", "detection", "train", "export", "reproduction"),
    "export": ("detect", "detection", "evaluate", "reproduction"),
    "detect": ("evaluate", "evaluation", "export", "reproduction", "train"),
    "reproduction": ("detect", "detection", "evaluate", "export"),
}
_VAGUE = ("utils", "util", "helpers", "common", "misc")


def _modules():
    return sorted(path for path in _PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def _part(path):
    """`methods` for kdcl_tf/methods/kdcl.py, `cohort` for kdcl_tf/cohort.py."""
    return path.relative_to(_PACKAGE).with_suffix("").parts[0]


def _imported_names(path):
    """Absolute dotted names that a file imports, inside functions too."""
    package = path.relative_to(_ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _imported_parts(path):
    """Parts of kdcl_tf that a file imports; the package itself is `kdcl_tf`."""
    names = [name.split(".") for name in _imported_names(path)]
    parts = {(name[1] if len(name) > 1 else "kdcl_tf") for name in names if name[0] == "kdcl_tf"}
    return parts - {_part(path)}


class LayersTest(parameterized.TestCase):
    def test_the_reader_sees_every_form_of_import(self):
        self.assertEqual(_imported_parts(_PACKAGE / "losses.py"), {"targets"})
        methods = _imported_parts(_PACKAGE / "methods" / "kdcl.py")
        self.assertEqual(methods, {"cohort", "ensembles", "losses", "targets"})
        # Inside a function.
        self.assertIn("serving", _imported_parts(_PACKAGE / "export.py"))

    @parameterized.parameters(*_ALLOWED)
    def test_a_part_imports_only_what_is_below_it(self, part):
        for path in _modules():
            if _part(path) == part:
                above = _imported_parts(path) - set(_ALLOWED[part])
                self.assertEmpty(above, f"{path.relative_to(_ROOT)} imports {sorted(above)}")

    @parameterized.parameters(*_FORBIDDEN)
    def test_programs_are_imported_by_nothing_below(self, part):
        for path in _modules():
            if _part(path) == part:
                above = _imported_parts(path) & set(_FORBIDDEN[part])
                self.assertEmpty(above, f"{path.relative_to(_ROOT)} imports {sorted(above)}")

    def test_every_part_has_its_rule_or_stands_at_the_top(self):
        parts = {_part(path) for path in _modules()}
        ruled = {*_ALLOWED, *_FORBIDDEN, "__init__", "command_line"}
        self.assertEmpty(parts - ruled, "say in this test what these may import")


class FilesTest(absltest.TestCase):
    def test_files_are_named_for_what_they_hold(self):
        vague = [path for path in _PACKAGE.rglob("*") if path.stem in _VAGUE]
        self.assertEmpty(vague)

    def test_every_module_has_a_test_of_its_name(self):
        missing = []
        for path in _modules():
            mirrored = path.relative_to(_PACKAGE).with_name(f"{path.stem}_test.py")
            if path.name != "__init__.py" and not (_ROOT / "tests" / mirrored).exists():
                missing.append(f"tests/{mirrored}")
        self.assertEmpty(missing)


class LazyImportTest(parameterized.TestCase):
    def _run(self, program):
        return subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )

    def test_importing_the_package_does_not_wait_for_tensorflow(self):
        heavy = "{'tensorflow', 'keras', 'numpy', 'matplotlib'}"
        done = self._run(f"import sys, kdcl_tf; print(sorted({heavy} & set(sys.modules)))")
        self.assertEqual(done.stdout.strip(), "[]", done.stderr)

    def test_every_public_name_is_there(self):
        program = "import kdcl_tf; [getattr(kdcl_tf, name) for name in kdcl_tf.__all__]"
        done = self._run(program)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_unknown_name_is_an_attribute_error(self):
        done = self._run("import kdcl_tf; kdcl_tf.nothing")
        self.assertIn("module 'kdcl_tf' has no attribute 'nothing'", done.stderr)


if __name__ == "__main__":
    absltest.main()
