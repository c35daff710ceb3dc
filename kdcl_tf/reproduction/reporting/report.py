"""The report of a table: the paper's numbers beside ours, curves, weights and cost."""

import pathlib

from kdcl_tf import files
from kdcl_tf.reproduction.reporting import curves, grids, pictures
from kdcl_tf.reproduction.reporting.blocks import Paragraph
from kdcl_tf.reproduction.reporting.page import page
from kdcl_tf.reproduction.reporting.records import Records
from kdcl_tf.reproduction.reporting.subject import Subject


def write(folder, table, columns, scale, command, seeds):
    """Writes `report.html`, `report.md` and the pictures of the latter.

    Args:
      folder: of the runs, `folder/<row>/seed<k>`; complete or not.
      table: `table.Table`.
      columns: headings of the measured students.
      scale: `scales.Scale`.
      command: the line that made the runs.
      seeds: how many there are to be.
    """
    folder = pathlib.Path(folder)
    subject = Subject(Records(folder, table, seeds), columns, scale, command)
    for name, groups, y_label in curves.pictures(subject):
        pictures.write(folder / name, groups, "epoch", y_label, scale.name)
    title = f"Table {table.number.partition('_')[0]} at {scale.name} scale"
    blocks = _blocks(subject)
    files.write_text(folder / "report.html", page(title, blocks))
    pieces = [f"# {title}", *[block.markdown() for block in blocks]]
    files.write_text(folder / "report.md", "\n\n".join(filter(None, pieces)) + "\n")


def _blocks(subject):
    """The whole report."""
    return [
        *_head(subject),
        *grids.accuracies(subject),
        *curves.sweep(subject),
        *grids.over_fitting(subject),
        *curves.learning_curves(subject),
        *curves.loss_gaps(subject),
        *curves.weights(subject),
        *grids.cost(subject),
        *_circumstances(subject),
    ]


def _head(subject):
    records, scale = subject.records, subject.scale
    rows = sum(bool(records.complete(row)) for row in subject.table.rows)
    yield Paragraph(subject.table.title + ".")
    yield Paragraph(f"Scale \u201c{scale.name}\u201d: {scale.description}.")
    yield Paragraph(
        f"{rows} of {len(subject.table.rows)} rows, {len(records.results)} of {records.planned} "
        f"runs complete, {records.seeds} seed{'s' if records.seeds > 1 else ''} each."
    )
    differences = records.differences(scale.flags)
    if differences:
        yield Paragraph(
            f"Runs were made when this scale was another one: {', '.join(differences)}."
        )
    if scale.name != "full":
        yield Paragraph(
            "These numbers are not to be held against the paper's, which are of the full "
            "recipe; what can be compared is the sign and the order of the gains."
        )
    yield Paragraph(subject.command, code=True)


def _circumstances(subject):
    """Data and versions."""
    result = next(iter(subject.records.results.values()), None)
    if result is None:
        return
    data = result["data"]
    yield Paragraph(
        f"Data: {data['name']}, {data['num_train']:,} training images, "
        f"{data['num_held_out']:,} held out, {data['num_test']:,} test images (of the first "
        "row). Versions: "
        + ", ".join(f"{name} {version}" for name, version in result["versions"].items())
        + "."
    )
