"""The report of a table: the paper's numbers beside ours, curves, weights and cost."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from kdcl_tf import files
from kdcl_tf.reproduction.reporting import cost, curves, gains, grids, pictures
from kdcl_tf.reproduction.reporting.blocks import Paragraph
from kdcl_tf.reproduction.reporting.cautions import cautions
from kdcl_tf.reproduction.reporting.page import page
from kdcl_tf.reproduction.reporting.records import Records
from kdcl_tf.reproduction.reporting.subject import Subject
from kdcl_tf.reproduction.tables.scales import Scale
from kdcl_tf.reproduction.tables.table import Table


def write(
    folder: str | pathlib.Path,
    table: Table,
    columns: Sequence[str],
    scale: Scale,
    command: str,
    seeds: int,
) -> list[pathlib.Path]:
    """Writes `report.html`, `report.md` and the pictures that `report.md` shows.

    A table whose runs are in another's folder has its own number in the names of the files.

    Args:
      folder: the folder of the runs, `folder/<row>/seed<k>`, which may be incomplete.
      table: the table that is reproduced.
      columns: the headings of the measured columns.
      scale: the scale of the runs.
      command: the command line that makes the runs.
      seeds: the number of seeds that the table needs.

    Returns:
      The paths of both reports.
    """
    folder = pathlib.Path(folder)
    subject = Subject(Records(folder, table, seeds), columns, scale, command)
    for name, groups, y_label in curves.pictures(subject):
        pictures.write(folder / name, groups, "epoch", y_label, scale.name)
    title = f"{table.name} at {scale.name} scale"
    blocks = _blocks(subject)
    paths = [folder / f"report{subject.suffix}.{kind}" for kind in ("html", "md")]
    files.write_text(paths[0], page(title, blocks))
    parts = [f"# {title}", *[block.markdown() for block in blocks]]
    files.write_text(paths[1], "\n\n".join(filter(None, parts)) + "\n")
    return paths


def _blocks(subject):
    """The blocks of the whole report."""
    return [
        *_head(subject),
        *grids.accuracies(subject),
        *gains.paired(subject),
        *curves.sweep(subject),
        *grids.ensembles(subject),
        *grids.over_fitting(subject),
        *curves.learning_curves(subject),
        *curves.loss_gaps(subject),
        *curves.weights(subject),
        *cost.cost(subject),
        *_circumstances(subject),
    ]


def _head(subject):
    records, scale = subject.records, subject.scale
    whole = sum(len(records.complete(row)) == records.seeds for row in subject.table.rows)
    yield Paragraph(subject.table.title + ".")
    yield Paragraph(f"Scale \u201c{scale.name}\u201d: {scale.description}.")
    yield Paragraph(
        f"{whole} of {len(subject.table.rows)} rows, of {records.seeds} "
        f"seed{'s' if records.seeds > 1 else ''} each, and {len(records.results)} of "
        f"{records.planned} runs are complete."
    )
    missing = records.missing
    if missing:
        yield Paragraph(f"Not done: {missing}.")
    yield from cautions(subject)
    if scale.name != "full":
        yield Paragraph(
            "These numbers must not be compared with the paper's, which were measured with the "
            "full recipe; only the signs and the order of the gains can be compared."
        )
    yield Paragraph(subject.command, code=True)


def _circumstances(subject):
    """The data and the versions that the runs were made with."""
    records = subject.records
    if not records.results:
        return
    (first, seed), result = next(iter(records.results.items()))
    data = result["data"]
    yield Paragraph(
        f"Data: {data['name']}, {data['num_train']:,} training images, "
        f"{data['num_held_out']:,} held out, {data['num_test']:,} test images (of "
        f"{records.table.run(first).full_label}, seed {seed}). Versions: {'; '.join(records.versions)}."
    )
