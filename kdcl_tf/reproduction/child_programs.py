"""Programs of this package in processes of their own."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

from kdcl_tf import files

# Not `-m`, for which Python looks for every module in the current folder first: one that is called
# as a module of Python's there, or another kdcl_tf, would be imported.
_CODE = """\
import sys
root, name = sys.argv[1:3]
sys.path[:] = [each for each in sys.path if each]
if root not in sys.path:
    sys.path.insert(0, root)
sys.argv[:3] = [f"kdcl-{name}"]
import importlib
importlib.import_module(f"kdcl_tf.{name}").cli()
"""


def command(name: str, arguments: Sequence[str] = ()) -> list[str]:
    """What starts a program with the code and the Python of this process, from any folder.

    Args:
      name: of its module, such as `train` for `kdcl-train`.
      arguments: its flags.
    """
    root = pathlib.Path(files.__file__).absolute().parents[2]
    return [sys.executable, "-c", _CODE, str(root), name, *arguments]
