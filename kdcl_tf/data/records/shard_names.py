"""What the name of a TFRecord file says: its place among shards, and its split."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

__all__ = ["TEST_NAMES", "TRAIN_NAMES", "Shard", "is_called_records", "set_of", "shard_of", "words"]

# `train-00000-of-00004`, `train_1_of_4.tfrecord`, `photos-train.tfrecord-00000-of-00001`,
# `train (1 of 4).tfrecord`.
_SHARD = re.compile(r"(?<!\d)(\d+)[-_. ]?of[-_. ]?(\d+)(?!\d)", re.IGNORECASE)

# Suffixes that say what a file is, and so are no part of what it is called.
_SUFFIX = re.compile(r"(\.(tfrecords?|tfrec|records?))+$", re.IGNORECASE)

# The words that tell a file's split; of those for the test set, the first that any file has.
TRAIN_NAMES, TEST_NAMES = ("train",), ("test", "validation", "val")

_WORD = re.compile(rf"(?<![a-zA-Z])({'|'.join(TRAIN_NAMES + TEST_NAMES)})(?![a-zA-Z])")


class Shard(NamedTuple):
    """What a file's name says of its place among others.

    Attributes:
      prefix: the path before the numbers, without separators and suffix.
      number, total: of the shard, or None in a name without them.
    """

    prefix: str
    number: int | None
    total: int | None


def shard_of(path: str) -> Shard:
    """Reads a file's name, whatever the number of digits and the suffix."""
    folder, name = os.path.split(path)
    found = [*_SHARD.finditer(name)]
    if not found:
        return Shard(os.path.join(folder, _SUFFIX.sub("", name)), None, None)
    start = _SUFFIX.sub("", name[: found[-1].start()].rstrip("-_. ("))
    return Shard(os.path.join(folder, start), int(found[-1][1]), int(found[-1][2]))


def set_of(path: str) -> tuple[str, int | None, str] | None:
    """What all shards of a set have in common, what follows the numbers included; else None."""
    name = os.path.basename(path)
    found = [*_SHARD.finditer(name)]
    if not found:
        return None
    shard = shard_of(path)
    return shard.prefix, shard.total, name[found[-1].end() :]


def words(path: str) -> list[str]:
    """The words for splits in a file's name, of `TRAIN_NAMES` and `TEST_NAMES`, in their order."""
    return _WORD.findall(os.path.basename(path))


def is_called_records(path: str) -> bool:
    """Whether its name ends as that of a TFRecord file: in `.tfrecord`, or in a shard's numbers.

    Other suffixes are of other files, such as the `.idx` that tools write beside each.
    """
    name = os.path.basename(path)
    found = [*_SHARD.finditer(name)]
    return bool(_SUFFIX.search(name)) or (bool(found) and found[-1].end() == len(name))
