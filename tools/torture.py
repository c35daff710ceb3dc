"""Puts faults into real short runs of the programs, and tells what became of each run.

    python tools/torture.py --faults=300 --output=results/torture

After each fault the same command is run again, without it.  A run has survived if it then ends
with the log and the variables of an undisturbed run, bit for bit; of two workers, whose sums are
not so, with its epochs, its steps and its losses to within a twentieth.  A run that was complete
has survived if it says the same and its exports are whole, an export if all its files are there and
whole, and an evaluation if it prints the same.

Stopped, it goes on with the faults that --output does not have yet.
"""

from __future__ import annotations

import collections
import json
import os
import pathlib
import random
import sys
import tempfile

from absl import flags
from torturing import faults as faults_lib, runs
from torturing.bench import CAME_THROUGH, Bench

from kdcl_tf import files
from kdcl_tf.programs import command_line

_COLUMNS = (
    *("faults", "survived", "refused", "wrong results", "lost steps", "tracebacks", "hangs"),
    "others",
)
# What is counted in which column; whatever else did not come through is among the others.
_COLUMN_OF = {
    "survived": "survived",
    "refused as it should be": "refused",
    "wrong result": "wrong results",
    "traceback": "tracebacks",
    "defect": "tracebacks",
    "not one line": "tracebacks",
    "hang": "hangs",
}


def define_flags(flag_values):
    """Defines how many faults, which, and where the table goes."""
    flags.DEFINE_integer("faults", 300, "How many.", lower_bound=1, flag_values=flag_values)
    flags.DEFINE_integer("seed", 0, "Decides all of them.", flag_values=flag_values)
    flags.DEFINE_integer(
        "processes", 2, "Faults put at the same time.", lower_bound=1, flag_values=flag_values
    )
    flags.DEFINE_list(
        "kinds", [], "Only these kinds of faults, by whole names or parts of them.", flag_values
    )
    flags.DEFINE_string("output", None, "Folder for faults.jsonl and table.md.", flag_values)


def main(flag_values):
    """Puts the faults; prints and writes the table; fails where a run did not come through."""
    chosen = plan(
        flag_values["faults"].value, flag_values["kinds"].value, flag_values["seed"].value
    )
    with tempfile.TemporaryDirectory(prefix="kdcl_torture_") as folder:
        output = pathlib.Path(flag_values["output"].value or folder)
        output.mkdir(parents=True, exist_ok=True)
        records = output / "faults.jsonl"
        done = _known(records, chosen)
        left = [each for each in chosen if each[0] not in done]
        in_processes(left, flag_values["processes"].value, pathlib.Path(folder), records)
        done = _known(records, chosen)
        found = [done[number] for number, _, _ in chosen]
        files.write_text(records, "".join(json.dumps(each) + "\n" for each in found))
        text = table(found)
        files.write_text(output / "table.md", text + "\n")
    print(text)
    bad = [each for each in found if each["verdict"] not in CAME_THROUGH]
    if bad:
        command_line.fail(f"{len(bad)} of {len(found)} runs did not come through: {bad[0]}")


def plan(count, kinds, seed):
    """`[(number, Fault, seed)]`, each kind by its share, at least once."""
    kinds = [each for part in kinds for each in _of_name(part)] or faults_lib.FAULTS
    kinds = list(dict.fromkeys(kinds))
    chance = random.Random(seed)
    more = chance.choices(kinds, [each.share for each in kinds], k=max(0, count - len(kinds)))
    chosen = [*kinds, *more][:count]
    return [(number, fault, chance.randrange(2**32)) for number, fault in enumerate(chosen)]


def _of_name(part):
    """The one kind of this name, or all whose names contain it."""
    whole = [each for each in faults_lib.FAULTS if part == each.kind]
    found = whole or [each for each in faults_lib.FAULTS if part in each.kind]
    if not found:
        names = ", ".join(each.kind for each in faults_lib.FAULTS)
        raise ValueError(f"expected --kinds to be parts of {names}; got {part}")
    return found


def _known(path, chosen):
    """`{number: record}` of the faults of a plan that a file of records has."""
    if not path.exists():
        return {}
    records = [json.loads(line) for line in path.read_text().splitlines()]
    planned = {(number, fault.kind, seed) for number, fault, seed in chosen}
    keys = ("number", "kind", "seed")
    return {each["number"]: each for each in records if tuple(each[k] for k in keys) in planned}


def in_processes(chosen, count, folder, records):
    """Puts the faults, `count` at a time, and appends a line of each to the file of records."""
    count = min(count, len(chosen))
    children = []
    for index in range(count):
        child = os.fork()
        if not child:
            _as_process(chosen[index::count], folder / str(index), records)
        children.append(child)
    ended = [os.waitpid(child, 0)[1] for child in children]
    if any(ended):
        raise RuntimeError("a process that puts faults has ended early; its output is above")


def _as_process(chosen, folder, records):
    """Never returns."""
    status = 1
    try:
        folder.mkdir()
        _forget_flags()
        runs.preload()
        bench = Bench(folder)
        for number, fault, seed in chosen:
            record = bench.put(number, fault, seed)
            # One write, so that the lines of two processes do not mix.
            with open(records, "a") as file:
                file.write(json.dumps(record) + "\n")
            print(f"{number} {fault.kind}: {record['verdict']}", file=sys.stderr, flush=True)
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def _forget_flags():
    """Makes room for the flags of the programs, some of which have the same names."""
    mine = flags.FlagValues()
    define_flags(mine)
    if all(name in flags.FLAGS for name in mine):
        flags.FLAGS.remove_flag_values(mine)
        flags.FLAGS.unparse_flags()


def table(found):
    """The records as a table, a row a kind."""
    rows = collections.defaultdict(collections.Counter)
    for each in found:
        for name in (each["kind"], "all"):
            row = rows[name]
            row["faults"] += 1
            row["lost steps"] += each["lost_steps"]
            row[_COLUMN_OF.get(each["verdict"], "others")] += 1
    order = [each.kind for each in faults_lib.FAULTS if each.kind in rows] + ["all"]
    lines = [f"| fault | {' | '.join(_COLUMNS)} |", "|---" * (1 + len(_COLUMNS)) + "|"]
    for name in order:
        lines.append(f"| {name} | {' | '.join(str(rows[name][each]) for each in _COLUMNS)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    command_line.run(define_flags, main)
