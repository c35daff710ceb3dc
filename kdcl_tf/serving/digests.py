"""Digests of exported models, by which a run knows the weights that it began with.

Importing this module does not import TensorFlow.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import zipfile
from collections.abc import Iterator

from kdcl_tf.files import identity, run_names
from kdcl_tf.serving import exported

__all__ = ["of_model", "versions"]

# What of a card decides which inputs a model takes, and what its logits stand for.
_DECIDING = (
    "architecture",
    "mean",
    "deviation",
    "channels",
    "image_shape",
    "short_side",
    "long_side",
    "class_names",
)


def of_model(path: str | os.PathLike, known: str = "") -> str:
    """The SHA-256 of what an exported model, a folder or a file, computes: see `versions`.

    Args:
      path: of the model.
      known: a digest that was recorded before.  One of an earlier version is given back if it is of
        the files that are there.

    Raises:
      OSError: when it cannot be read.
    """
    # Told without TensorFlow.
    if known and known in _digests_of_before(pathlib.Path(path).expanduser()):
        return known
    return next(versions(path))


def versions(path: str | os.PathLike) -> Iterator[str]:
    """`of_model`, and then what earlier versions took for it.

    The model may have been exported again, from the same checkpoint, or renamed: of a folder its
    variables count, and what its card says of inputs and classes; of a file its contents.

    Args:
      path: of the model.

    Raises:
      OSError: when it cannot be read.
    """
    path = pathlib.Path(path).expanduser()
    first = _of_variables(path) if path.is_dir() else _of_content(path)
    if first:
        yield first
    yield from _digests_of_before(path)


def _of_variables(path):
    """The digest of a SavedModel's variables and card; None for one without variables."""
    if not (path / "variables" / "variables.index").exists():
        return None
    import tensorflow as tf

    try:
        variables = tf.train.load_checkpoint(str(path / "variables" / "variables"))
        arrays = {
            name: variables.get_tensor(name)
            for name in variables.get_variable_to_shape_map()
            if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
        }
    except (tf.errors.OpError, IndexError, ValueError, RuntimeError):
        # Damaged, which whoever loads it tells.
        return None
    card = exported.sealed_card(path)
    told = {name: card[name] for name in _DECIDING if name in card}
    sums = {
        name: [str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
        for name, array in arrays.items()
        if array.dtype != object
    }
    return identity.digest_of({"variables": sums, "card": told}) if sums else None


def _of_content(path):
    """The digest of a file under any name; of a `.keras` file without the time it was saved at."""
    if path.suffix == ".keras":
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as members:
            return identity.digest_of(
                {
                    name: hashlib.sha256(members.read(name)).hexdigest()
                    for name in members.namelist()
                    if name != "metadata.json"
                }
            )
    return identity.digest_of(list(identity.checksums_of([path]).values()))


def _digests_of_before(path):
    """What earlier versions took for the digest: of all files, by their names."""
    if not path.is_dir():
        yield identity.digest_of(identity.checksums_of([path]))
        return
    sums = exported.known_checksums(path)
    written = {name: sums[name] for name in identity.FOR_PEOPLE if name in sums}
    own = (sums.keys() | set(run_names.CARDS)) - set(identity.FOR_PEOPLE)
    if sums:
        there = {name: path / name for name in own if (path / name).is_file()}
        yield identity.digest_of({**identity.checksums_at(there), **written})
    found = identity.checksums(path)
    if written:
        found = {name: each for name, each in found.items() if name not in identity.FOR_PEOPLE}
    yield identity.digest_of({**found, **written})
