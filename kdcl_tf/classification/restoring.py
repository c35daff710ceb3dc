"""The students of a run, restored from its newest checkpoint without the run's data."""

from __future__ import annotations

import math
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from kdcl_tf.classification import report
from kdcl_tf.files import moments
from kdcl_tf.serving import exported
from kdcl_tf.training import manifests, ownership
from kdcl_tf.training.run_files import read_result

# What imports TensorFlow is imported where it is needed: settings are read and checked before.
if TYPE_CHECKING:
    import keras

    from kdcl_tf.classification.settings import Settings
    from kdcl_tf.serving.cards import Card

__all__ = ["check_epoch", "restore", "settings_of"]


def settings_of(workdir: pathlib.Path) -> Settings:
    """The `Settings` of a run, from the identity in its newest checkpoint.

    Raises:
      ValueError: when the folder is no run, or a run of another program or version.
    """
    from kdcl_tf.classification import flags as classification_flags

    ownership.check_one_run(workdir, read_result(workdir))
    newest = manifests.newest(workdir / "checkpoints", manifests.sealed_facts)
    if newest is None:
        raise ValueError(
            f"expected the folder of a run of kdcl-train; got {workdir}, which "
            f"{'has no checkpoint' if workdir.exists() else 'is not there'}"
            f"{exported.runs_in(workdir)}"
        )
    path, facts = newest
    if "detector" in facts["identity"]["settings"]:
        raise ValueError(
            f"expected the folder of a run of kdcl-train; got {workdir}, which is a run of "
            "kdcl-detect and has its detector exported when it is complete"
        )
    values = flags.FlagValues()
    classification_flags.define_flags(values)
    try:
        settings = facts["identity"]["settings"].items()
        values(["kdcl-train", *(f"--{name}={text}" for name, text in settings)])
    except flags.Error as error:
        raise ValueError(
            f"expected {path} to have flags of this version of kdcl-train; got others: {error}"
        ) from error
    return classification_flags.settings_from_flags(values)


def restore(
    workdir: pathlib.Path, settings: Settings
) -> tuple[dict[str, Card], dict[str, keras.Model]]:
    """`({name: Card}, {name: student})` from the newest checkpoint, without the run's data.

    The cards have the test accuracy that a complete run's checkpoint has, unless the checkpoint lies
    within an epoch.

    Raises:
      ValueError: when there is no checkpoint, or it is damaged or of another format.
    """
    from kdcl_tf.classification import factory
    from kdcl_tf.serving.cards import Card
    from kdcl_tf.training import keeping
    from kdcl_tf.training.checkpoint import SavedCheckpoint

    checkpoint = SavedCheckpoint(
        workdir / "checkpoints", lambda line: print(line, file=sys.stderr, flush=True)
    )
    facts = checkpoint.card["students"]
    best, kept = keeping.positions(checkpoint)
    result = read_result(workdir)
    more = {**_moment(checkpoint, settings, best), "identity": checkpoint.identity}
    # Images on disk are found to be bad while the run goes on, and the checkpoint's cards are older.
    if left_out := result["data"].get("left_out", {}) if result else checkpoint.left_out:
        more["left_out"] = left_out
    found = {
        name: Card.from_facts(_with_reason({**each["card"], **more}, settings, best, bool(result)))
        for name, each in facts.items()
    }
    any_card = next(iter(found.values()))
    students = factory.create_students(settings, any_card.num_classes, any_card.image_shape)
    for name, student in students.items():
        checkpoint.assign(student.variables, kept.get(name) or facts[name]["variables"])
    if best:
        told = f"exported: epoch {best}, the best of {settings.keep_by} on the validation set"
        print(told, file=sys.stderr, flush=True)
    # Within an epoch the weights are no longer those that were tested after the one before.
    if not result or (checkpoint.step and not best):
        return found, students
    # The log beside it may be another run's.
    return _with_accuracies(found, checkpoint.log), students


def _moment(checkpoint, settings, best):
    """The epoch of a checkpoint's students, and how many steps of the next they have taken."""
    if best:
        return {"epoch": best}
    images = checkpoint.identity["data"]["train"]["images"]
    # Before an epoch is evaluated, all its steps are saved.
    epochs, steps = divmod(checkpoint.step, math.ceil(images / settings.batch_size))
    return {"epoch": checkpoint.epoch + epochs, **({moments.STEP: steps} if steps else {})}


def _with_reason(facts, settings, best, is_complete):
    """The facts of a card with why its epoch is exported, as the run itself tells it at its end.

    Args:
      facts: of the card.
      settings: of the run.
      best: the best epoch so far, from 1; 0 where none is kept.
      is_complete: whether no later epoch can be better.
    """
    if best:
        images = facts["identity"]["data"]["validation"]["images"]
        images -= facts.get("left_out", {}).get("validation", 0)
        so_far = "" if is_complete else " so far"
        return {**facts, "kept": report.best_epoch(settings.keep_by, images) + so_far}
    is_last = settings.keep == "last" and moments.of(facts) == (settings.epochs, 0)
    return {**facts, "kept": report.LAST_EPOCH} if is_last else facts


def is_own(workdir: pathlib.Path, output: pathlib.Path) -> bool:
    """Whether a folder is the one to which a run in `workdir` exports its students."""
    return os.path.realpath(output) == os.path.realpath(workdir / "students")


def check_epoch(workdir: pathlib.Path, output: pathlib.Path, found: Mapping[str, Card]) -> None:
    """Refuses to replace what a complete run exported by students of another epoch.

    The newest checkpoint may be damaged, and the one before it older than the run's end.

    Raises:
      ValueError: naming both epochs.
    """
    result = read_result(workdir) or {}
    facts = next(iter(found.values())).more
    if is_own(workdir, output) and ownership.is_other_epoch(facts, result):
        raise ValueError(
            f"expected a checkpoint of epoch {result['exported_epoch']}, whose students are those of "
            f"the complete run in {workdir}; got epoch {moments.told(facts)}: restore that "
            "checkpoint, or pass --output=FOLDER to export this epoch elsewhere"
        )


def _with_accuracies(
    found: Mapping[str, Card], log: Sequence[Mapping[str, Any]]
) -> dict[str, Card]:
    """The cards with the test accuracy that a log has of their epoch, if it has."""
    records = {record["epoch"]: record for record in log}
    cards = {}
    for name, card in found.items():
        accuracy = records.get(card.more.get("epoch"), {}).get(f"test_{name}_accuracy")
        cards[name] = card if accuracy is None else card.with_more(test_accuracy=accuracy)
    return cards
