"""The report of the proof as one page of Markdown."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator

from kdcl_tf.reproduction import proof
from kdcl_tf.reproduction.proof import Part
from kdcl_tf.reproduction.reporting import cost, gains, grids
from kdcl_tf.reproduction.reporting.blocks import Figure, Grid, Heading, Paragraph
from kdcl_tf.reproduction.reporting.cautions import cautions
from kdcl_tf.reproduction.reporting.proof.findings import findings
from kdcl_tf.reproduction.reporting.proof.headline import headline
from kdcl_tf.reproduction.reporting.proof.subjects import subjects
from kdcl_tf.reproduction.reporting.subject import Subject

# The tables that the headline sums up: of few images, and of all.
_SUMMED_UP = ("7", "all")
_TITLE = "# What collaborative learning gives: every table"
_HOW = (
    "Written by `python tools/publish.py` from the logs and results beside this file; do not edit "
    "it. Every number is of the last epoch. A row whose runs are not complete has no numbers, and "
    "is named as not done."
)

Blocks = Iterator[Heading | Paragraph | Grid | Figure]


def markdown(folder: pathlib.Path, parts: Iterable[Part] = proof.PARTS) -> str:
    """The whole report, with a newline at its end.

    Args:
      folder: the folder of the folders of runs, or of their copies.
      parts: the parts of the proof that it tells of.
    """
    parts = tuple(parts)
    blocks = [Paragraph(_HOW), Heading("In short"), *_short(folder, parts)]
    for subject in subjects(folder, parts):
        blocks += _section(subject, parts)
    blocks += [Heading("The paper's analyses"), *findings(folder)]
    texts = [_TITLE, *(block.markdown() for block in blocks)]
    return "\n\n".join(filter(None, texts)) + "\n"


def summary(folder: pathlib.Path, parts: Iterable[Part] = proof.PARTS) -> str:
    """The table that sums up the proof, as Markdown, and what is not done."""
    return "\n\n".join(block.markdown() for block in _short(folder, tuple(parts)))


def _short(folder, parts):
    found = [each for each in subjects(folder, parts) if each.table.number in _SUMMED_UP]
    return headline(found)


def _section(subject: Subject, parts: Iterable[Part]) -> Blocks:
    """A table with everything that is told of it, under one heading."""
    records, table = subject.records, subject.table
    yield Heading(f"{table.name} at {subject.scale.name} scale")
    questions = [part.question for part in parts if part.number == table.number]
    yield Paragraph(" ".join(questions))
    more = " The rows name what they have instead." if any(row.flags for row in table.rows) else ""
    yield Paragraph(
        f"{table.title}. Scale \u201c{subject.scale.name}\u201d: {subject.scale.description}.{more}"
    )
    yield Paragraph(f"{len(_done(records))} of {records.planned} runs are complete.")
    if records.missing:
        yield Paragraph(f"Not done: {records.missing}.")
    yield from cautions(subject)
    yield Paragraph(subject.command, code=True)
    for block in _grids(subject):
        is_heading = isinstance(block, Heading)
        yield dataclasses.replace(block, level=3) if is_heading else block


def _grids(subject):
    if not subject.records.results:
        return
    for function in (
        grids.accuracies,
        gains.paired,
        grids.ensembles,
        grids.over_fitting,
        grids.losses,
        cost.cost,
    ):
        yield from function(subject)


def _done(records):
    """The complete runs among those that are needed."""
    return [key for key in records.results if key in records.needed]
