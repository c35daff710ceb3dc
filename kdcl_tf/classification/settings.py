"""The settings of one run, checked before TensorFlow is even imported."""

from __future__ import annotations

import dataclasses
import math

from kdcl_tf import data, students
from kdcl_tf.classification import method_rules, per_student
from kdcl_tf.classification.method_rules import BRANCHED
from kdcl_tf.classification.ramps import Ramp
from kdcl_tf.objectives.names import ENSEMBLES
from kdcl_tf.serving.classes import MATCHES
from kdcl_tf.serving.weight_sources import NORMALIZATIONS
from kdcl_tf.training.settings import (
    FLOAT32,
    TrainingSettings,
    as_text,
    float32_has,
    milestones_at,
)

METHODS = ("kdcl", "independent", "mutual_learning", "offline_distillation", "one", "clnn")
GENERAL_ERRORS = ("vector", "target")
GENERAL_CONSTRAINTS = ("simplex", "none", "equal")
PLACEMENTS = ("data", "student")
CLASS_WEIGHTS = ("none", "balanced")
KEEPS = ("last", "best")

# The paper's T on CIFAR for KDCL and its teachers, each method's own for the rest.
_TEMPERATURES = {"kdcl": 2.0, "offline_distillation": 2.0, "one": 3.0, "clnn": 2.0}
_BRANCHES = {"one": 3, "clnn": 4}
# Keras divides the moments by what is missing in them after as many steps as the optimizer took,
# also in layers that begin to be trained later. Adamax so begins with small steps, and LAMB divides
# by the step's norm.
_TOO_LARGE_AFTER_HEADS = ("adam", "adamw", "nadam")
# ONE's authors ramp up over 80 of 300 epochs.
_RAMP_UP = {"one": 80 / 300}

# All digits are learned to 99% by anyone; a few show what a cohort gains.
_OF_DIGITS = {"ensemble": "general", "holdout_per_class": 5, "train_per_class": 10}
_OF_OTHERS = {"ensemble": "min_logit", "holdout_per_class": 0, "train_per_class": 0}


@dataclasses.dataclass(frozen=True)
class Settings(TrainingSettings):
    """Everything that decides a run's numbers.  A flag of `kdcl-train` for each field.

    Epochs count from 1 in what a person reads; `milestones` are the numbers of epochs
    after which the learning rate drops, by default at 1/2 and 3/4 of the run.  The defaults
    are a run on the embedded digits, 10 images a class of them and 5 held out for General; of
    any other data set everything is trained on, with MinLogit.
    """

    method: str = "kdcl"
    students: tuple = ("resnet8", "wrn_10_2")
    ensemble: str | None = None
    general_error: str = "vector"
    general_constraint: str = "simplex"
    temperature: float | None = None
    distillation_weight: float = 1.0
    distillation_weight_schedule: str = ""
    teacher: str = ""
    match_classes: str = "name"
    branches: int | None = None
    ramp_up_epochs: int | None = None
    invariant: bool | None = None
    dataset: str = "digits"
    tfrecord_image_key: str = ""
    tfrecord_label_key: str = ""
    image_size: int = 0
    distortion: str = "padded_crop"
    storage: str = "auto"
    skip_bad_images: bool = False
    test_share: float = 0.0
    validation_share: float = 0.0
    class_weights: str = "none"
    keep: str = "last"
    keep_by: str = ""
    apply_exif_orientation: bool = True
    max_image_megabytes: float = 256.0
    max_image_megapixels: float = 160.0
    cutout: bool = False
    cutout_size: int = 16
    holdout_per_class: int | None = None
    train_per_class: int | None = None
    epochs: int = 100
    batch_size: int = 16
    accumulation_steps: int = 1
    optimizer: str = "sgd"
    optimizer_arguments: str = ""
    learning_rate: float | str = 0.05
    schedule: str = "step"
    milestones: tuple | None = None
    warmup_epochs: int = 0
    warmup_learning_rate: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    precision: str = "float32"
    jit_compile: bool = False
    strategy: str = "one"
    synchronized_batch_norm: bool = False
    evaluate_every: int = 1
    seed: int = 0
    initial_weights: tuple = ()
    initial_normalization: tuple = ()
    train_head_epochs: int = 0
    freeze_batch_norm: bool = False

    def __post_init__(self):
        for field, value in self._defaults().items():
            if getattr(self, field) is None:
                object.__setattr__(self, field, value)
        self._unify_types("temperature")
        self._check_schedule()
        if isinstance(self.learning_rate, str):
            # One text for one meaning.
            text = ",".join(f"{name}={rate}" for name, rate in self.rates.items())
            object.__setattr__(self, "learning_rate", text)
        self._check_among(
            method=METHODS,
            ensemble=ENSEMBLES,
            general_error=GENERAL_ERRORS,
            general_constraint=GENERAL_CONSTRAINTS,
            distortion=data.DISTORTIONS,
            storage=data.STORAGES,
            match_classes=MATCHES,
            class_weights=CLASS_WEIGHTS,
            keep=KEEPS,
        )
        self._check_training()
        self._check_images()
        self._check_ranges()
        self._check_scheduled_weight()
        method_rules.check(self)
        data.validate_name(self.dataset)
        self._check_distortion()
        if not self.students:
            raise ValueError("expected --students with names, such as resnet32,wrn_16_2; got none")
        for name in self.students:
            students.validate(name)
            if self.image_size:
                students.validate_size(name, self.image_size)
        self._check_kept()
        self._check_initial_weights()
        for field in ("initial_weights", "initial_normalization"):
            # One text for one meaning.
            ordered = per_student.in_order(getattr(self, field), self.student_names)
            object.__setattr__(self, field, ordered)

    @property
    def uses_general(self) -> bool:
        """Whether weights are renewed from held-out images."""
        return self.method == "kdcl" and self.ensemble == "general"

    @property
    def decodes(self) -> bool:
        """Whether images may be decoded while the run trains."""
        files = self.dataset.startswith(("folder:", "tfrecord:")) and self.storage != "memory"
        return files or self.storage == "disk" or data.DISTORTIONS[self.distortion].windows

    @property
    def default_image_size(self) -> int:
        """Pixels a side of images that differ in size and are large."""
        return students.default_image_size(self.students)

    @property
    def is_branched(self) -> bool:
        """Whether the students are branches of one network."""
        return self.method in BRANCHED

    @property
    def copies(self) -> tuple[int, ...]:
        """Copies of the last stages of a branched network, as `students.build_branches` asks.

        ONE parts only before the last stage, CLNN in two before each of the last ones.
        """
        if self.method == "one":
            return (self.branches,)
        return tuple(2**level for level in range(1, self.branches.bit_length()))

    @property
    def student_names(self) -> tuple[str, ...]:
        """A distinct name for each student: a second `resnet20` is `resnet20_2`."""
        names = []
        for architecture in self.students * (self.branches or 1):
            name, count = students.model_name_of(architecture), 1
            # Not `mobilenet_v2_2` for a second one, where that architecture trains too.
            while name in names or (count > 1 and name in self.students):
                count += 1
                name = f"{students.model_name_of(architecture)}_{count}"
            names.append(name)
        return tuple(names)

    @property
    def sources(self) -> dict[str, str]:
        """`{student: where its weights come from}` of students that start from some."""
        return self._by_student("initial_weights")

    @property
    def source_normalizations(self) -> dict[str, str]:
        """`{student: normalisation of its images}`, for weights that do not say."""
        return self._by_student("initial_normalization")

    @property
    def rates(self) -> dict[str, float]:
        """`{student: learning rate}`."""
        return per_student.rates(self.learning_rate, self.student_names)

    @property
    def architectures(self) -> dict[str, str]:
        """`{student: architecture}`, as `--students` has them."""
        return dict(zip(self.student_names, self.students * (self.branches or 1)))

    def warmup_steps_of(self, steps_per_epoch: int) -> int:
        return self.warmup_epochs * steps_per_epoch

    def remarks(self, steps_per_epoch: int) -> list[str]:
        told = super().remarks(steps_per_epoch) + self._unfinished()
        if 0 < self.train_head_epochs < self.epochs and self.optimizer in _TOO_LARGE_AFTER_HEADS:
            told.append(
                f"--train_head_epochs={self.train_head_epochs} with --optimizer={self.optimizer}: "
                "after the heads' epochs, the first steps of the other layers are several times as "
                "large as the learning rate asks, since the bias correction counts the heads' steps: "
                "pass a lower --learning_rate, or --optimizer=sgd, which has none, to a new --workdir"
            )
        return told

    def _unfinished(self):
        """What of the distillation loss's weight is still to come when the run ends."""
        told = []
        if self.ramp_up_epochs > self.epochs and self.distillation_weight:
            share = math.exp(-5 * (1 - self.epochs / self.ramp_up_epochs) ** 2)
            told.append(
                f"--ramp_up_epochs={self.ramp_up_epochs}: the run ends after epoch {self.epochs}, "
                f"where the weight of the distillation loss has risen to {share:.2g} of its full value"
            )
        ramp = Ramp(self.distillation_weight_schedule)
        last = f"{ramp.at(self.epochs - 1):.3g}"
        if any(f"{number:.3g}" != last for epoch, number in ramp.points if epoch > self.epochs):
            told.append(
                f"--distillation_weight_schedule={ramp}: the run ends after {self.epochs} epochs, in "
                f"the last of which the factor is {last}"
            )
        return told

    def _usual(self):
        return {**super()._usual(), **self._defaults()}

    def _without_effect(self):
        found = super()._without_effect()
        if not self.cutout:
            found["cutout_size"] = "without --cutout"
        if not self.teacher:
            found["match_classes"] = "without --teacher"
        if self.method != "kdcl":
            found["ensemble"] = f"with --method={self.method}"
        if self.method == "independent":
            found |= dict.fromkeys(("temperature", "distillation_weight"), found["ensemble"])
            if self.temperature in _TEMPERATURES.values():
                # A recipe that several methods share has that of the others.
                del found["temperature"]
        return found

    def _defaults(self):
        """The values of fields that are None, by method and data set."""
        return {
            "temperature": _TEMPERATURES.get(self.method, 1.0),
            "branches": _BRANCHES.get(self.method, 0),
            "ramp_up_epochs": round(_RAMP_UP.get(self.method, 0) * self.epochs),
            "invariant": self.method not in BRANCHED,
            "milestones": milestones_at(self.epochs, (1, 2), (3, 4)),
            **(_OF_DIGITS if self.dataset == "digits" else _OF_OTHERS),
        }

    def _check_schedule(self):
        """Refuses a schedule that cannot be read; one text for one meaning."""
        if not self.distillation_weight_schedule:
            return
        if self.method == "independent":
            raise ValueError(
                "--distillation_weight_schedule is for methods with a distillation loss; got "
                "--method=independent"
            )
        try:
            ramp = Ramp(self.distillation_weight_schedule)
        except ValueError as error:
            raise ValueError(f"--distillation_weight_schedule: {error}") from None
        object.__setattr__(self, "distillation_weight_schedule", str(ramp))

    def _check_scheduled_weight(self):
        """Refuses a factor with which the weight of the distillation loss is not one of float32."""
        for _, number in Ramp(self.distillation_weight_schedule).points:
            weight = number * self.distillation_weight
            is_lost = number and self.distillation_weight and not weight
            if is_lost or not float32_has(weight):
                least, most = FLOAT32
                raise ValueError(
                    "expected --distillation_weight_schedule of numbers whose products with "
                    f"--distillation_weight={self.distillation_weight} float32 has: 0, or from "
                    f"{least:g} to {most:g}; got {number:g}"
                )

    def _check_kept(self):
        """Refuses the best epoch where nothing could choose it; names the student that does."""
        if self.keep == "last":
            if self.keep_by:
                raise ValueError(f"--keep_by={self.keep_by} is for --keep=best; got --keep=last")
            return
        # A folder may have a validation set, but where test images are taken from the others.
        has_none = self.test_share or not self.dataset.startswith("folder:")
        if has_none and not self.validation_share:
            raise ValueError(
                "--keep=best chooses an epoch on a validation set; got none: pass "
                "--validation_share=0.1"
            )
        if not self.keep_by and len(self.student_names) == 1:
            object.__setattr__(self, "keep_by", self.student_names[0])
        if self.keep_by not in self.student_names:
            got = self.keep_by or "none"
            raise ValueError(
                f"expected --keep_by of {', '.join(self.student_names)}, whose accuracy on the "
                f"validation set chooses the epoch; got {got}"
            )

    def _by_student(self, field):
        found = per_student.pairs(field, getattr(self, field), self.student_names)
        if self.is_branched:
            return per_student.branches_of(field, found, self.student_names)
        return found

    def _check_initial_weights(self):
        sources = self.sources
        self._check_at_least(0, "train_head_epochs")
        self._require(
            "train_head_epochs", self.train_head_epochs <= self.epochs, f"at most {self.epochs}"
        )
        for name in ("train_head_epochs", "freeze_batch_norm"):
            if getattr(self, name) and not sources:
                raise ValueError(
                    f"--{name}={as_text(getattr(self, name))} is for students that start from "
                    "weights: pass --initial_weights, too"
                )
        for name, mode in self.source_normalizations.items():
            if name not in sources or mode not in NORMALIZATIONS:
                raise ValueError(
                    f"expected --initial_normalization of {', '.join(NORMALIZATIONS)}, for students "
                    f"of --initial_weights; got {name}={mode}"
                )
        if self.is_branched and len(set(self.rates.values())) > 1:
            raise ValueError(
                "--learning_rate: branches share their lower layers: expected one for all; got "
                f"{self.learning_rate}"
            )

    def _check_distortion(self):
        data.check_storage(self.dataset, self.storage)
        data.check_keys(self.dataset, self.tfrecord_image_key, self.tfrecord_label_key)
        data.check_shares(self.dataset, self.test_share, self.validation_share)
        if self.cutout and self.distortion != "padded_crop":
            raise ValueError(f"--cutout goes with --distortion=padded_crop; got {self.distortion}")

    def _check_ranges(self):
        self._check_at_least(1, "cutout_size")
        self._check_at_least(
            0,
            "holdout_per_class",
            "train_per_class",
            "warmup_epochs",
            "image_size",
            "branches",
            "ramp_up_epochs",
            "distillation_weight",
        )
        self._require(
            "accumulation_steps",
            1 <= self.accumulation_steps <= self.batch_size,
            f"1 or more, at most --batch_size={self.batch_size}",
        )
        least, most = FLOAT32
        square = self.temperature * self.temperature
        holds_square = self.temperature > 0 and least <= square <= most
        self._require("temperature", holds_square, "more than 0, with a square that float32 holds")
        if self.warmup_epochs >= self.epochs and self.warmup_epochs:
            raise ValueError(
                f"expected --warmup_epochs below --epochs={self.epochs}; got {self.warmup_epochs}"
            )
