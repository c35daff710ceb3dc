"""What a report says before its numbers, where some of its runs do not compare."""

from __future__ import annotations

from collections.abc import Iterator

from kdcl_tf.reproduction.reporting.blocks import Paragraph
from kdcl_tf.reproduction.reporting.subject import Subject


def cautions(subject: Subject) -> Iterator[Paragraph]:
    """A paragraph for runs of other settings, and one for runs on other images."""
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
