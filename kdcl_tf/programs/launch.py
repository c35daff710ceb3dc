"""Launches a session in its workdir, in one process or in many workers.

Whatever ends it is reported in one line.  Nothing here imports TensorFlow before the flags, the
workdir and the other workers have been checked.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kdcl_tf import files
from kdcl_tf.files import streams
from kdcl_tf.programs import command_line, failures

if TYPE_CHECKING:
    from kdcl_tf.training.settings import TrainingSettings


def run(
    settings: TrainingSettings,
    path: str | os.PathLike,
    create_session: Callable[[Any, Any], Any],
    report: Callable[[Mapping[str, Any], pathlib.Path], str],
    logical_devices: int | None = None,
    data_dir: str | None = None,
    placement: str = "data",
) -> None:
    """Trains what the settings say; of a complete run it only prints the report.

    The report is printed at the end.  Bad input, a signal, a lost worker and a NaN loss end the
    process with one line and a status.

    Args:
      settings: a `TrainingSettings`, checked.
      path: of the workdir.
      create_session: a function of a `Workdir` and a `cluster.Cluster` or None, which gives an
        object whose `train()` gives the result.  It is called when TensorFlow is imported.
      report: a function of that result and the workdir's path, which gives text.
      logical_devices: parts to divide the CPU into, or None.
      data_dir: where TFDS keeps its data sets; None for its default.
      placement: "data" or "student".
    """
    with command_line.user_errors():
        cluster = _cluster(settings)
    train = _Training(settings, create_session, cluster, logical_devices)
    if cluster and cluster.index:
        _as_worker(settings, cluster, train)
    else:
        _remark_devices(settings, logical_devices, placement)
        _as_chief(settings, cluster, path, train, report, data_dir)


def _remark_devices(settings, logical_devices, placement):
    """Tells of a CPU that is divided for nothing."""
    strategy = settings.strategy
    if (logical_devices or 1) > 1 and strategy in ("one", "multi_worker") and placement == "data":
        print(
            f"--logical_devices={logical_devices} divides a CPU of which --strategy={strategy} uses one "
            "device: pass --strategy=mirrored for all",
            flush=True,
        )


def is_chief(settings: TrainingSettings) -> bool:
    """Whether this process has the run's folder: alone, or as the first of several workers.

    Raises:
      ValueError: when nothing tells which of several workers this is.
    """
    cluster = _cluster(settings)
    return cluster is None or not cluster.index


def _cluster(settings):
    """The machines that train together, or None for this process alone."""
    if settings.strategy != "multi_worker":
        return None
    from kdcl_tf.distribution import cluster

    return cluster.from_environment(os.environ)


def _as_chief(settings, cluster, path, train, report, data_dir):
    """The whole run; of several workers, the first one's part."""
    from kdcl_tf.training.workdir import Workdir, check_apart

    with command_line.user_errors():
        check_apart(pathlib.Path(path).expanduser(), settings)
        workdir = Workdir(path)
        failures.keep_tracebacks_in(workdir.path)
        workdir.check(settings)
        workdir.claim()
        # Once more, for what another process has written while this one waited.
        is_moved = workdir.check(settings)
        result = workdir.complete_result
        places = (result or {}).get("places", {})
        if result and (is_moved or settings.lie_elsewhere(places, data_dir)):
            # Only its digest tells whether it is the same data.
            result = None
        if result:
            workdir.restore_records(settings)
    # A run that was refused leaves no folder.
    with files.undone(workdir.discard_if_empty):
        if cluster:
            _meet(cluster, settings, result is not None)
        if result:
            print(_complete(workdir.path, result, settings), flush=True)
        elif not (workdir.path / "flags.txt").exists():
            _tell_moved(workdir.path, settings)
        print(report(result or train(workdir), workdir.path))


def _complete(path, result, settings):
    """The line for a run that is there already, which says so if other devices trained it."""
    then = result.get("settings", {}).get("strategy", settings.strategy)
    trained = "" if then == settings.strategy else f", trained with --strategy={then}"
    return f"{path} holds this run, complete{trained}; nothing is trained"


def _tell_moved(path, settings):
    """Names runs beside a new one that may be the same, of data that was moved since."""
    from kdcl_tf.training import ownership

    for other in ownership.moved_runs(path.parent, settings):
        print(
            f"{path} begins a new run; {other} has one with the same settings, whose data is no "
            f"longer where it was: pass --workdir={other} to continue it",
            flush=True,
        )


def _as_worker(settings, cluster, train):
    """What a worker other than the chief does: it needs no folder of the chief's."""
    from kdcl_tf.training.workdir import Workdir

    if _meet(cluster, settings, False):
        print(f"worker {cluster.index}: the run is complete; results are at worker 0")
        return
    with files.temporary_folder("kdcl_worker_") as folder:
        train(Workdir(folder))
    print(
        f"worker {cluster.index}: nothing is left to train; worker 0 has the results or writes them"
    )


def _meet(cluster, settings, complete):
    from kdcl_tf.distribution import rendezvous

    with command_line.user_errors():
        if not complete:
            return rendezvous.meet(cluster, settings.as_flags())
    # Tells those who wait; whoever does not come has nothing to do.
    with contextlib.suppress(OSError, ValueError):
        rendezvous.meet(cluster, settings.as_flags(), complete=True, patience=10.0)
    return True


class _Training:
    """A function of a workdir that trains in it and returns the result."""

    def __init__(self, settings, create_session, cluster, logical_devices):
        self._settings, self._create = settings, create_session
        self._cluster, self._logical_devices = cluster, logical_devices

    def __call__(self, workdir):
        if self._cluster:
            # TensorFlow prints pages when a worker is lost; one line of ours says it.
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        command_line.import_tensorflow(self._settings.decodes)
        from kdcl_tf.data.bad_images import BadImageError
        from kdcl_tf.distribution.workers import WorkerLost, lost_workers
        from kdcl_tf.training.interruption import Interrupted
        from kdcl_tf.training.loop import Divergence
        from kdcl_tf.training.workdir import WorkdirLost

        try:
            session = self._session(workdir, lost_workers)
            with lost_workers(self._cluster):
                return session.train()
        except Interrupted as stop:
            command_line.fail(str(stop), stop.exit_status)
        except BadImageError as end:
            command_line.fail(self._of_bad_image(end, workdir.path))
        except (Divergence, WorkerLost, WorkdirLost) as end:
            command_line.fail(str(end))
        except Exception:
            # Whatever failed in a folder that is gone failed for that.
            try:
                workdir.check_present()
            except WorkdirLost as lost:
                command_line.fail(str(lost))
            except OSError:
                pass  # The disk does not tell, which may be why.
            raise

    def _session(self, workdir, lost_workers):
        from kdcl_tf.data.bad_images import BadImageError
        from kdcl_tf.distribution import devices

        quiet = streams.quiet_reading(self._settings.dataset)
        with command_line.user_errors(), quiet, lost_workers(self._cluster):
            if self._logical_devices:
                devices.split_cpu(self._logical_devices)
            try:
                return self._create(workdir, self._cluster)
            except BadImageError as end:
                raise ValueError(self._of_bad_image(end, workdir.path)) from end

    def _of_bad_image(self, end, path):
        """The message of a bad image, whose advice a run that is begun can follow elsewhere only."""
        # A flag that would read the image is one of the run's own.
        if not any(flag in str(end) for flag in ("skip_bad_images", "max_image_")):
            return str(end)
        if self._cluster and self._cluster.index:
            return f"{end}, and another --workdir for worker 0"
        is_begun = (path / "flags.txt").exists()
        return f"{end}{f', and pass another --workdir than {path}' * is_begun}"
