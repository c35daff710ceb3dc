"""The settings of a detector's run, checked before TensorFlow is even imported."""

from __future__ import annotations

import dataclasses

from kdcl_tf import students
from kdcl_tf.data.normalization import MODES
from kdcl_tf.detection import initial_weights
from kdcl_tf.detection.coco.layouts import NamedFiles
from kdcl_tf.detection.model import backbone_source
from kdcl_tf.training.settings import TrainingSettings, milestones_at

DETECTORS = ("faster", "mask")
SPLITS = ("test", "train")
# An accelerator of fixed shapes, and a loss scale, are for classifiers.
PRECISIONS = ("float32", "bfloat16")
STRATEGIES = ("one", "mirrored", "multi_worker")
# Of fewer regions, a quarter is none: a detector would never see an object in them.
_FEWEST_REGIONS = 4


@dataclasses.dataclass(frozen=True)
class DetectionSettings(TrainingSettings):
    """Everything that decides a run's numbers.  A flag of `kdcl-detect` for each field.

    The defaults are the paper's, section 4.3: 14 epochs, 32 images a step, a rate of 0.04
    that drops after 9 and 12 (9/14 and 12/14 of another number of epochs), every layer trained,
    batch normalisation synchronised.
    """

    detector: str = "faster"
    backbone: str = "resnet18"
    architecture: str = ""
    feature_layers: tuple = ()
    backbone_normalization: str = ""
    dataset: str = "coco/2017"
    train_images: str = ""
    train_annotations: str = ""
    validation_images: str = ""
    validation_annotations: str = ""
    first_images: int = 0
    evaluate_on: str = "test"
    apply_exif_orientation: bool = True
    max_image_megabytes: float = 256.0
    max_image_megapixels: float = 160.0
    short_side: int = 800
    long_side: int = 1333
    flip: bool = True
    regions_per_image: int = 512
    epochs: int = 14
    batch_size: int = 32
    accumulation_steps: int = 1
    clip_norm: float = 0.0
    optimizer: str = "sgd"
    optimizer_arguments: str = ""
    learning_rate: float = 0.04
    schedule: str = "step"
    milestones: tuple | None = None
    warmup_steps: int = 0
    warmup_learning_rate: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 1e-4
    precision: str = "float32"
    strategy: str = "one"
    synchronized_batch_norm: bool = True
    evaluate_every: int = 1
    seed: int = 0
    initial_weights: str = ""

    def __post_init__(self):
        if self.milestones is None:
            drops = milestones_at(self.epochs, (9, 14), (12, 14))
            object.__setattr__(self, "milestones", drops)
        self._unify_types()
        self._check_among(detector=DETECTORS, evaluate_on=SPLITS, precision=PRECISIONS)
        if self.backbone_normalization:
            self._check_among(backbone_normalization=tuple(MODES))
        self._check_training()
        self._check_images()
        self._check_at_least(0, "first_images", "warmup_steps", "clip_norm")
        self._check_at_least(1, "short_side")
        few = f"{_FEWEST_REGIONS} or more, of which a quarter may be of objects"
        self._require("regions_per_image", self.regions_per_image >= _FEWEST_REGIONS, few)
        self._require("long_side", self.long_side >= self.short_side, f"at least {self.short_side}")
        self._require(
            "accumulation_steps",
            1 <= self.accumulation_steps <= self.batch_size,
            f"from 1 to batch_size, {self.batch_size}",
        )
        if self.strategy not in STRATEGIES:
            raise ValueError(
                "--strategy: expected one, mirrored or multi_worker; got tpu, which needs fixed "
                "shapes, while images differ in their number of boxes"
            )
        self._check_data()

    def check_sources(self) -> None:
        """Refuses a backbone and initial weights that are not there or do not fit.

        A run that is complete needs neither.

        Raises:
          ValueError: in one line.
        """
        source = self.find_backbone()
        if source.architecture and not self.feature_layers:
            _check_levels(source.architecture)
        if self.initial_weights:
            if self.backbone_normalization:
                raise ValueError(
                    f"backbone_normalization={self.backbone_normalization} has no effect with "
                    "initial_weights, a detector that says how its images are normalised: leave it out"
                )
            initial_weights.find(self.initial_weights, self.detector, source.architecture)

    def find_backbone(self) -> backbone_source.BackboneSource:
        """Where the backbone comes from.

        Raises:
          ValueError: as `backbone_source.find`.
        """
        return backbone_source.find(self.backbone, self.architecture, self.backbone_normalization)

    @property
    def decodes(self) -> bool:
        """Whether images are decoded while the run trains: always."""
        return True

    @property
    def has_masks(self) -> bool:
        """Whether the detector draws masks of objects, too."""
        return self.detector == "mask"

    @property
    def named_files(self) -> NamedFiles:
        """The files of annotations and folders of images that go before the data set's layout."""
        return NamedFiles(
            self.train_images,
            self.train_annotations,
            self.validation_images,
            self.validation_annotations,
        )

    def warmup_steps_of(self, steps_per_epoch: int) -> int:
        return self.warmup_steps

    def _check_data(self):
        from kdcl_tf.detection.coco import loading as coco_loading

        coco_loading.validate_name(self.dataset, self.named_files)


def _check_levels(architecture):
    if students.parse(architecture).family == "keras":
        raise ValueError(
            f"--backbone of {architecture}: expected --feature_layers with the names of the layers "
            "that end its levels; got none, and it has no default"
        )
