"""The settings of one run, checked before TensorFlow is even imported."""

from __future__ import annotations

import dataclasses

from kdcl_tf import data, students
from kdcl_tf.classification.settings import defaults, method_rules, per_student, remarks, rules
from kdcl_tf.objectives.names import ENSEMBLES
from kdcl_tf.serving.classes import MATCHES
from kdcl_tf.training.settings import FLOAT32, TrainingSettings

METHODS = ("kdcl", "independent", "mutual_learning", "offline_distillation", "one", "clnn")
GENERAL_ERRORS = ("vector", "target")
GENERAL_CONSTRAINTS = ("simplex", "none", "equal")
PLACEMENTS = ("data", "student")
CLASS_WEIGHTS = ("none", "balanced")
KEEPS = ("last", "best")


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
        for field, value in defaults.of(self).items():
            if getattr(self, field) is None:
                object.__setattr__(self, field, value)
        self._unify_types("temperature")
        object.__setattr__(self, "distillation_weight_schedule", rules.schedule(self))
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
        method_rules.check(self)
        data.validate_name(self.dataset)
        if not self.students:
            raise ValueError("expected --students with names, such as resnet32,wrn_16_2; got none")
        for name in self.students:
            students.validate(name)
            if self.image_size:
                students.validate_size(name, self.image_size)
        object.__setattr__(self, "keep_by", rules.student_that_chooses(self))
        rules.check(self)
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
        return self.method in method_rules.BRANCHED

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
        return per_student.names_of(self.students, self.branches or 1)

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
        return [*super().remarks(steps_per_epoch), *remarks.of(self)]

    def _usual(self):
        return {**super()._usual(), **defaults.of(self)}

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
            if self.temperature in defaults.TEMPERATURES.values():
                # A recipe that several methods share has that of the others.
                del found["temperature"]
        return found

    def _by_student(self, field):
        found = per_student.pairs(field, getattr(self, field), self.student_names)
        if self.is_branched:
            return per_student.branches_of(field, found, self.student_names)
        return found

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
            "train_head_epochs",
            "distillation_weight",
        )
        heads = self.train_head_epochs
        self._require("train_head_epochs", heads <= self.epochs, f"at most {self.epochs}")
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
