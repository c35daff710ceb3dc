"""Packaging of kdcl_tf."""

import pathlib
import re

from setuptools import find_packages, setup

_HERE = pathlib.Path(__file__).parent
_VERSION = re.search(
    r'__version__ = "(.+)"', (_HERE / "kdcl_tf" / "__init__.py").read_text()
).group(1)



def _long_description():
    """README without its pictures and the links to files beside it, which lead nowhere elsewhere."""
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
    packages=find_packages(include=["kdcl_tf", "kdcl_tf.*"]),
    python_requires=">=3.10,<3.14",
    install_requires=[
        "absl-py>=2.1,<3",
        # What tensorflow-datasets 4.9.10 imports at run time and does not declare.
        "importlib_resources>=6,<8",
        "h5py>=3,<4",
        "keras>=3.13,<4",
        "keras-cv>=0.9,<0.10",
        "matplotlib>=3.8,<4",
        "numpy>=1.26,<3",
        "pillow>=10.1,<14",
        "pycocotools>=2.0.8,<3",
        "safetensors>=0.5,<1",
        "scikit-learn>=1.4,<2",
        "scipy>=1.11,<2",
        "tensorflow>=2.20,<2.22",
        "tensorboard>=2.20,<3",
        "tensorflow-datasets>=4.9.9,<5",
        "tqdm>=4.66,<5",
    ],
    extras_require={
        "test": ["pytest>=8,<10", "pytest-xdist>=3.5,<4"],
        # Formats of other runtimes, and those runtimes.
        "export": [
            "ai-edge-litert>=2.1,<3",
            "onnx>=1.17,<2",
            "onnxruntime>=1.20,<2",
            "tf2onnx>=1.16.1,<2",
        ],
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
    },
    entry_points={
        "console_scripts": [
            "kdcl-train=kdcl_tf.train:cli",
            "kdcl-evaluate=kdcl_tf.evaluate:cli",
            "kdcl-predict=kdcl_tf.predict:cli",
            "kdcl-export=kdcl_tf.export:cli",
            "kdcl-detect=kdcl_tf.detect:cli",
        ]
    },
)
