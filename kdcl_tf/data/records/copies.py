"""Which TFRecord files would count twice: copies, and links to others."""

from __future__ import annotations

import collections
import os
import re
from collections.abc import Collection

from kdcl_tf.data.records import record_file, shard_names
from kdcl_tf.files.escaping import escaped

__all__ = ["twice"]

# Of copies that editors, `cp --backup` and downloads leave: their images would count twice.
_COPY = re.compile(r"(~|\.(bak|old|orig|tmp|part|partial|crdownload))$", re.IGNORECASE)

# What downloads and desktops add to the name of a copy, where the name is there already:
# `train (1).tfrecord`, `train - Copy (2).tfrecord`, `train_copy.tfrecord`, `train (3rd copy)`.
# Not `train(2012).tfrecord` and `train-copy-paste.tfrecord`.
_COPY_MARK = re.compile(
    r"^(?:copy of )+"
    r"| ?\(\d\d?\)"
    r"| ?\((?:\w+ )?copy(?: \d+)?\)"
    r"|(?: - |[-_. ])copy(?:\d+| ?\(\d+\)| \d+)?(?=$|\.|-\d)",
    re.IGNORECASE,
)

# So much of two files is read to tell whether one is a copy of the other.
_COMPARED = 1 << 20


def twice(files: Collection[str]) -> dict[str, str]:
    """`{path: how}` of the files whose images would count twice: copies, and links to others.

    What is called a copy, such as `train.tfrecord.bak`, is one; so is `train (1).tfrecord` where
    `train.tfrecord` is the same, and a link to another of the files that is for the same split.

    Args:
      files: paths.

    Raises:
      ValueError: when `train (1).tfrecord` holds other records than `train.tfrecord`.
    """
    there = {*files}
    copies = {file for file in files if _is_copy(file, there)}
    others = there - copies
    links = _whole_sets(_links(others), others)
    return {
        **dict.fromkeys(copies, "that are called copies"),
        **dict.fromkeys(links, "that are links to others"),
    }


def _links(files):
    """Of a file and the links to it all but the file.

    Shards of equal content may well be links to one file, and so may a training and a test set. An
    empty file has no image to count twice.
    """
    links: set[str] = set()
    firsts: dict[tuple, str] = {}
    for file in sorted(files, key=lambda file: (os.path.islink(file), file)):
        words = shard_names.words(file)
        place = os.path.realpath(file), *words[-1:], shard_names.shard_of(file).number or 0
        if os.path.getsize(file) and firsts.setdefault(place, file) != file:
            links.add(file)
    return links


def _whole_sets(links, files):
    """Those links that are a whole set: stores of contents keep what two sets share once."""
    sets = collections.defaultdict(set)
    for file in files:
        shard = shard_names.shard_of(file)
        sets[shard.prefix, shard.total].add(file)
    return {file for group in sets.values() if group <= links for file in group}


def _is_copy(file, there):
    if _COPY.search(file):
        return True
    folder, name = os.path.split(file)
    original = os.path.join(folder, _COPY_MARK.sub("", name))
    if original == file or original not in there:
        return False
    if record_file.kind_of(file) == record_file.RECORDS and not _are_same(file, original):
        raise ValueError(
            f"TFRecord file '{escaped(file)}': expected a copy of '{escaped(original)}', as it is"
            " called; got other contents: rename the file if its images are to be read, too, or"
            " move it to another folder"
        )
    return True


def _are_same(file, other):
    """Whether two files are of one size and begin alike."""
    if os.path.getsize(file) != os.path.getsize(other):
        return False
    with open(file, "rb") as first, open(other, "rb") as second:
        return first.read(_COMPARED) == second.read(_COMPARED)
