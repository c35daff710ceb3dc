"""Tests of the rooms: imports run one way, no room is crowded, every module has its test."""

import ast
import functools
import pathlib
import subprocess
import sys

from absl.testing import absltest, parameterized

_ROOT = pathlib.Path(__file__).parents[1]
_PACKAGE = _ROOT / "kdcl_tf"
_DOORS = ("train", "evaluate", "predict", "export", "detect", "reproduce")

# The floors of the house, from the ground up.  A room may import its own floor and those below.
_FLOORS = (
    ("files",),
    ("objectives", "students", "data"),
    ("distribution", "cohort"),
    ("training", "methods", "serving"),
    ("classification", "comparison", "detection", "evaluation", "prediction", "reproduction"),
    ("programs",),
    _DOORS,
)


def _other_doors(door):
    return tuple(each for each in _DOORS if each != door)


# Rooms of one floor that never know each other, and what else is narrower than the floors.
_STRANGERS = {
    "objectives": ("students", "data"),
    "students": ("objectives", "data"),
    "data": ("objectives", "students"),
    "cohort": ("distribution", "students", "data"),
    "distribution": ("cohort", "objectives"),
    "training": ("methods", "serving", "cohort", "objectives"),
    "methods": ("training", "distribution", "data"),
    "serving": ("training", "methods"),
    "classification": ("comparison", "detection", "evaluation", "prediction", "reproduction"),
    "comparison": ("detection", "evaluation", "prediction"),
    "detection": ("classification", "evaluation", "reproduction", "methods", "cohort"),
    "evaluation": ("classification", "comparison", "detection", "prediction", "reproduction"),
    "prediction": ("classification", "comparison", "detection", "reproduction"),
    "reproduction": ("comparison", "detection", "evaluation", "prediction"),
    "programs": ("classification", "detection", "evaluation", "reproduction"),
    "train": ("detection", "evaluation", "reproduction", *_other_doors("train")),
    "evaluate": ("detection", "reproduction", *_other_doors("evaluate")),
    "predict": ("detection", "reproduction", *_other_doors("predict")),
    "export": ("detection", "evaluation", "reproduction", *_other_doors("export")),
    "detect": ("classification", "evaluation", "reproduction", *_other_doors("detect")),
    "reproduce": ("detection", "evaluation", "prediction", *_other_doors("reproduce")),
}
_VAGUE = ("utils", "util", "helpers", "common", "misc")


def _modules():
    return sorted(path for path in _PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def _room(path):
    """`methods` for kdcl_tf/methods/kdcl.py, `train` for kdcl_tf/train.py."""
    return path.relative_to(_PACKAGE).with_suffix("").parts[0]


def _floor(room):
    return next(number for number, floor in enumerate(_FLOORS) if room in floor)


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


def _imported_rooms(path):
    """Rooms of kdcl_tf that a file imports from; the package itself is `kdcl_tf`."""
    names = [name.split(".") for name in _imported_names(path)]
    rooms = {(name[1] if len(name) > 1 else "kdcl_tf") for name in names if name[0] == "kdcl_tf"}
    return rooms - {_room(path)}


class RoomsTest(parameterized.TestCase):
    def test_the_reader_sees_every_form_of_import(self):
        methods = _imported_rooms(_PACKAGE / "methods" / "kdcl.py")
        self.assertEqual(methods, {"cohort", "objectives"})
        # Inside a function.
        self.assertIn("distribution", _imported_rooms(_PACKAGE / "export.py"))

    @parameterized.parameters(*(room for floor in _FLOORS for room in floor))
    def test_a_room_imports_only_its_own_floor_and_those_below(self, room):
        for path in _modules():
            if _room(path) == room:
                rooms = _imported_rooms(path) - {"kdcl_tf"}
                above = {each for each in rooms if _floor(each) > _floor(room)}
                above |= rooms & set(_STRANGERS.get(room, ()))
                self.assertEmpty(above, f"{path.relative_to(_ROOT)} imports {sorted(above)}")

    def test_only_the_versions_of_a_run_import_the_package_itself(self):
        found = {path.name for path in _modules() if "kdcl_tf" in _imported_rooms(path)}
        self.assertEqual(found, {"identity.py"})

    def test_every_room_has_its_floor(self):
        rooms = {_room(path) for path in _modules()}
        on_floors = {room for floor in _FLOORS for room in floor}
        self.assertEqual(rooms - {"__init__"}, on_floors)

    def test_no_room_is_crowded(self):
        for folder in {path.parent for path in _modules()}:
            most = 8 if folder == _PACKAGE else 16
            count = len(list(folder.glob("*.py")))
            self.assertLessEqual(count, most, f"{folder.relative_to(_ROOT)} has {count} modules")

    def test_doors_hand_the_work_to_the_rooms(self):
        for door in _DOORS:
            lines = (_PACKAGE / f"{door}.py").read_text().splitlines()
            self.assertLess(len(lines), 140, f"{door}.py: move what it does into a room")


def _bound(tree):
    """All names that a file binds otherwise than by an import."""
    arguments = {each.arg for each in ast.walk(tree) if isinstance(each, ast.arg)}
    names = (each for each in ast.walk(tree) if isinstance(each, ast.Name))
    return arguments | {each.id for each in names if not isinstance(each.ctx, ast.Load)}


@functools.cache
def _defined(path):
    """The names at the top of a file, those in its `if` and `try` included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(each.asname or each.name).partition(".")[0] for each in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def _modules_by_name(tree):
    """`{name in a file: module of kdcl_tf}` of what the file imports from its packages."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kdcl_tf"):
            for each in node.names:
                path = _ROOT.joinpath(*node.module.split("."), f"{each.name}.py")
                found |= {each.asname or each.name: path} if path.exists() else {}
    return found


class NamesTest(absltest.TestCase):
    def test_modules_have_what_others_ask_of_them(self):
        """A function that moved is missed only where it is called, which may be late in a run."""
        missing, paths = [], [*_modules(), *(_ROOT / "tools").rglob("*.py")]
        for path in paths:
            tree = ast.parse(path.read_text())
            modules = _modules_by_name(tree)
            bound = _bound(tree)
            known = {name: _defined(each) for name, each in modules.items() if name not in bound}
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    name = node.value.id
                    is_there = node.attr in known.get(name, {node.attr})
                    if not (is_there or node.attr.startswith("__")):
                        missing.append(f"{path.relative_to(_ROOT)}: {name}.{node.attr}")
        self.assertEmpty(missing)
        self.assertIn("may_replace", _defined(_PACKAGE / "serving" / "replacing.py"))


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


class PublicNamesTest(parameterized.TestCase):
    def _run(self, program):
        return subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )

    def test_importing_the_package_does_not_wait_for_tensorflow(self):
        heavy = "{'tensorflow', 'keras', 'numpy', 'matplotlib'}"
        done = self._run(f"import sys, kdcl_tf; print(sorted({heavy} & set(sys.modules)))")
        self.assertEqual(done.stdout.strip(), "[]", done.stderr)

    def test_a_module_has_its_short_name_in_every_form_of_import_and_every_name_is_there(self):
        done = self._run(
            "import kdcl_tf.targets as one\n"
            "from kdcl_tf.losses import distillation\n"
            "from kdcl_tf import callbacks, targets as two\n"
            "import importlib, kdcl_tf\n"
            "from kdcl_tf.objectives import losses, targets as home\n"
            "assert one is two is home is kdcl_tf.targets\n"
            "assert distillation is losses.distillation\n"
            "assert home.__name__ == home.__spec__.name == 'kdcl_tf.objectives.targets'\n"
            "assert importlib.reload(home) is home\n"
            "print(callbacks.GeneralWeights.__name__)\n"
            "print(all([getattr(kdcl_tf, name) for name in kdcl_tf.__all__]))"
        )
        self.assertEqual(done.stdout, "GeneralWeights\nTrue\n", done.stderr)

    @parameterized.parameters(
        "from kdcl_tf import Cohort",
        "import kdcl_tf.cohort.hyperparameters",
        "from kdcl_tf.objectives.ensembles import General",
        "from kdcl_tf.students.normalization import FusedBatchNormalization",
    )
    def test_a_module_may_be_the_first_to_import_keras_and_all_is_registered(self, program):
        done = self._run(
            f"{program}\nimport keras\n"
            "print(keras.saving.get_registered_object('kdcl_tf>KDCL').__name__)\n"
            "print(keras.saving.get_registered_object('kdcl_tf>FusedBatchNormalization').__name__)"
        )
        self.assertEqual(done.stdout, "KDCL\nFusedBatchNormalization\n", done.stderr)

    def test_an_unknown_name_is_an_error_in_every_form(self):
        done = self._run("import kdcl_tf; kdcl_tf.nothing")
        self.assertIn("module 'kdcl_tf' has no attribute 'nothing'", done.stderr)
        done = self._run("import kdcl_tf.nothing")
        self.assertIn("No module named 'kdcl_tf.nothing'", done.stderr)


if __name__ == "__main__":
    absltest.main()
