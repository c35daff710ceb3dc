"""Which files of a folder are the TFRecord files of a split, and whether none is missing."""

from __future__ import annotations

import collections
import glob
import itertools
import os
from collections.abc import Sequence
from typing import NamedTuple

from kdcl_tf.data.records import copies, record_file, shard_names
from kdcl_tf.data.records.shard_names import TRAIN_NAMES
from kdcl_tf.files.escaping import escaped

_NO_RECORDS = "without records"


class Found(NamedTuple):
    """The files of a folder, or those that match a pattern, without hidden ones.

    Attributes:
      kinds: the kind of each file that holds TFRecords or is called so, see
        `record_file.kind_of`, by path, sorted.
      passed_over: how many files and folders are none of these, by the reason.
    """

    kinds: dict[str, str]
    passed_over: collections.Counter


def find(pattern: str) -> Found:
    """Sorts files into those that hold TFRecords and those that do not, by their first bytes.

    What would count twice is passed over, see `copies.twice`. An empty file counts as one of records
    if it is called so, or as another shard of its set that holds records.

    Args:
      pattern: a folder, or a pattern such as `/data/imagenet/*-of-*`.

    Raises:
      FileNotFoundError: when there are no files.
      ValueError: as `copies.twice`.
    """
    files, passed_over = _listed(os.path.expanduser(pattern))
    if not files:
        raise FileNotFoundError(
            f"tfrecord:{escaped(pattern)}: expected a folder of TFRecord files, or a pattern such"
            " as '/data/imagenet/*-of-*'; got no files"
        )
    twice = copies.twice(files)
    passed_over.update(twice.values())
    kinds = {file: record_file.kind_of(file) for file in files if file not in twice}
    sets = {shard_names.set_of(file) for file in kinds if kinds[file] == record_file.RECORDS}
    sets.discard(None)
    found = {
        file: kind
        for file, kind in kinds.items()
        if kind not in (record_file.OTHER, record_file.EMPTY)
        or shard_names.is_called_records(file)
        or (kind == record_file.EMPTY and shard_names.set_of(file) in sets)
    }
    if len(found) < len(kinds):
        passed_over[_NO_RECORDS] += len(kinds) - len(found)
    return Found(found, passed_over)


def _listed(pattern):
    """(sorted paths of the files of a folder or a pattern, counts of what is no such file)."""
    passed_over = collections.Counter()
    if not os.path.isdir(pattern):
        return sorted(file for file in glob.glob(pattern) if os.path.isfile(file)), passed_over
    files = []
    for entry in os.scandir(pattern):
        if entry.name.startswith("."):
            passed_over["hidden"] += 1
        elif entry.is_file():
            files.append(entry.path)
        else:
            passed_over["folders inside"] += 1
    return sorted(files), passed_over


def of_split(pattern: str, found: Found, names: Sequence[str]) -> list[str]:
    """The files that one of these words tells to be of a split: the first word that any file has.

    A name may hold several such words. The last decides, as TFDS writes a set's own name before
    the split: `crash_test-train.tfrecord-00000-of-00001` holds training images. The others count
    where no file's last word is one of the split's.

    Args:
      pattern: what the files were found by, for messages.
      found: the files.
      names: of the split, `TRAIN_NAMES` or `TEST_NAMES`.

    Raises:
      FileNotFoundError: when there are none, or a shard is missing.
      ValueError: when files are compressed, or no TFRecord files against their names; when
        one prefix has several totals, or a shard twice.
    """
    words = {file: shard_names.words(file) for file in found.kinds}
    for considered, name in itertools.product((slice(-1, None), slice(None)), names):
        files = [file for file, said in words.items() if name in said[considered]]
        if files:
            _check_kinds(files, found.kinds)
            check_complete(files)
            return files
    none = found.passed_over[_NO_RECORDS]
    without = f", and {none} without records" if none else ""
    such = "".join(f" such as '{escaped(os.path.basename(file))}'" for file in [*found.kinds][:1])
    why = ", since the labels of training images tell the classes" if names == TRAIN_NAMES else ""
    raise FileNotFoundError(
        f"tfrecord:{escaped(pattern)}: expected TFRecord files with {' or '.join(names)} in their"
        f" names{why}; got {len(found.kinds)} others{such}{without}"
    )


def check_apart(train: Sequence[str], test: Sequence[str]) -> None:
    """Raises ValueError when a file would be of both splits, as `train_test.tfrecord` alone."""
    both = sorted({*train} & {*test})
    if both:
        raise ValueError(
            f"TFRecord file '{escaped(both[0])}': expected a name that tells one split; got one with"
            " words for the training and for the test set, and no other file for one of them: give"
            " the file a name that ends in its split's"
        )


def _check_kinds(files, kinds):
    """Refuses compressed files, and those that are called TFRecords and begin otherwise."""
    compressed = [file for file in files if kinds[file] in (record_file.GZIP, record_file.ZLIB)]
    if compressed:
        record_file.check_not_compressed(compressed[0], len(compressed) - 1)
    for file in files:
        if kinds[file] == record_file.OTHER:
            raise ValueError(
                f"TFRecord file '{escaped(file)}': expected records; got"
                f" {os.path.getsize(file)} bytes that do not begin with one: the file is damaged,"
                " or of another kind"
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
        shard = shard_names.shard_of(file)
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
            f"'{escaped(prefix)}' ...: expected files of one sharding; got {' and '.join(told)}:"
            " move all but one of them to another folder"
        )
    counts = collections.Counter(numbers)
    twice = sorted(number for number, count in counts.items() if count > 1)
    if twice:
        raise ValueError(
            f"'{escaped(prefix)}' ...: expected every shard once; got number {twice[0]} of"
            f" {shards[0][1]} in several files"
        )
    _check_numbers(prefix, set(numbers), shards[0][1])


def _check_numbers(prefix, there, total):
    """Shards are numbered from 0, or, by some tools, from 1."""
    if total < 1:
        raise ValueError(
            f"'{escaped(prefix)}' ...: expected one shard or more; got number {min(there)} of"
            f" {total}: rename the file"
        )
    first = 1 if total in there and 0 not in there else 0
    # A name may hold any number: as many are only counted where they are there.
    expected = range(first, first + total)
    missing = [*itertools.islice((number for number in expected if number not in there), 6)]
    if missing:
        shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise FileNotFoundError(
            f"'{escaped(prefix)}' ...: expected all {total} shards; got {len(there)}, without"
            f" number {shown}: add them, or rename the files if they are no shards"
        )
    beyond = sorted(there - {*expected})
    if beyond:
        raise ValueError(
            f"'{escaped(prefix)}' ...: expected shards numbered {first}..{first + total - 1};"
            f" got number {beyond[0]}"
        )
