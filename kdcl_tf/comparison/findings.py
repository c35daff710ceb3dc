"""What students gain in a cohort, paired by seed, as numbers and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kdcl_tf.reproduction import circumstances
from kdcl_tf.reproduction.reporting import statistics

__all__ = ["findings", "table"]

_BALANCED = "balanced_accuracy"
_BALANCED_ARMS = ("balanced_alone", "balanced_cohort")


def findings(
    alone: Mapping[int, Mapping[str, Any]],
    cohort: Mapping[int, Mapping[str, Any]],
    counterparts: Mapping[str, str],
) -> dict[str, Any]:
    """The numbers of a comparison, as JSON holds them.

    Args:
      alone, cohort: `{seed: the contents of result.json}`, of the same seeds.
      counterparts: `{student of the cohort: the same student alone}`.

    Returns:
      `{"data", "seeds", "students", "remarks"}`, the last a list of sentences on what else than the
      method may have changed the numbers.  Of each student it has test accuracies in 0..1, `alone`
      and `cohort`, and `gains` in percentage points, each a list in the order of the seeds; and
      of the gains the `median`, the `mean`, `least` and `greatest`, and, of three seeds or more,
      the standard `deviation` and the 95 % `interval` of the mean by Student's t.  Where classes
      differ in size, `balanced_alone` and `balanced_cohort` are balanced accuracies.
    """
    seeds = sorted(cohort)
    return {
        "data": cohort[seeds[0]]["data"],
        "seeds": seeds,
        "students": {
            name: {
                **_student(_accuracies(alone, other, seeds), _accuracies(cohort, name, seeds)),
                **_balanced(alone, other, cohort, name, seeds),
            }
            for name, other in counterparts.items()
        },
        "remarks": _remarks(alone, cohort, seeds),
    }


def _remarks(alone, cohort, seeds):
    """Sentences on circumstances in which the two runs of a seed differ, or the seeds."""
    by_kind: dict[str, list[int]] = {}
    for seed in seeds:
        for told in circumstances.differences(cohort[seed], alone[seed]):
            by_kind.setdefault(told, []).append(seed)
    remarks = [
        f"With {_named(found)} the cohort and the students alone differ in {told}: the gain may not be "
        "the method's alone."
        for told, found in by_kind.items()
    ]
    if unknown := [seed for seed in seeds if _have_no_processor(alone[seed], cohort[seed])]:
        remarks.append(
            f"With {_named(unknown)} the processor of neither the cohort nor the students alone is "
            "recorded: if it is not the same, the gain may not be the method's alone."
        )
    return remarks + _remarks_on_seeds(alone, cohort, seeds)


def _remarks_on_seeds(alone, cohort, seeds):
    """Sentences on circumstances in which runs of one method differ besides their seeds."""
    told = [
        each
        for results in (alone, cohort)
        for seed in seeds[1:]
        for each in circumstances.differences(results[seed], results[seeds[0]])
    ]
    return [
        f"The seeds differ in {each}: how far apart their numbers are does not come from the seed alone."
        for each in dict.fromkeys(told)
    ]


def _have_no_processor(*results):
    return all(map(circumstances.has_no_processor, results))


def _named(seeds):
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _accuracies(results, name, seeds):
    return {seed: results[seed]["students"][name]["accuracy"] for seed in seeds}


def _balanced(alone, other, cohort, name, seeds):
    """The balanced accuracies of both arms, where classes of the test set differ in size."""
    found = {
        "balanced_alone": [alone[seed]["students"][other].get(_BALANCED) for seed in seeds],
        "balanced_cohort": [cohort[seed]["students"][name].get(_BALANCED) for seed in seeds],
    }
    return {} if None in found["balanced_alone"] + found["balanced_cohort"] else found


def _student(alone, cohort):
    gains = [100 * gain for gain in statistics.paired(cohort, alone).values()]
    found = {
        "alone": list(alone.values()),
        "cohort": list(cohort.values()),
        "gains": gains,
        "median": statistics.median(gains),
        "mean": statistics.mean(gains),
        "least": min(gains),
        "greatest": max(gains),
    }
    if ends := statistics.interval(gains):
        found["deviation"] = statistics.deviation(gains)
        found["interval"] = list(ends)
    return found


def table(found: Mapping[str, Any]) -> str:
    """The findings for a person: a line for each student.

    Args:
      found: what `findings` returned.
    """
    seeds, data = found["seeds"], found["data"]
    left_out = data.get("left_out", {})
    test, train = (data[f"num_{split}"] - left_out.get(split, 0) for split in ("test", "train"))
    several = f"{len(seeds)} seeds: medians of accuracies and of paired gains"
    lines = [
        f"Test accuracy on {test} images of {data['name']}, trained on "
        f"{train} ({'one seed' if len(seeds) == 1 else several})"
    ]
    has_interval = any("interval" in each for each in found["students"].values())
    rows = [["student", "alone", "in the cohort", "gain", *_heads(seeds, has_interval)]]
    rows += [_row(name, student, seeds) for name, student in found["students"].items()]
    lines += _aligned(rows) + _balanced_lines(found["students"])
    if found["remarks"]:
        lines += ["", *found["remarks"]]
    return "\n".join(lines)


def _balanced_lines(students):
    rows = [
        [name, *(f"{statistics.median(student[arm]):.2%}" for arm in _BALANCED_ARMS)]
        for name, student in students.items()
        if _BALANCED_ARMS[0] in student
    ]
    if not rows:
        return []
    head = "Balanced accuracy, the mean of the accuracies of the classes, which differ in size"
    return ["", head, *_aligned([["student", "alone", "in the cohort"], *rows])]


def _heads(seeds: Sequence[int], has_interval: bool) -> list[str]:
    if len(seeds) == 1:
        return []
    return ["mean", *(["95% interval"] if has_interval else []), "by seed"]


def _row(name, student, seeds):
    before, after = (statistics.median(student[arm]) for arm in ("alone", "cohort"))
    row = [name, f"{before:.2%}", f"{after:.2%}", f"{student['median']:+.2f}"]
    if len(seeds) == 1:
        return row
    ends = student.get("interval")
    interval = [f"{ends[0]:+.2f} to {ends[1]:+.2f}"] if ends else []
    gains = ", ".join(f"{gain:+.2f}" for gain in student["gains"])
    return [*row, f"{student['mean']:+.2f}", *interval, gains]


def _aligned(rows):
    """Columns, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), row[1].rjust(widths[1])]
            + [f" {cell.rjust(width)}" for cell, width in zip(row[2:], widths[2:])]
        )
        for row in rows
    ]
