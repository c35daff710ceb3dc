"""Loss gap to a baseline by epoch, from the logs of runs (paper Fig. 4)."""

from kdcl_tf.training import figures


def loss_by_epoch(log, student):
    """`{epoch: test cross-entropy}` of the epochs that were evaluated.

    Args:
      log: dicts an epoch, as in `log.jsonl`.
      student: its name.

    Raises:
      ValueError: when the run has not evaluated such a student.
    """
    key = f"test_{student}_cross_entropy"
    found = {record["epoch"]: record[key] for record in log if key in record}
    if not found:
        names = sorted(
            name.removeprefix("test_").removesuffix("_cross_entropy")
            for name in set().union(*log)
            if name.startswith("test_") and name.endswith("_cross_entropy")
        )
        raise ValueError(
            f"no evaluated epoch of student {student}: the run has {', '.join(names) or 'none'}"
        )
    return found


def gaps(baseline, other):
    """`[(epoch, baseline's loss minus the other's)]`: above 0 the other's is lower.

    Args:
      baseline, other: `{epoch: loss}`.

    Raises:
      ValueError: when they have no epoch in common.
    """
    common = sorted(set(baseline) & set(other))
    if not common:
        raise ValueError(
            "the runs have no evaluated epoch in common: train with the same --evaluate_every"
        )
    return [(epoch, baseline[epoch] - other[epoch]) for epoch in common]


def plot(curves, baseline, path):
    """A line a run.

    Args:
      curves: `{name: [(epoch, gap)]}`.
      baseline: name of the run they are gaps to.
      path: of the PNG.
    """
    figure, (axes,) = figures.new(8, 5)
    axes.axhline(0, color=figures.COLOURS[0], linewidth=1)
    for index, (name, curve) in enumerate(curves.items()):
        colour = figures.COLOURS[1 + index % (len(figures.COLOURS) - 1)]
        axes.plot(*zip(*curve), color=colour, label=name, marker=".")
    axes.set(xlabel="epoch", ylabel=f"test loss of {baseline} minus this (nats)")
    axes.legend()
    figures.save(figure, path)
