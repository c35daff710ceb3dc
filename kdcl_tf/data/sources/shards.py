"""Which files of a folder are the TFRecord files of a split, and whether none is missing."""

from __future__ import annotations

import collections
import glob
import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from kdcl_tf.data.sources import record_file

# `train-00000-of-00004`, `train_1_of_4.tfrecord`, `photos-train.tfrecord-00000-of-00001`.
_SHARD = re.compile(r"(?<!\d)(\d+)[-_.]?of[-_.]?(\d+)(?!\d)")

# Suffixes that say what a file is, and so are no part of what it is called.
_SUFFIX = re.compile(r"(\.(tfrecords?|tfrec|records?))+$", re.IGNORECASE)


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
    start = _SUFFIX.sub("", name[: found[-1].start()].rstrip("-_."))
    return Shard(os.path.join(folder, start), int(found[-1][1]), int(found[-1][2]))


class Found(NamedTuple):
    """The files of a folder, or those that match a pattern, without hidden ones, sorted.

    Attributes:
      records: paths of TFRecord files.
      others: names of files that hold no records.
    """

    records: list[str]
    others: list[str]


def find(pattern: str) -> Found:
    """Sorts files into those that hold TFRecords and those that do not, by their first bytes.

    A file that is called a shard or `.tfrecord` and has no record counts as damaged.

    Args:
      pattern: a folder, or a pattern such as `/data/imagenet/*-of-*`.

    Raises:
      FileNotFoundError: when there are no files.
      ValueError: when files are compressed, or no TFRecord files against their names.
    """
    pattern = os.path.expanduser(pattern)
    if os.path.isdir(pattern):
        pattern = os.path.join(glob.escape(pattern), "*")
    files = sorted(file for file in glob.glob(pattern) if os.path.isfile(file))
    if not files:
        raise FileNotFoundError(
            f"tfrecord:{pattern}: expected a folder of TFRecord files, or a pattern such as"
            " '/data/imagenet/*-of-*'; got no files"
        )
    kinds = {file: record_file.kind_of(file) for file in files}
    compressed = [file for file in files if kinds[file] in (record_file.GZIP, record_file.ZLIB)]
    if compressed:
        record_file.check_not_compressed(compressed[0], len(compressed) - 1)
    records = [file for file in files if kinds[file] != record_file.OTHER]
    others = [file for file in files if kinds[file] == record_file.OTHER]
    for file in others:
        if _is_called_records(file):
            raise ValueError(
                f"TFRecord file '{file}': expected records; got {os.path.getsize(file)} bytes that"
                " do not begin with one: the file is damaged, or of another kind"
            )
    return Found(records, [os.path.basename(file) for file in others])


def of_split(pattern: str, found: Found, names: Sequence[str]) -> list[str]:
    """The files with one of these words in their names: the first word that any file has.

    Args:
      pattern: what the files were found by, for messages.
      found: the files.
      names: of the split.

    Raises:
      FileNotFoundError: when there are none, or a shard is missing.
      ValueError: when one prefix has several totals, or a shard twice.
    """
    for name in names:
        word = re.compile(rf"(^|[^a-zA-Z]){name}([^a-zA-Z]|$)")
        files = [file for file in found.records if word.search(os.path.basename(file))]
        if files:
            check_complete(files)
            return files
    passed_over = f", and {len(found.others)} that hold none" if found.others else ""
    such = f" such as '{os.path.basename(found.records[0])}'" if found.records else ""
    raise FileNotFoundError(
        f"tfrecord:{pattern}: expected TFRecord files with {' or '.join(names)} in their names;"
        f" got {len(found.records)} others{such}{passed_over}"
    )


def check_complete(files: Sequence[str]) -> None:
    """Checks that every prefix has one total, and every shard of it exactly once.

    Args:
      files: paths of the files of a split.

    Raises:
      FileNotFoundError: when shards are missing; the message says which.
      ValueError: when a prefix has several totals, or a shard twice, or is also one file.
    """
    groups = collections.defaultdict(list)
    for file in files:
        shard = shard_of(file)
        groups[shard.prefix].append((shard.number, shard.total))
    for prefix, shards in groups.items():
        if shards != [(None, None)]:
            _check_group(prefix, shards)


def _check_group(prefix, shards):
    numbers = [number for number, _ in shards]
    totals = {total for _, total in shards}
    if len(totals) > 1 or totals == {None}:
        told = sorted("one file" if total is None else f"{total} shards" for total in totals)
        raise ValueError(
            f"'{prefix}' ...: expected files of one sharding; got {' and '.join(told)}: move all"
            " but one of them to another folder"
        )
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    if twice:
        raise ValueError(
            f"'{prefix}' ...: expected every shard once; got number {twice[0]} of"
            f" {shards[0][1]} in several files"
        )
    _check_numbers(prefix, set(numbers), shards[0][1])


def _check_numbers(prefix, there, total):
    """Shards are numbered from 0, or, by some tools, from 1."""
    expected = set(range(1, total + 1)) if total in there and 0 not in there else set(range(total))
    missing, beyond = sorted(expected - there), sorted(there - expected)
    if missing:
        shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise FileNotFoundError(
            f"'{prefix}' ...: expected all {total} shards; got {len(there)}, without number {shown}"
        )
    if beyond:
        raise ValueError(
            f"'{prefix}' ...: expected shards numbered {min(expected)}..{max(expected)}; got number"
            f" {beyond[0]}"
        )


def _is_called_records(file):
    """Whether its name says that it holds TFRecords: `.tfrecord`, or a shard without a suffix."""
    name = os.path.basename(file)
    found = [*_SHARD.finditer(name)]
    return "tfrec" in name.lower() or bool(found) and found[-1].end() == len(name)
