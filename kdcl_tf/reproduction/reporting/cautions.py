"""What a report says before its numbers, where some of its runs do not compare."""

from __future__ import annotations

from collections.abc import Iterator

from kdcl_tf.reproduction import circumstances
from kdcl_tf.reproduction.reporting.blocks import Paragraph
from kdcl_tf.reproduction.reporting.subject import Subject

# A statement of runs, by the property of the runs that it is true of, beside their baselines.
_UNLIKE = {
    circumstances.processor: (
        "Of these runs the processor is another than that of the baseline of their seed, or that of "
        "one of the two is not recorded. Another processor rounds otherwise, so that a run parts from "
        "its baseline as one of another seed does"
    ),
    circumstances.versions: (
        "These runs were made with another version of kdcl_tf, TensorFlow or Keras than the baseline "
        "of their seed"
    ),
    circumstances.normalized_parts: (
        "These runs trained on another number of devices than the baseline of their seed, each of "
        "which normalised its own part of a batch, or that of one of the two is not recorded, or "
        "changed within the run. If it differs, their gains are not those of the method alone"
    ),
    circumstances.dependent_replicas: (
        "These runs trained on another number of devices than the baseline of their seed, on which "
        "the random numbers of their layers or the parts of their batches depend, or that of one of the "
        "two is not recorded, or changed within the run. If it differs, their gains are not those of "
        "the method alone"
    ),
}


def cautions(subject: Subject) -> Iterator[Paragraph]:
    """A paragraph each for runs that differ in settings, images, processor, versions or devices.

    Also for runs whose processor nobody knows, and for rows whose seeds were not run alike.
    """
    records = subject.records
    differences = records.differences(subject.scale)
    if differences:
        yield Paragraph(
            f"Some runs were not made as this table is made now: {'; '.join(differences)}."
        )
    if records.other_images:
        yield Paragraph(
            "These runs must not be compared with the others, as their images differ from those of "
            f"the runs before them: {records.other_images}."
        )
    if teachers := records.other_teachers(subject.scale):
        yield Paragraph(
            "The teacher of these runs is not the student that is in the folder of its row now, which "
            f"was trained or exported anew since: {teachers}."
        )
    for told, sentence in _UNLIKE.items():
        if runs := records.unlike_baselines(told):
            yield Paragraph(f"{sentence}: {runs}.")
    if runs := records.without_processor():
        yield Paragraph(
            "Of these runs and of the baselines of their seeds the processor is not recorded; nothing "
            f"in their results shows that it was the same: {runs}."
        )
    for kind in circumstances.KINDS:
        if rows := records.unlike_seeds(kind.of):
            yield Paragraph(
                f"The seeds of these rows differ in {kind.told}, or in some of them it is not recorded, so "
                f"how far apart their numbers are does not come from the seed alone: {rows}."
            )
