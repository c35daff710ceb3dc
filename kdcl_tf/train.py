"""Trains a cohort of students and exports each.

    kdcl-train                                              # the embedded quickstart
    kdcl-train --flagfile=flags/cifar100/general_icl.flags  # the paper's best CIFAR row

Run again with the same flags, it continues where it was stopped.
"""

import contextlib
import os
import tempfile

from kdcl_tf import command_line
from kdcl_tf.training import recipe, settings as settings_lib
from kdcl_tf.training.run_flags import default_workdir, define_flags, settings_from_flags


def main(flag_values):
    """Sets up, trains and reports; see the module's docstring."""
    with command_line.user_errors():
        settings = settings_from_flags(flag_values)
        cluster = _cluster(settings)
    path = flag_values["workdir"].value or default_workdir(settings)
    if cluster and cluster.index:
        _main_of_worker(settings, cluster, flag_values)
    else:
        _main_of_chief(settings, cluster, path, flag_values)


def _cluster(settings):
    """Who else trains, or None."""
    if settings.strategy != "multi_worker":
        return None
    from kdcl_tf.training import cluster

    return cluster.from_environment(os.environ)


def _main_of_chief(settings, cluster, path, flag_values):
    """The whole run; of several workers, the first one's part."""
    from kdcl_tf.training.workdir import Workdir

    with command_line.user_errors():
        workdir = Workdir(path)
        workdir.check_flags(settings.as_flags(), recipe.PLACES, settings_lib.DEFAULTS)
        workdir.claim()
    result = workdir.result
    if cluster:
        _meet(cluster, settings, result is not None)
    print(report(result or _train(settings, workdir, cluster, flag_values), workdir.path))


def _main_of_worker(settings, cluster, flag_values):
    """The part of a worker that is not the chief: it needs no folder of the chief's."""
    from kdcl_tf.training.workdir import Workdir

    complete = _meet(cluster, settings, False)
    if not complete:
        with tempfile.TemporaryDirectory(prefix="kdcl_worker_") as folder:
            _train(settings, Workdir(folder), cluster, flag_values)
    print(f"worker {cluster.index}: the run is complete; results are at worker 0")


def _meet(cluster, settings, complete):
    from kdcl_tf.training import rendezvous

    with command_line.user_errors():
        if not complete:
            return rendezvous.meet(cluster, settings.as_flags())
    # Whoever waits is told; whoever does not come has nothing to do.
    with contextlib.suppress(OSError, ValueError):
        rendezvous.meet(cluster, settings.as_flags(), complete=True, patience=10.0)
    return True


def _train(settings, workdir, cluster, flag_values):
    """What `Session.train` gives, with all that may end it told in one line."""
    if cluster:
        # It writes pages when a worker is lost; one line of ours says it.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    command_line.import_tensorflow(settings.distortion == "resized_crop")
    from kdcl_tf.data.bad_images import BadImageError
    from kdcl_tf.training import devices
    from kdcl_tf.training.interruption import Interrupted
    from kdcl_tf.training.loop import Divergence
    from kdcl_tf.training.session import Session
    from kdcl_tf.training.workers import WorkerLost, lost_workers

    try:
        with command_line.user_errors(), command_line.quiet_reading(settings.dataset):
            if flag_values["logical_devices"].value:
                devices.split_cpu(flag_values["logical_devices"].value)
            with lost_workers(cluster):
                session = Session(
                    settings,
                    workdir,
                    flag_values["data_dir"].value,
                    flag_values["checkpoint_seconds"].value,
                    flag_values["placement"].value,
                    cluster,
                    flag_values["tpu"].value,
                )
        with lost_workers(cluster):
            return session.train()
    except Interrupted as stop:
        command_line.fail(str(stop), stop.exit_status)
    except (Divergence, WorkerLost, BadImageError) as end:
        command_line.fail(str(end))


def report(result, path):
    """The end of a run for a person: a line a student, and where everything is."""
    lines = [
        f"{name}: test accuracy {student['accuracy']:.2%}, top-5 "
        f"{student['top_5_accuracy']:.2%}, {student['parameters']:,} parameters, "
        f"{path / student['saved_model']}"
        for name, student in result["students"].items()
    ]
    lines.append(f"ensemble: test accuracy {result['ensemble_accuracy']:.2%}")
    bad = result.get("data", {}).get("bad_images")
    if bad:
        lines.append(f"{bad} images could not be decoded: {path / 'bad_images.txt'}")
    lines.append(f"plot: {path / 'accuracy.png'}; numbers: {path / 'result.json'}")
    return "\n".join(lines)


def cli():
    """Entry point of `kdcl-train`."""
    command_line.run(define_flags, main)


if __name__ == "__main__":
    cli()
