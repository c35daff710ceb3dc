"""A cohort of classifiers as a task of the engine: what `kdcl-train` trains."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from kdcl_tf import data, files, students
from kdcl_tf.classification import (
    balance,
    curves,
    factory,
    inputs,
    plan,
    report,
)
from kdcl_tf.classification.evaluation import Evaluation
from kdcl_tf.classification.initial import sources, weights
from kdcl_tf.classification.settings import Ramp, Settings
from kdcl_tf.cohort.hyperparameters import number
from kdcl_tf.data import stream
from kdcl_tf.data.dataset import ImageSplit
from kdcl_tf.distribution import devices, traffic
from kdcl_tf.distribution.replicas import Replicas
from kdcl_tf.distribution.workers import Workers
from kdcl_tf.files import identity
from kdcl_tf.serving import answering, exported, saved_model
from kdcl_tf.serving.cards import Card
from kdcl_tf.students.weights import imagenet
from kdcl_tf.training.checkpoint import all_variables
from kdcl_tf.training.keeping import Kept
from kdcl_tf.training.task import Task
from kdcl_tf.training.workdir import Workdir

# Neither the head alone nor batch norm frozen.
_ALL = (False, False)


class Classification(Task):
    """A cohort and the distorted views of its images.

    Args:
      settings: `Settings`.
      data_dir: where TFDS keeps its data, or None.
      placement: "data", or "student" for each student on a device of its own.  It decides no
        number, and a run can go on with the other.
    """

    def __init__(self, settings: Settings, data_dir: str | None = None, placement: str = "data"):
        super().__init__(settings, data_dir)
        self._placement = placement
        self.accumulation_steps = settings.accumulation_steps
        self._phase = _ALL
        # Of each student; None before the data is loaded.
        self.normalizations = None
        self._initial_weights, self._lines = None, []

    def load(self) -> None:
        settings = self.settings
        self._devices = devices.of_students(settings, self._placement)
        self._initial_weights = weights.InitialWeights(settings, self.begun)
        self.dataset = inputs.load_dataset(settings, self.data_dir)
        inputs.check_evaluated(settings, self.dataset)
        if settings.keep == "best" and self.dataset.validation is None:
            raise ValueError(
                f"--keep=best chooses an epoch on a validation set; got none in {settings.dataset}: "
                "pass --validation_share=0.1, or put val/ beside test/"
            )
        self.normalizations = self._initial_weights.normalizations(self.dataset)
        self.views = inputs.create_views(settings, self.dataset, self.normalizations)

    def build(self, strategy: tf.distribute.Strategy) -> None:
        steps = self.steps_per_epoch(self.settings.batch_size)
        self.model = factory.create_compiled(
            self.settings, self.dataset, steps, self._devices, self.normalizations
        )
        students, dataset = self.model.students, self.dataset
        self._lines = self._initial_weights.assign(students, dataset)
        if self.settings.teacher:
            own = next(iter(self.normalizations.values()))
            self._lines = [*plan.of_teacher(self._teacher, own), *self._lines]
        self.strategy = strategy
        if self.settings.keep == "best":
            members = self.model.students.values()
            variables = [each for student in members for each in student.variables]
            self.kept = Kept(variables, f"validation_{self.settings.keep_by}_accuracy")

    @property
    def normalized(self) -> list[Any]:
        """All students, but for those whose batch norm is frozen."""
        frozen = self.settings.sources if self.settings.freeze_batch_norm else ()
        return [each for name, each in self.model.students.items() if name not in frozen]

    @property
    def trained(self) -> list[Any]:
        """Without a teacher, which predicts only."""
        return self.model.networks()

    def epoch(self, epoch: int, batch_size: int, skip: int, share) -> tf.data.Dataset:
        """(images, labels), and each image's weight where classes are weighted."""
        batches = super().epoch(epoch, batch_size, skip, share)
        if self.settings.class_weights == "none":
            return batches
        table = self._class_weights
        return batches.map(
            tf.autograph.experimental.do_not_convert(
                lambda images, labels: (images, labels, tf.gather(table, labels))
            )
        )

    @functools.cached_property
    def _class_weights(self):
        """`[C]` float32, on the processor that makes batches."""
        train, classes = self.dataset.train, self.dataset.num_classes
        return stream.on_host(balance.class_weights(train, classes, self.leaves_out_images))

    @property
    def least_images(self) -> int:
        """As every task's, but on any device 1 where images are decoded on the way."""
        in_memory = isinstance(self.dataset.train, ImageSplit)
        return max(super().least_images, 0 if in_memory else 1)

    def evaluated(self) -> dict[str, int]:
        found = {"test": len(self.dataset.test), "held-out": len(self.dataset.held_out)}
        if self.dataset.validation is not None:
            found["validation"] = len(self.dataset.validation)
        return found

    def digest(self) -> dict[str, Any]:
        found = super().digest()
        if self.settings.teacher:
            source = self._teacher
            path = source.path or imagenet.file_of(source.architecture)
            found["teacher"] = exported.digest(path, self.recorded.get("teacher", ""))
            # Of a folder, the card is among its files. Runs of earlier versions have none of it.
            if source.kind != "saved_model":
                pixels = source.normalization and source.normalization.as_card()
                found["teacher_card"] = identity.digest_of([pixels, source.class_names])
        if self.sources():
            found[weights.KEY] = self.sources()
        return found

    @functools.cached_property
    def _teacher(self):
        """Where the weights of `--teacher` are."""
        return sources.find_teacher(self.settings)

    def sources(self) -> dict[str, str]:
        return self._initial_weights.digests() if self._initial_weights else {}

    def card(self) -> dict[str, Any]:
        """Of each student its card, and where its variables are in a checkpoint."""
        positions = {id(each): index for index, each in enumerate(all_variables(self.model))}
        variables = {name: each.variables for name, each in self.model.students.items()}
        return {
            **({"kept": self.kept.card(len(positions), variables)} if self.kept else {}),
            "students": {
                name: {
                    "card": self._card_of(name).facts,
                    "variables": [positions[id(each)] for each in student.variables],
                }
                for name, student in self.model.students.items()
            },
        }

    @property
    def leaves_out_images(self) -> bool:
        return self.settings.skip_bad_images

    def left(self, batch) -> tf.Tensor:
        parts = self.strategy.experimental_local_results(batch[1])
        return tf.reduce_min(tf.stack([tf.shape(labels)[0] for labels in parts]))

    def diverged(self, means: Sequence[float]) -> str:
        """Names the students whose losses are not finite."""
        pairs = list(zip(self.model.students, means[::2], means[1::2]))
        # A soft target that is NaN spoils everyone; the cross-entropy tells whose it was.
        names = [name for name, entropy, _ in pairs if not math.isfinite(entropy)]
        names = names or [name for name, _, other in pairs if not math.isfinite(other)]
        return f"the loss of student {', '.join(names) or '(regularisation)'}"

    def owner(self, variable) -> str:
        """The students that have the variable."""
        return "".join(
            f" of student {name}"
            for name, student in self.model.students.items()
            if any(variable is each for each in student.variables)
        )

    def begin_epoch(self, epoch: int) -> list | None:
        """Sets the weight of the distillation loss; trains new heads alone at first."""
        settings = self.settings
        if settings.distillation_weight_schedule:
            factor = Ramp(settings.distillation_weight_schedule).at(epoch)
            self.model.distillation_weight = settings.distillation_weight * factor
        phase = (epoch < settings.train_head_epochs, settings.freeze_batch_norm)
        return self._train_in(phase) if phase != self._phase else None

    def end_epoch(self, replicas: Replicas) -> dict[str, float]:
        """The weight of the distillation loss, if it changes, and General's weights.

        Raises:
          BadImageError: when none of the held-out images can be decoded.
        """
        scheduled = {}
        if self.settings.distillation_weight_schedule:
            scheduled["distillation_weight"] = number(self.model.distillation_weight)
        if not self.settings.uses_general:
            return scheduled
        return {**scheduled, **self._evaluation.renew_ensemble(replicas)}

    def evaluate(self, replicas: Replicas) -> dict[str, float]:
        """Counts every test and validation image once, those of the last partial batch included."""
        return self._evaluation.metrics(replicas)

    @functools.cached_property
    def _evaluation(self):
        return Evaluation(self.model, self.dataset, self.strategy, self.normalizations)

    def exchange(self, workers: Workers) -> None:
        if self.leaves_out_images:
            self.dataset.bad_images.share(workers.from_all)

    def problems(self) -> dict[str, int]:
        """How many images could not be decoded, where they are passed over."""
        return self.dataset.problems()

    def left_out(self) -> dict[str, int]:
        before = self.left_out_before
        return self.dataset.left_out() if before is None else before

    def summary(self, record: Mapping[str, Any]) -> str:
        """Each student's accuracy."""
        told = []
        for split in ("test", "validation"):
            accuracies = [
                f"{name} {record[f'{split}_{name}_accuracy']:.1%}"
                for name in self.model.students
                if f"{split}_{name}_accuracy" in record
            ]
            told += [f"{split} accuracy {', '.join(accuracies)}"] if accuracies else []
        return "; ".join(told)

    def plan(self) -> list[str]:
        lines = [*super().plan(), *plan.of_students(self.model.students)]
        if self.settings.method == "kdcl" and len(self.model.students) == 1:
            lines.append(
                "one student alone: its soft target is its own prediction, and adds nothing"
            )
        return lines

    def announce(self, workdir: Workdir) -> None:
        """Tells what travels between devices; lists held-out images and, from now on, bad ones."""
        replicas = self.strategy.num_replicas_in_sync
        used = max(replicas, len(set(self._devices.values())))
        if used > 1:
            workload = devices.workload(self.settings, self.model, self.dataset)
            print(traffic.describe(workload, used), flush=True)
        for line in (*self.dataset.notes, *self._lines):
            print(line, flush=True)
        if heads := self.settings.train_head_epochs:
            names = ", ".join(self.settings.sources)
            print(f"up to epoch {heads}, only the heads of {names} are trained", flush=True)
        for name, split in self._listed().items():
            listing = split.listing()
            if listing:
                files.write_text(workdir.path / f"{name}.txt", listing)
        self.dataset.keep_bad_images(workdir.path / "bad_images.txt")

    def _listed(self):
        """The splits whose images the run has chosen itself, by the names of their lists."""
        settings, listed = self.settings, {"held_out": self.dataset.held_out}
        if settings.test_share:
            listed["test_images"] = self.dataset.test
        if settings.validation_share:
            listed["validation_images"] = self.dataset.validation
        return listed

    def check_images(self, share: data.Share) -> None:
        """Decodes the images that stay encoded and are evaluated, or held out for General."""
        if not self.settings.skip_bad_images:
            self._evaluation.check_images(share, self.settings.uses_general)

    def finish(self, workdir: Workdir, last: Mapping[str, Any]) -> dict[str, Any]:
        """Exports every student; gives each student's numbers, and the ensemble's."""
        # What is not trained counts as parameters, too.
        self._train_in(_ALL)
        members = {
            name: self._finish_student(name, student, workdir, last)
            for name, student in self.model.students.items()
        }
        return {
            "students": members,
            "exports": [student["saved_model"] for student in members.values()],
            "kept": self._kept_told,
            "ensemble_accuracy": last["test_ensemble_accuracy"],
            "general_weights": {
                name: last[f"general_weight_{name}"]
                for name in members
                if f"general_weight_{name}" in last
            },
        }

    def draw(self, workdir: Workdir) -> None:
        method = self.settings.method
        if method == "kdcl":
            method = f"{method} {self.settings.ensemble}"
        title = f"{method} on {self.dataset.name}"
        path = workdir.path / "accuracy.png"
        curves.plot_accuracy(workdir.log, self.model.students, path, title)

    def _train_in(self, phase):
        """Trains the head alone, or without batch norm; returns the variables that do not move."""
        self._phase = phase
        head_alone, frozen_batch_norm = phase
        return [
            variable
            for name in self.settings.sources
            for variable in weights.set_trainable(
                self.model.students[name], head_alone, not frozen_batch_norm
            )
        ]

    def _finish_student(self, name, student, workdir, last):
        kinds = ["accuracy", "balanced_accuracy", "top_5_accuracy", "cross_entropy"]
        if self.dataset.num_classes <= 5:
            kinds.remove("top_5_accuracy")
        accuracy = last[f"test_{name}_accuracy"]
        exported = {"epoch": last["epoch"], "kept": self._kept_told}
        card = self._card_of(name, test_accuracy=accuracy, **exported, identity=self.identity.facts)
        workdir.check_present()
        path = workdir.path / "students" / name
        # The folder is the run's own: an export there that has lost its card is mended, too.
        saved_model.export_function(
            answering.of_student(student, card.normalization),
            path,
            card=saved_model.with_cost(card, student),
        )
        return {
            **{kind: last[key] for kind in kinds if (key := f"test_{name}_{kind}") in last},
            "train_accuracy": last[f"{name}_accuracy"],
            "parameters": students.parameter_count(student),
            "saved_model": str(path.relative_to(workdir.path)),
        }

    @property
    def _kept_told(self):
        """Which epoch is exported, in words."""
        if not self.kept:
            return report.LAST_EPOCH
        images = len(self.dataset.validation) - self.left_out().get("validation", 0)
        return report.best_epoch(self.settings.keep_by, images)

    def _card_of(self, name, **more):
        architecture = self.settings.architectures[name]
        normalization = (self.normalizations or {}).get(name)
        if left_out := self.left_out():
            more["left_out"] = left_out
        return Card.of(self.model.students[name], self.dataset, architecture, normalization, **more)
