"""The flags of a comparison, which `kdcl-train` has beside those of a run."""

from __future__ import annotations

from absl import flags

from kdcl_tf.classification.settings import Settings

# The flags of this module, and where everything is written: what no single run is given.
OF_THE_WHOLE = ("compare", "seeds", "runs_at_once", "workdir")


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines whether to compare, and over how many seeds."""
    flags.DEFINE_bool(
        "compare",
        False,
        "Also train the same students alone, in runs of the same images, views and initial "
        "weights, and print what the cohort gains: WORKDIR/cohort and WORKDIR/alone have a run "
        "for each seed.",
        flag_values,
    )
    flags.DEFINE_integer(
        "seeds",
        1,
        "For --compare: how many seeds, from --seed on. Run again with more, it trains only the "
        "new ones.",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "runs_at_once",
        1,
        "For --compare: how many runs train beside each other. With 2, small students that leave "
        "processors idle take less time; large ones, or one GPU for all, more.",
        lower_bound=1,
        flag_values=flag_values,
    )


def check(flag_values: flags.FlagValues, settings: Settings) -> None:
    """Refuses flags that do not go together.

    Raises:
      ValueError: for `--seeds` or `--runs_at_once` without `--compare`, and for settings that
        cannot be compared.
    """
    if not flag_values["compare"].value:
        if flag_values["seeds"].value != 1:
            raise ValueError(
                f"--seeds={flag_values['seeds'].value} is for --compare: pass --compare, or --seed "
                "for the seed of one run"
            )
        if flag_values["runs_at_once"].value != 1:
            raise ValueError(
                f"--runs_at_once={flag_values['runs_at_once'].value} is for --compare, which has "
                "several runs: pass --compare"
            )
        return
    if settings.method == "independent":
        raise ValueError(
            "--compare trains the students alone as well: expected another --method than "
            "independent, which trains them alone"
        )
    if settings.strategy == "multi_worker":
        raise ValueError(
            "--compare runs on one machine: expected --strategy=one, mirrored or tpu; got "
            "multi_worker"
        )
    if settings.seed + flag_values["seeds"].value > 2**32:
        raise ValueError("expected --seed + --seeds to be at most 2**32")


def of_every_run(flag_values: flags.FlagValues, settings: Settings) -> list[str]:
    """The flags that are no settings and that every run is given as they were given here."""
    own = settings.as_flags()
    return [
        flag_values[name].serialize()
        for name in flag_values
        if flag_values[name].present and name not in own and name not in OF_THE_WHOLE
    ]
