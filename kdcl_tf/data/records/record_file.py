"""What kind of file a file is, by its first bytes: TFRecords, compressed ones, or no records."""

from __future__ import annotations

import shlex
import struct
import zlib

from kdcl_tf.files.escaping import escaped

# A record begins with its length in 8 bytes and a masked checksum of them in 4.
HEADER = 12

RECORDS, EMPTY, GZIP, ZLIB, OTHER = "records", "empty", "gzip", "zlib", "other"

_MASK = 0xA282EAD8

# Commands that print what a compressed file, `{0}`, holds.
_DECOMPRESS = {
    GZIP: "gzip -dc < {0}",
    ZLIB: "python3 -c 'import sys, zlib;"
    " sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read()))' < {0}",
}


def kind_of(path: str) -> str:
    """The kind of a file.

    Args:
      path: of a file.

    Returns:
      `RECORDS` where a TFRecord begins; `EMPTY` for a file without a byte, which is a TFRecord
      file of no record; `GZIP` and `ZLIB` for compressed TFRecords; else `OTHER`, among them
      a file that ends inside its first record's header.

    Raises:
      OSError: when it cannot be read.
    """
    with open(path, "rb") as file:
        start = file.read(4096)
    if not start:
        return EMPTY
    if is_header(start[:HEADER]):
        return RECORDS
    for kind, window in ((GZIP, zlib.MAX_WBITS | 16), (ZLIB, zlib.MAX_WBITS)):
        try:
            plain = zlib.decompressobj(window).decompress(start, HEADER)
        except zlib.error:
            continue
        if is_header(plain):
            return kind
    return OTHER


def is_header(start: bytes) -> bool:
    """Whether 12 bytes are the header of a record: a length, and the checksum of it."""
    if len(start) != HEADER:
        return False
    (expected,) = struct.unpack("<I", start[8:])
    checksum = _crc32c(start[:8])
    return (((checksum >> 15) | (checksum << 17)) + _MASK) & 0xFFFFFFFF == expected


def rewriting(path: str, kind: str) -> str:
    """A shell command that puts the plain file in the place of a compressed one."""
    old, new = shlex.quote(path), shlex.quote(f"{path}.plain")
    return f"{_DECOMPRESS[kind].format(old)} > {new} && mv {new} {old}"


def check_not_compressed(path: str, others: int = 0) -> None:
    """Refuses a compressed TFRecord file.

    Args:
      path: of a file.
      others: how many more files are compressed, for the message.

    Raises:
      ValueError: with the command that rewrites it.
    """
    kind = kind_of(path)
    if kind not in _DECOMPRESS:
        return
    more = f" (and {others} more)" if others else ""
    raise ValueError(
        f"TFRecord file '{escaped(path)}': expected an uncompressed file; got one that {kind} has"
        f" compressed{more}. Rewrite it: {rewriting(path, kind)}"
    )


def _crc32c(data: bytes) -> int:
    """Castagnoli's checksum, a bit at a time: for a few bytes."""
    checksum = 0xFFFFFFFF
    for byte in data:
        checksum ^= byte
        for _ in range(8):
            checksum = (checksum >> 1) ^ (0x82F63B78 if checksum & 1 else 0)
    return checksum ^ 0xFFFFFFFF
