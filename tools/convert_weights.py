"""Makes a .safetensors file of a file of PyTorch's, for `kdcl-train --initial_weights`.

    python tools/convert_weights.py resnet18.pth                 # writes resnet18.safetensors
    python tools/convert_weights.py checkpoint.pth mine.safetensors

It needs PyTorch and safetensors, but not kdcl_tf.  A .pth file is a pickle, which may hold code;
only weights are loaded from it, and a file that holds anything else is refused.  Of a checkpoint
that has more than weights its `state_dict` or `model` is taken, and names lose the `module.` that
training on several devices puts before them.  Where all names have it, they also lose the `model.` of
Lightning and the `_orig_mod.` of `torch.compile`.
"""

import os
import pathlib
import sys
from collections.abc import Callable

_INSIDE = ("state_dict", "model_state_dict", "model")
_PREFIX = "module."
# What may stand before all names of a network that another one wraps.
_SHARED = (_PREFIX, "_orig_mod.", "model.")


def main() -> None:
    """Converts the file that the command line names."""
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__)
        return
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    source = pathlib.Path(sys.argv[1])
    target = pathlib.Path(sys.argv[2] if len(sys.argv) == 3 else source.with_suffix(".safetensors"))
    if target.suffix != ".safetensors":
        sys.exit(f"expected a target that ends in .safetensors; got {target}")
    if target.exists():
        sys.exit(f"expected a new file; got {target}, which is there: pass another, or remove it")
    if not target.parent.is_dir():
        sys.exit(
            f"expected a target in a folder that is there; got {target}: make the folder first"
        )
    try:
        import safetensors.torch
        import torch
    except ImportError as error:
        sys.exit(f"expected PyTorch and safetensors: pip install torch safetensors ({error})")
    try:
        found = torch.load(source, map_location="cpu", weights_only=True)
    except OSError as error:
        sys.exit(f"{source}: expected a file that can be read; got {error.strerror or error}")
    except Exception as error:  # Of a pickle it may be anything.
        sys.exit(
            f"{source}: expected a file that torch.save wrote of weights alone, such as a "
            f"state_dict; got something else ({type(error).__name__})"
        )
    weights = state_of(found, torch.Tensor)
    if not weights:
        sys.exit(f"{source}: expected a state_dict, names with tensors; got none")
    try:
        contiguous = {name: value.contiguous().clone() for name, value in weights.items()}
    except Exception as error:  # Of a sparse tensor it may be several.
        told = " ".join(str(error).split())
        sys.exit(f"{source}: expected dense tensors; got others ({told})")
    try:
        write(target, lambda path: safetensors.torch.save_file(contiguous, path))
    except Exception as error:  # safetensors has an error of its own for a full disk.
        told = " ".join(str(error).split())
        sys.exit(f"{target}: expected a file that can be written; got {told}")
    print(f"{target}: {len(weights)} tensors")


def write(target: pathlib.Path, save: Callable[[pathlib.Path], None]) -> None:
    """Writes a file whole, or leaves nothing.

    Args:
        target: the file.
        save: writes it to the path that it is given.
    """
    # Beside the target, and renamed when it is whole.
    partial = target.with_name(f".{target.name}.partial")
    try:
        save(partial)
        # It is made for its owner alone; others may read what they may read of a new file.
        mask = os.umask(0)
        os.umask(mask)
        partial.chmod(0o666 & ~mask)
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def state_of(found, kind: type) -> dict:
    """`{name: tensor}` in what a file held; empty where there is none.

    Args:
        found: what was loaded.
        kind: type of a tensor.
    """
    if not isinstance(found, dict):
        return {}
    for key in _INSIDE:
        if isinstance(found.get(key), dict):
            return state_of(found[key], kind)
    if not all(isinstance(name, str) and isinstance(found[name], kind) for name in found):
        return {}
    return dict(zip(_plain(list(found)), found.values(), strict=True))


def _plain(names):
    """The names without what wrappers put before them."""
    names = [name.removeprefix(_PREFIX) for name in names]
    for prefix in _SHARED:
        if names and all(name.startswith(prefix) for name in names):
            return _plain([name.removeprefix(prefix) for name in names])
    return names


if __name__ == "__main__":
    main()
