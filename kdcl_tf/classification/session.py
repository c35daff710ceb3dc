"""One run from settings to exported students: what `kdcl-train` does after its flags."""

import dataclasses

from kdcl_tf import data, students
from kdcl_tf.classification import curves, factory
from kdcl_tf.classification.settings import DEFAULTS
from kdcl_tf.classification.task import Classification
from kdcl_tf.data import bad_images
from kdcl_tf.distribution import devices, strategies, traffic
from kdcl_tf.distribution.workers import Workers
from kdcl_tf.serving import saved_model as serving
from kdcl_tf.training.checkpoint import Checkpoints, all_variables
from kdcl_tf.training.loop import Loop
from kdcl_tf.training.settings import PLACES
from kdcl_tf.training.versions import versions
from kdcl_tf.training.workdir import write_atomically


class Session:
    """A run, set up and checked; `train` then does the long work.

    Args:
      settings: `Settings`.
      workdir: `Workdir`.
      data_dir: where TFDS keeps its data, or None.
      checkpoint_seconds: the most time between checkpoints inside an epoch.
      placement: "data", or "student" for each student on a device of its own.  It decides no
        number, and a run can go on with the other.
      cluster: `cluster.Cluster`, for `multi_worker`.  A worker that is not the chief leaves
        nothing in its workdir.
      tpu: name of the TPU, for `tpu`.

    Raises:
      ValueError, OSError: for data, flags, a workdir or a checkpoint that do not fit, in
        one line.
    """

    def __init__(
        self,
        settings,
        workdir,
        data_dir=None,
        checkpoint_seconds=600.0,
        placement="data",
        cluster=None,
        tpu="local",
    ):
        workdir.check_flags(settings.as_flags(), PLACES, DEFAULTS)
        self.settings, self.workdir = settings, workdir
        # First, as no TensorFlow op may come before workers know each other.
        strategy = strategies.create(settings.strategy, cluster, tpu)
        self.workers = Workers(strategy)
        placed = devices.of_students(settings, placement)
        self.dataset = load_dataset(settings, data_dir)
        self.views = create_views(settings, self.dataset)
        steps = self.views.steps_per_epoch(settings.batch_size)
        self.workers.check_same("data", self.dataset.summary())
        strategies.check_batches(
            strategy, len(self.dataset.train), settings.batch_size, settings.accumulation_steps
        )
        strategies.check_split(strategy, "test", len(self.dataset.test))
        strategies.check_split(strategy, "held-out", len(self.dataset.held_out))
        with strategy.scope():
            self.cohort = factory.create_compiled(settings, self.dataset, steps, placed)
        self._devices = max(strategy.num_replicas_in_sync, len(set(placed.values())))
        checkpoints = Checkpoints(
            workdir.path / "checkpoints",
            all_variables(self.cohort),
            keep=2 if self.workers.is_chief else 0,
            strategy=strategy,
        )
        task = Classification(self.cohort, self.views, settings, strategy)
        self.loop = Loop(task, settings, strategy, workdir, checkpoints, checkpoint_seconds)

    def train(self):
        """Trains, exports and draws; returns what `result.json` holds.

        Of several workers only the chief does more than train; the others return None.

        A run that is complete is not run again.

        Raises:
          Interrupted, Divergence: as `Loop.run`.
          BadImageError: at an image that cannot be decoded.
        """
        if self.workdir.result:
            return self.workdir.result
        if not self.workers.is_chief:
            with bad_images.told_in_one_line():
                return self.loop.run()
        self.workdir.record_flags(self.settings.as_flags())
        if self._devices > 1:
            workload = devices.workload(self.settings, self.cohort, self.dataset)
            print(traffic.describe(workload, self._devices), flush=True)
        if self.dataset.distortion == "resized_crop":
            self._record_images()
        with bad_images.told_in_one_line():
            self.loop.run()
        last = self.workdir.log[-1]
        models = self._export(last)
        method = self.settings.method
        if method == "kdcl":
            method = f"{method} {self.settings.ensemble}"
        title = f"{method} on {self.dataset.name}"
        curves.plot_accuracy(
            self.workdir.log, self.cohort.students, self.workdir.path / "accuracy.png", title
        )
        result = self._result(last, models)
        self.workdir.write_result(result)
        return result

    def _record_images(self):
        """Lists the images held out, and from now on those that cannot be decoded."""
        if len(self.dataset.held_out):
            listing = self.dataset.held_out.listing()
            write_atomically(self.workdir.path / "held_out.txt", listing)
        self.dataset.bad_images.keep_list(self.workdir.path / "bad_images.txt")

    def _export(self, last):
        return {
            name: str(
                serving.export_student(
                    student,
                    self.workdir.path / "students" / name,
                    dataset=self.dataset,
                    card={
                        "architecture": self.settings.architectures[name],
                        "dataset": self.dataset.name,
                        "test_accuracy": last[f"test_{name}_accuracy"],
                    },
                ).relative_to(self.workdir.path)
            )
            for name, student in self.cohort.students.items()
        }

    def _result(self, last, models):
        """The last epoch's numbers: never the best, which would be chosen on the test set."""
        kinds = ("accuracy", "top_5_accuracy", "cross_entropy")
        members = {
            name: {
                **{kind: last[f"test_{name}_{kind}"] for kind in kinds},
                "train_accuracy": last[f"{name}_accuracy"],
                "parameters": students.parameter_count(student),
                "saved_model": models[name],
            }
            for name, student in self.cohort.students.items()
        }
        log = self.workdir.log
        return {
            "students": members,
            # Of all students together, what they share once.
            "parameters": students.parameter_count(self.cohort),
            "ensemble_accuracy": last["test_ensemble_accuracy"],
            "general_weights": {
                name: last[f"general_weight_{name}"]
                for name in members
                if f"general_weight_{name}" in last
            },
            "epochs": last["epoch"],
            "steps": last["step"],
            "seconds": round(sum(each["seconds"] for each in log), 1),
            "images_per_second": last["images_per_second"],
            "settings": dataclasses.asdict(self.settings),
            "data": self.dataset.summary(),
            "versions": versions(),
        }


def load_dataset(settings, data_dir):
    """The settings' data set, with its held-out images."""
    return data.load(
        settings.dataset,
        data_dir=data_dir,
        holdout_per_class=settings.holdout_per_class,
        train_per_class=settings.train_per_class,
        image_size=settings.image_size,
        distortion=settings.distortion,
        skip_bad_images=settings.skip_bad_images,
    )


def create_views(settings, dataset):
    """The students' views of the data set, under the settings' distortion."""
    common = (dataset, settings.student_names, settings.seed, settings.invariant)
    if settings.distortion == "resized_crop":
        return data.EncodedViews(*common)
    return data.Views(*common, cutout=settings.cutout_size if settings.cutout else 0)

