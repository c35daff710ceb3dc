"""What a report says before its numbers, where some of its runs do not compare."""

from __future__ import annotations

from collections.abc import Iterator

from kdcl_tf.reproduction.reporting.blocks import Paragraph
from kdcl_tf.reproduction.reporting.subject import Subject


def cautions(subject: Subject) -> Iterator[Paragraph]:
    """A paragraph each for runs of other settings, on other images and on other processors."""
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
    if records.other_processors:
        yield Paragraph(
            "Of these runs the processor is another than that of the baseline of their seed, or that "
            "of one of the two is not recorded. Another processor rounds otherwise, so that a run "
            f"parts from its baseline as one of another seed does: {records.other_processors}."
        )
