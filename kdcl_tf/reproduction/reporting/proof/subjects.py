"""What the report of the proof is about: its tables, and the runs of each that there are."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

from kdcl_tf.reproduction import proof
from kdcl_tf.reproduction.proof import Part
from kdcl_tf.reproduction.reporting.records import Records
from kdcl_tf.reproduction.reporting.subject import Subject


def subjects(folder: pathlib.Path, parts: Iterable[Part] = proof.PARTS) -> list[Subject]:
    """The tables of the proof, each with the records of its runs.

    Args:
      folder: the folder of the folders of runs, or of their copies.
      parts: the parts whose rows are wanted.
    """
    parts, found = tuple(parts), []
    for table, scale, name, wanted in proof.tables(parts):
        # Rows whose runs are of other parts, such as a teacher's.
        needed = {row.name: wanted.get(row.name, 0) for row in table.runs}
        records = Records(folder / name, table, max(wanted.values()), needed)
        found.append(Subject(records, scale.headings(table), scale, command(parts, table.number)))
    return found


def command(parts: Iterable[Part], number: str) -> str:
    """The command line that makes the runs of a table."""
    names = ",".join(part.name for part in parts if part.number == number)
    return f"python tools/prove.py --parts={names} --data_dir=DIR"
