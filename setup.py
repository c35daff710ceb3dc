"""Packaging of kdcl_tf: what it needs, what its extras add, and what the wheel carries."""

import pathlib
import re
import shutil

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

_HERE = pathlib.Path(__file__).parent
_VERSION = re.search(
    r'__version__ = "(.+)"', (_HERE / "kdcl_tf" / "__init__.py").read_text()
).group(1)
_PAPER = (
    "https://openaccess.thecvf.com/content_CVPR_2020/html/"
    "Guo_Online_Knowledge_Distillation_via_Collaborative_Learning_CVPR_2020_paper.html"
)
_TENSORFLOW = ">=2.20,<2.22"


class _BuildWithFlagfiles(build_py):
    """Puts `flags/` into wheels as `kdcl_tf/flags/`; an editable install reads the clone's own."""

    def run(self):
        if not self.editable_mode:
            # What an earlier build left here, such as modules that are gone, would be in this one.
            shutil.rmtree(pathlib.Path(self.build_lib, "kdcl_tf"), ignore_errors=True)
        super().run()
        if not self.editable_mode:
            for target, source in self._flagfiles().items():
                self.mkpath(str(pathlib.Path(target).parent))
                self.copy_file(source, target)

    def get_source_files(self):
        return [*super().get_source_files(), *self._flagfiles().values()]

    def get_outputs(self, include_bytecode=True):
        copied = [] if self.editable_mode else self._flagfiles()
        return [*super().get_outputs(include_bytecode), *copied]

    def _flagfiles(self):
        """`{path in the build: path in the project}`."""
        sources = sorted(path.relative_to(_HERE) for path in _HERE.glob("flags/*/*.flags"))
        return {str(pathlib.Path(self.build_lib, "kdcl_tf", each)): str(each) for each in sources}


def _long_description():
    """README without pictures and links of files beside it, which lead nowhere elsewhere."""
    text = (_HERE / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n+", "", text)
    return re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


setup(
    name="kdcl_tf",
    version=_VERSION,
    description="Online knowledge distillation via collaborative learning (KDCL, CVPR 2020)",
    long_description=_long_description(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    keywords=[
        "knowledge distillation",
        "online distillation",
        "collaborative learning",
        "model compression",
        "image classification",
        "KDCL",
        "TensorFlow",
        "Keras",
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    project_urls={"Paper": _PAPER},
    packages=find_packages(include=["kdcl_tf", "kdcl_tf.*"]),
    package_data={"kdcl_tf": ["py.typed"]},
    cmdclass={"build_py": _BuildWithFlagfiles},
    python_requires=">=3.10,<3.14",
    install_requires=[
        # First, since it bounds the others.
        f"tensorflow{_TENSORFLOW}",
        "absl-py>=2.1,<3",
        # What tensorflow-datasets 4.9.10 imports at run time and does not declare.
        "importlib_resources>=6,<8",
        "h5py>=3.11,<4",
        "keras>=3.12,<4",
        "keras-cv>=0.9,<0.10",
        # Every run draws its curves.
        "matplotlib>=3.8,<4",
        "numpy>=1.26,<3",
        "pillow>=10.1,<14",
        "safetensors>=0.5,<1",
        # Carries the digits, the default data set.
        "scikit-learn>=1.4,<2",
        "scipy>=1.11,<2",
        # `tf.summary` needs it; TensorFlow 2.21 does not declare it.
        "tensorboard>=2.20,<3",
        "tensorflow-datasets>=4.9.10,<5",
        "tqdm>=4.66,<5",
    ],
    extras_require={
        # Annotations and scores in COCO's format, for kdcl-detect.
        "detection": ["pycocotools>=2.0.8,<3"],
        # Formats of other runtimes, and those runtimes.
        "export": [
            "ai-edge-litert>=2.1,<3",
            "onnx>=1.17,<2",
            "onnxruntime>=1.20,<2",
            "tf2onnx>=1.16.1,<2",
        ],
        "gpu": [f"tensorflow[and-cuda]{_TENSORFLOW}"],
        "test": ["pytest>=8,<10", "pytest-xdist>=3.5,<4"],
        # The pages of docs/, and the notebooks among them.
        "docs": [
            "ipykernel>=6,<8",
            "latex2mathml>=3.77,<4",
            "mkdocs>=1.6,<2",
            "mkdocs-material>=9.6,<10",
            "mkdocstrings[python]>=1,<2",
            "nbclient>=0.10,<1",
            "nbconvert>=7.16,<8",
            "ruff>=0.8,<1",
        ],
        # Others ask for other code.
        "lint": ["mypy>=2.4,<2.5", "ruff>=0.17,<0.18"],
    },
    entry_points={
        "console_scripts": [
            "kdcl-train=kdcl_tf.train:cli",
            "kdcl-evaluate=kdcl_tf.evaluate:cli",
            "kdcl-predict=kdcl_tf.predict:cli",
            "kdcl-export=kdcl_tf.export:cli",
            "kdcl-detect=kdcl_tf.detect:cli",
            "kdcl-reproduce=kdcl_tf.reproduce:cli",
        ]
    },
)
