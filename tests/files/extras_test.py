"""Tests of kdcl_tf.files.extras, and that the programs ask it first."""

import ast
import pathlib
import re
import sys
from unittest import mock

from absl.testing import absltest, parameterized

from kdcl_tf.files import extras
from kdcl_tf.serving.formats import names
from tests import in_process

_ROOT = pathlib.Path(__file__).parents[2]
# What packages are called where they are installed, if not as they are imported.
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "absl": "absl-py",
    "ai_edge_litert": "ai-edge-litert",
    "keras_cv": "keras-cv",
    "sklearn": "scikit-learn",
    "tensorflow_datasets": "tensorflow-datasets",
}
# Declared, since others import them: TFDS, and `tf.summary`.
_OF_OTHERS = {"importlib_resources", "tensorboard"}
# TensorFlow requires them, in a range of its own.
_OF_TENSORFLOW = {"flatbuffers", "ml_dtypes"}


def _required(head):
    """The packages in the list of setup.py that begins with `head`."""
    text = (_ROOT / "setup.py").read_text()
    listed = text[text.index(head) :].partition("]")[0]
    # A name, and its range or the place of one.
    return set(re.findall(r'f?"([A-Za-z_][\w-]*)[>\[{]', listed.partition("[")[2]))


def _imported():
    """`{top-level module: files}` of what kdcl_tf imports, inside functions too."""
    found = {}
    for path in (_ROOT / "kdcl_tf").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names_ = []
            if isinstance(node, ast.Import):
                names_ = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names_ = [node.module]
            for name in names_:
                found.setdefault(name.partition(".")[0], set()).add(path)
    return found


class RequireTest(parameterized.TestCase):
    @parameterized.parameters(
        (("onnx", "tf2onnx"), "tf2onnx", "LiteRT and ONNX files need", "export"),
        (
            ("pycocotools",),
            "pycocotools",
            "annotations and scores in COCO's format need",
            "detection",
        ),
    )
    def test_missing_packages_are_named_with_what_installs_them(self, packages, gone, what, extra):
        extras.require(*packages)
        message = rf"^expected {gone}, which {what}, to be installed; got none: run pip install "
        with mock.patch.dict(sys.modules, {gone: None}):
            with self.assertRaisesRegex(
                extras.MissingPackageError, rf"{message}'kdcl_tf\[{extra}\]'$"
            ):
                extras.require(*packages)

    def test_all_that_formats_need_is_in_their_extra(self):
        self.assertContainsSubset(names.packages(list(names.FORMATS)), extras.EXTRAS["export"][0])

    @parameterized.parameters(
        ("detect", ["--dataset=coco:nowhere"], "pycocotools", "detection"),
        ("detect", ["--mode=predict"], "pycocotools", "detection"),
        ("export", ["--workdir=x", "--format=onnx"], "tf2onnx", "export"),
        ("predict", ["--model=a.onnx", "--image=."], "onnxruntime", "export"),
        ("evaluate", ["--model=a.tflite"], "ai_edge_litert", "export"),
    )
    def test_a_program_says_it_in_one_line_before_it_works(self, door, arguments, package, extra):
        folder = pathlib.Path(self.create_tempdir().full_path)
        for name in ("a.onnx", "a.tflite"):
            (folder / name).write_bytes(b"x")
        arguments = [each.replace("=a.", f"={folder}/a.") for each in arguments]
        with mock.patch.dict(sys.modules, {package: None}):
            done = in_process.run(door, *arguments)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(
            done.stderr, rf"^kdcl-{door}: expected {package}, which .*kdcl_tf\[{extra}\]'$"
        )
        self.assertLen(done.stderr.strip().splitlines(), 1)


class DeclaredTest(absltest.TestCase):
    def test_setup_declares_what_is_imported_and_nothing_else(self):
        imported = set(_imported()) - set(sys.stdlib_module_names) - {"kdcl_tf"}
        imported -= _OF_TENSORFLOW
        of_extras = {name for known, _ in extras.EXTRAS.values() for name in known}
        plain = {_DISTRIBUTIONS.get(name, name) for name in imported - of_extras}
        self.assertEqual(plain | _OF_OTHERS, _required("install_requires="))
        self.assertContainsSubset(of_extras, imported)

    def test_setup_has_the_packages_of_each_extra(self):
        for extra, (known, _) in extras.EXTRAS.items():
            expected = {_DISTRIBUTIONS.get(name, name) for name in known}
            self.assertEqual(_required(f'"{extra}": ['), expected)


if __name__ == "__main__":
    absltest.main()
