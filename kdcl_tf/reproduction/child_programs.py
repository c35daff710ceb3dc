"""Programs of this package in processes of their own."""

from __future__ import annotations

import pathlib
import signal
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


def end(status: int, printed: str) -> str:
    """Why a program ended that failed, in a line.

    Args:
      status: as `subprocess.Popen.returncode` has it, not 0.
      printed: by this process, not by an earlier one.
    """
    lines = [line for line in printed.splitlines() if line.strip()]
    last = lines[-1].strip() if lines else ""
    if status > 0:
        return last or "it printed nothing"
    name = signal.Signals(-status).name
    why = ", as where memory was full" if name == "SIGKILL" else ""
    return f"ended by {name}{why}, after: {last}" if last else f"ended by {name}{why}"
