"""The proof: which rows of which tables are run, with how many seeds, in the order of their worth.

Its first parts tell most, so that whatever is complete when the time is up tells something.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Sequence

from kdcl_tf.reproduction import plan
from kdcl_tf.reproduction.plan import Run
from kdcl_tf.reproduction.tables import scales
from kdcl_tf.reproduction.tables.catalogue import TABLES
from kdcl_tf.reproduction.tables.scales import Scale
from kdcl_tf.reproduction.tables.table import Table


@dataclasses.dataclass(frozen=True)
class Part:
    """Some rows of a table at a scale.

    Attributes:
      name: what `tools/prove.py --parts` calls it.
      question: what the part answers.
      number: the number of the table.
      at: the name of the scale.
      rows: the names of the rows, in the order to run them.
      seeds: the number of seeds.
    """

    name: str
    question: str
    number: str
    at: str
    rows: tuple[str, ...]
    seeds: int = 1

    @property
    def table(self) -> Table:
        """The whole table."""
        return TABLES[self.number]

    @property
    def scale(self) -> Scale:
        """The scale of all rows."""
        return scales.scale(self.at, self.table)

    @property
    def folder(self) -> str:
        """The name of the folder of its runs, which other parts may share."""
        return plan.folder_name(self.table, self.scale)


def _whole(name, question, number, at, seeds=1):
    return Part(name, question, number, at, tuple(row.name for row in TABLES[number].runs), seeds)


PARTS = (
    Part(
        "methods",
        "What do the methods gain, over three seeds?",
        "7",
        "small",
        ("vanilla", "min_logit_icl", "general_icl", "linear_icl", "kd_wrn_to_resnet", "dml"),
        seeds=3,
    ),
    Part(
        "methods_once",
        "What do the other rows of Table 7 gain, with one seed?",
        "7",
        "small",
        ("naive_icl", "min_logit", "general", "linear", "naive", "one", "clnn"),
    ),
    Part(
        "all",
        "What do the paper's students gain on all of CIFAR-100?",
        "all",
        "medium",
        ("vanilla", "min_logit_icl", "general_icl", "vanilla_held_out", "dml"),
    ),
    _whole("length", "Is under-fitting what costs the larger student?", "length", "small"),
    _whole("general", "Which form of General is the best?", "general", "small", seeds=3),
    _whole("weight", "Which weight of the distillation loss is the best?", "weight", "small"),
    Part(
        "all_more",
        "What do Linear and KD gain on all of CIFAR-100?",
        "all",
        "medium",
        ("linear_icl", "kd_wrn_to_resnet"),
    ),
)


def named(names: Sequence[str]) -> tuple[Part, ...]:
    """The parts of these names, in the order of the proof; all without names.

    Raises:
      ValueError: for a name that no part has.
    """
    known = [part.name for part in PARTS]
    for name in names:
        if name not in known:
            raise ValueError(f"expected --parts among {', '.join(known)}; got {name}")
    return tuple(part for part in PARTS if not names or part.name in names)


def runs(parts: Iterable[Part], folder: pathlib.Path) -> list[Run]:
    """The runs of some parts, each once, seed by seed, and a teacher before the runs it teaches.

    Args:
      parts: of `PARTS`.
      folder: the folder of the folders of tables: a run is in
        `folder/table7_small/<row>/seed<k>`.
    """
    found = {}
    for part in parts:
        planned = plan.plan(part.table, part.scale, part.seeds, folder / part.folder)
        for seed in range(part.seeds):
            of_seed = [run for run in planned if run.seed == seed]
            for run in plan.chosen(of_seed, part.rows):
                found.setdefault(run.workdir, run)
    return list(found.values())


def tables(parts: Iterable[Part]) -> list[tuple[Table, Scale, str, dict[str, int]]]:
    """The tables of some parts, each once: `(table, scale, folder, {row: number of seeds})`.

    The table has only the rows of the parts, in its own order.
    """
    wanted = {}
    for part in parts:
        rows = wanted.setdefault((part.number, part.at), (part, {}))[1]
        for row in part.rows:
            rows[row] = max(part.seeds, rows.get(row, 0))
    return [
        (_restricted(part.table, rows), part.scale, part.folder, rows)
        for part, rows in wanted.values()
    ]


def _restricted(table, rows):
    return dataclasses.replace(table, rows=tuple(row for row in table.rows if row.name in rows))
