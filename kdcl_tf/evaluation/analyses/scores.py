"""The scores of students on a split, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.data.encoded import EncodedSplit
from kdcl_tf.evaluation import loaded
from kdcl_tf.evaluation.analyses.analysis import Analysis


def analyse(
    students: Sequence[loaded.LoadedStudent], split: ImageSplit | EncodedSplit, batch_size: int
) -> Analysis:
    """Top-1, top-5, negative log-likelihood and calibration error of each student.

    Balanced accuracy is told where classes differ in size, and top-5 of more than five classes.
    """
    results = {each.name: loaded.score(each.predict, split, batch_size) for each in students}
    width = max(len("student"), *map(len, results))
    columns = {"top_1": "   top-1", "balanced_accuracy": "  balanced", "top_5": "   top-5"}
    if max(len(each.card["class_names"]) for each in students) <= 5:
        del columns["top_5"]
    there = [key for key in columns if any(key in each for each in results.values())]
    heads = "".join(columns[key] for key in there)
    lines = [f"{'student':{width}}{heads}     NLL     ECE  images"]
    for name, each in results.items():
        shares = "".join(f"{each[key]:{len(columns[key])}.2%}" for key in there)
        numbers = f"  {each['nll']:6.4f}  {each['ece']:6.4f}  {each['examples']:6d}"
        lines.append(f"{name:{width}}{shares}{numbers}")
    return Analysis(results, "\n".join(lines))
