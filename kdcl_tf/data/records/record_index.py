"""One pass over TFRecord files, which finds where every image lies."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures

import numpy as np
import tensorflow as tf

from kdcl_tf.data import errors, storage
from kdcl_tf.data.records import record_file
from kdcl_tf.data.sources import index_cache
from kdcl_tf.files.escaping import escaped

_SECONDS_BETWEEN_LINES = 10.0

# Records whose facts are found at once, and bytes of them unless one alone has more.
_BATCH = 16
_MOST_AT_ONCE = 64 * 2**20

# No `tf.train.Example` has more bytes: protocol buffers do not.
_LONGEST = 2**31 - 1


def locate(
    files: Sequence[str],
    image_key: str,
    facts: Callable[[tf.Tensor], Mapping[str, tf.Tensor]],
    key: Sequence[str],
    check: Callable[[str, int, bytes], None] = lambda file, number, record: None,
) -> tuple[storage.TFRecords, dict[str, np.ndarray]]:
    """Where every image of some files lies, and further facts of its record.

    It takes one pass over the files, which checks every checksum; its result is cached.

    Args:
      files: paths.
      image_key: the feature that is the encoded image.
      facts: maps `[n]` serialised examples to tensors by name, whose first dimensions,
        of any size, are put together in the order of the records. It runs in a graph.
      key: what the result depends on beside the files: names of features, a version.
      check: raises a ValueError that says what is wrong with a record which `facts` refuses,
        from its file, its number there and its bytes.

    Returns:
      (images, arrays by name; strings as NumPy's bytes).

    Raises:
      ValueError: for a damaged or compressed file, one that ends inside a record, or a
        record that `facts` refuses.
    """
    found = index_cache.cached(files, key, lambda: _pass(files, facts, check))
    counts, lengths, hashes = (found.pop(name) for name in ("counts", "lengths", "hashes"))
    numbers = np.repeat(np.arange(len(files), dtype=np.int32), counts)
    firsts = np.cumsum(counts) - counts
    whole = lengths + storage.RECORD_HEADER + storage.RECORD_FOOTER
    before = np.concatenate([[0], np.cumsum(whole)])
    starts = before[:-1] - before[firsts][numbers] + storage.RECORD_HEADER
    positions = (np.arange(len(lengths)) - firsts[numbers]).astype(np.int32)
    columns = numbers, positions, starts, lengths, hashes
    return storage.TFRecords(tuple(files), image_key, *columns), found


def _pass(files, facts, check):
    """Arrays of all files: records in each, the length and hash of each record, and its facts."""
    began, told, found = time.monotonic(), time.monotonic(), []
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(_read_file, file, facts, check) for file in files]
        try:
            for job in jobs:
                found.append(job.result())
                if time.monotonic() - told > _SECONDS_BETWEEN_LINES:
                    told = time.monotonic()
                    print(
                        f"indexing TFRecord files: {len(found)} of {len(files)} after"
                        f" {told - began:.0f} s; this is done once",
                        file=sys.stderr,
                    )
        except ValueError:
            pool.shutdown(cancel_futures=True)
            raise
    counts = np.array([len(each["lengths"]) for each in found])
    return {"counts": counts, **_together(found)}


def _read_file(file, facts, check):
    """The lengths and hashes of a file's records, and their facts; every checksum is checked."""
    record_file.check_not_compressed(file)
    largest = max(lengths_of(file), default=0)
    at_once = min(_BATCH, max(1, _MOST_AT_ONCE // (largest or 1)))

    def measured(records):
        known = {"lengths": tf.strings.length(records), "hashes": storage.hashes_of(records)}
        return {**known, **facts(records)}

    parts, count = tf.data.TFRecordDataset(os.fsencode(file)).batch(at_once).map(measured), 0
    # So that a file without records has arrays too, of the right kinds.
    found = [tf.nest.map_structure(_none_of, parts.element_spec)]
    try:
        for part in parts.as_numpy_iterator():
            found.append({name: _plain(array) for name, array in part.items()})
            count += len(part["lengths"])
    except tf.errors.OpError as error:
        _check_records(file, count, check)
        raise damaged(file, count, errors.one_line(error)) from error
    together = _together(found)
    lengths = together["lengths"].astype(np.int64)
    _check_end(file, lengths)
    return {**together, "lengths": lengths}


def lengths_of(file: str) -> Iterator[int]:
    """The bytes of one record of a file after another, from their headers.

    TensorFlow takes memory for as many bytes as a header says, before it reads them: so this comes
    first. It ends at a header whose checksum is wrong, which TensorFlow finds before it takes any.

    Raises:
      ValueError: for a record that ends behind the file, or has more bytes than an example may.
    """
    size, start = os.path.getsize(file), 0
    with open(file, "rb") as content:
        for number in itertools.count():
            content.seek(start)
            header = content.read(storage.RECORD_HEADER)
            if len(header) < storage.RECORD_HEADER:
                return
            length = int.from_bytes(header[:8], "little")
            start += storage.RECORD_HEADER + length + storage.RECORD_FOOTER
            if start > size or length > _LONGEST:
                if not record_file.is_header(header):
                    return
                most = f"an example has at most {_LONGEST}"
                why = "the file ends inside it" if start > size else most
                raise damaged(file, number, f"a record of {length} bytes, but {why}")
            yield length


def damaged(file: str, count: int, got: str) -> ValueError:
    """The error of a file that cannot be read past its first `count` records."""
    return ValueError(
        f"TFRecord file '{escaped(file)}' cannot be read past record {count}: expected an undamaged"
        f" file; got {got}"
    )


def _check_records(file, count, check):
    """Lets `check` say what is wrong with the first records past `count`, where it can."""
    with contextlib.suppress(tf.errors.OpError):
        records = tf.data.TFRecordDataset(os.fsencode(file)).skip(count).take(_BATCH)
        for number, record in enumerate(records.as_numpy_iterator(), count):
            check(file, number, record)


def _check_end(file, lengths):
    """Refuses what TensorFlow passes over: up to 11 bytes, too few for a record's header."""
    whole = int(lengths.sum()) + len(lengths) * (storage.RECORD_HEADER + storage.RECORD_FOOTER)
    size = os.path.getsize(file)
    if size != whole:
        raise ValueError(
            f"TFRecord file '{escaped(file)}': expected it to end after {len(lengths)} records;"
            f" got {size - whole} more bytes, which are no record: it was cut, or added to"
        )


def _together(parts):
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _plain(array):
    """Strings as NumPy's bytes, since the cache keeps no Python objects."""
    return array.astype(bytes) if array.dtype == object else array


def _none_of(spec):
    kind = "S1" if spec.dtype == tf.string else spec.dtype.as_numpy_dtype
    return np.zeros([0, *spec.shape[1:]], kind)
