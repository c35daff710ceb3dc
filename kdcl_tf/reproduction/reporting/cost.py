"""What the runs of a report cost: parameters, time and memory."""

from __future__ import annotations

from collections.abc import Iterator

from kdcl_tf.distribution import machine
from kdcl_tf.reproduction.reporting import cells, statistics
from kdcl_tf.reproduction.reporting.blocks import Grid, Heading
from kdcl_tf.reproduction.reporting.subject import Subject


def cost(subject: Subject) -> Iterator[Heading | Grid]:
    """The parameters, the training time and the memory of every run."""
    records = subject.records
    total = sum(result["seconds"] for result in records.results.values())
    yield Heading("Cost")
    yield Grid(
        heads=(
            "Method",
            "Million parameters",
            "Images per second",
            "Epochs",
            "Minutes per run",
            "Peak memory (GiB)",
            "Machine",
            *subject.if_seeds("Seeds"),
        ),
        rows=tuple(_cost_row(subject, row) for row in subject.table.runs),
        caption=f"{subject.at_scale} Parameters: all that are trained. Speed: training without "
        f"evaluation, in the median epoch, {subject.of_seeds}; minutes: of a run at this speed. "
        f"Training took {total / 3600:.1f} hours in all, with what the machines did beside it, "
        "so the speeds of the methods compare only roughly, and not at all where their machines "
        "differ. Peak memory: of the whole process, the most of all seeds. Machine: on which the run ended.",
    )


def _cost_row(subject, row):
    records = subject.records
    results = records.of_row(row)
    parameters = {result.get("parameters") for result in results.values()} - {None}
    memory = [
        each["peak_memory_gib"] for each in records.results_with(row, "peak_memory_gib").values()
    ]
    minutes = [
        results[seed]["data"]["num_train"] * results[seed]["epochs"] / speed / 60
        for seed, speed in records.speeds(row).items()
    ]
    return (
        row.full_label,
        cells.number(max(parameters) / 1e6 if parameters else None, 2),
        cells.number(statistics.median(records.speeds(row).values()), 0),
        str(max((result["epochs"] for result in results.values()), default=cells.NOTHING)),
        cells.number(statistics.median(minutes), 1),
        cells.number(max(memory, default=None), 2),
        _machines(results.values()),
        *subject.if_seeds(str(len(results))),
    )


def _machines(results):
    """The machines of some runs, each once."""
    told = [
        machine.in_words(each["machine"]) if each.get("machine") else "not recorded"
        for each in results
    ]
    return "; ".join(dict.fromkeys(told)) or cells.NOTHING
