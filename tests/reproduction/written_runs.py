"""Folders of runs with chosen numbers, as kdcl-train writes them, and a real run that is short."""

from kdcl_tf.training.workdir import Workdir

EPOCHS = (2, 4)
_TESTED = ("accuracy", "cross_entropy", "top_5_accuracy")
# The flags of a real run that takes seconds.
SHORT_RUN = (
    "--students=resnet8,resnet8",
    "--ensemble=min_logit",
    "--train_per_class=2",
    "--holdout_per_class=0",
    "--epochs=1",
    "--milestones=",
)


def write_run(
    folder, row, seed, accuracies, general=False, complete=True, losses=(2.0, 1.0), **more
):
    """Writes `log.jsonl` and, of a complete run, `result.json`.

    Args:
      folder: of the table's runs.
      row: its name.
      seed: of the run.
      accuracies: `{student: accuracy in 0..1 of the last epoch}`.
      general: whether there are weights of General, 1/4 for the first student.
      complete: whether it came to its end.
      losses: test cross-entropy of every student in the two evaluated epochs.
      more: further entries of `result.json`.
    """
    workdir = Workdir(folder / row / f"seed{seed}")
    result = {**_result(accuracies, losses[-1]), **more}
    log = [_line(epoch, accuracies, general, losses) for epoch in range(1, EPOCHS[-1] + 1)]
    for name, student in result["students"].items():
        log[-1] |= {f"test_{name}_{kind}": student[kind] for kind in _TESTED if kind in student}
    workdir.write_log(log)
    if complete:
        workdir.write_result(result)
    return workdir


def _line(epoch, accuracies, general, losses):
    line = {"epoch": epoch, "step": 3 * epoch, "seconds": 1.0}
    # The first epoch is slow, as on a machine that has other work.
    line["images_per_second"] = 4.0 if epoch == 1 else 400.0
    for name, accuracy in accuracies.items():
        line[f"{name}_accuracy"] = accuracy
        line[f"{name}_top_5_accuracy"] = 1.0
    for position, name in enumerate(accuracies):
        if general:
            line[f"general_weight_{name}"] = (0.25, 0.75)[position]
    if epoch in EPOCHS:
        for name, accuracy in accuracies.items():
            line[f"test_{name}_accuracy"] = accuracy * epoch / EPOCHS[-1]
            line[f"test_{name}_top_5_accuracy"] = 1.0
            line[f"test_{name}_cross_entropy"] = losses[EPOCHS.index(epoch)]
    return line


def _result(accuracies, loss):
    return {
        "students": {
            name: {
                "accuracy": accuracy,
                "train_accuracy": accuracy + 0.1,
                "cross_entropy": loss,
                "top_5_accuracy": 1.0,
            }
            for name, accuracy in accuracies.items()
        },
        "parameters": 500_000,
        "seconds": 90.0,
        "images_per_second": 400.0,
        "epochs": EPOCHS[-1],
        "data": {"name": "cifar100", "num_train": 4500, "num_held_out": 500, "num_test": 10000},
        "versions": {"kdcl_tf": "0.1.0", "tensorflow": "2.21.0"},
        "machine": {"processor": "one", "cores": 2, "accelerators": []},
    }
