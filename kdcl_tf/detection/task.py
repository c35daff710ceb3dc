"""A detector as a task of the training engine, which `kdcl-detect` runs."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from kdcl_tf import data, files, students
from kdcl_tf.data import order
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.detection import curves, found as found_lib, initial_weights, served
from kdcl_tf.detection.coco import loading as coco_loading
from kdcl_tf.detection.coco.scorer import CocoScorer
from kdcl_tf.detection.model import backbone
from kdcl_tf.detection.model.backbone_source import BackboneSource
from kdcl_tf.detection.model.detector import Detector
from kdcl_tf.detection.scenes.dataset import SceneDataset
from kdcl_tf.detection.scenes.pixels import ScenePixels
from kdcl_tf.detection.scenes.views import SceneViews
from kdcl_tf.detection.settings import DetectionSettings
from kdcl_tf.distribution import strategies
from kdcl_tf.distribution.replicas import Replicas
from kdcl_tf.files import identity
from kdcl_tf.serving import exported
from kdcl_tf.training import optimizers, schedules
from kdcl_tf.training.settings import POLICIES
from kdcl_tf.training.task import Task
from kdcl_tf.training.workdir import Workdir

# Images of 800 x 1333 pixels fill memory.
_EVALUATION_BATCH = 2
# In a checkpoint's card.
_PIXELS = "normalization"


class Detection(Task):
    """A detector on a backbone, and the views of its scenes.

    Args:
      settings: `DetectionSettings`.
      data_dir: where TFDS keeps its data, or None.
    """

    def __init__(self, settings: DetectionSettings, data_dir: str | None = None):
        super().__init__(settings, data_dir)
        self.accumulation_steps = settings.accumulation_steps
        self._backbone_file = self._initial = self._initial_digest = None
        self._lines = []
        # The path of COCO's list of what the last evaluation detected.
        self._detections = None

    def load(self) -> None:
        self.source = self.settings.find_backbone()
        if self.settings.initial_weights:
            self.source = dataclasses.replace(self.source, normalization=self._start())
        # Keras downloads before any data is loaded.
        self._backbone_file = self.source.path or backbone.downloaded(self.source)
        self.dataset = load_dataset(self.settings, self.data_dir)

    def _start(self):
        """Finds the detector to start from, and returns the normalisation of its images.

        A run that goes on has its weights in a checkpoint, and may have lost it.
        """
        text, begun = self.settings.initial_weights, self.begun or {}
        path = pathlib.Path(text).expanduser()
        is_gone = not any(map(exported.holds_model, (path, path / "detector")))
        if _PIXELS in begun.get("card", {}) and is_gone:
            self._initial_digest = self.recorded["initial_weights"]
            return Normalization.from_card(begun["card"][_PIXELS])
        kind = self.settings.detector
        self._initial = initial_weights.find(text, kind, self.source.architecture)
        known = self.recorded.get("initial_weights", "")
        self._initial_digest = exported.digest(self._initial.path, known)
        return self._initial.normalization

    def card(self) -> dict[str, Any]:
        """How images are normalised, which the detector that a run starts from says."""
        return {_PIXELS: self.source.normalization.as_card()}

    def build(self, strategy: tf.distribute.Strategy) -> None:
        settings = self.settings
        steps = self.steps_per_epoch(settings.batch_size)
        self.strategy = strategy
        self.model = create_detector(settings, self.source, self.dataset.num_classes)
        if self._initial and not self.begun:
            names = self.dataset.class_names
            self._lines = [initial_weights.assign(self.model, self._initial, names)]
        compile_detector(self.model, settings, steps)
        self.views = create_views(settings, self.dataset, self.source, self.model.multiple)

    @property
    def least_images(self) -> int:
        """On any device an image for each part: their stream leaves none without."""
        return self.accumulation_steps

    def evaluated(self) -> dict[str, int]:
        return {"evaluated": len(self._scenes)}

    def steps_per_epoch(self, batch_size: int) -> int:
        # The views need the detector, whose schedule needs the steps.
        return order.steps_of(self.images, batch_size)

    def digest(self) -> dict[str, Any]:
        splits = {"train": self.dataset.train.digest()}
        # Validation images that nothing is evaluated on may come and go.
        if self.settings.evaluate_on == "test":
            splits["test"] = self.dataset.test.digest()
        return {"classes": list(self.dataset.class_names), **splits, **self.sources()}

    def sources(self) -> dict[str, str]:
        found = {}
        if self._backbone_file:
            known = self.recorded.get("backbone", "")
            found["backbone"] = exported.digest(self._backbone_file, known)
        if self._initial_digest:
            found["initial_weights"] = self._initial_digest
        # Of a folder, the card is among its files. Runs of earlier versions have none of it.
        elif self.source.kind in ("keras", "weights"):
            found["backbone_card"] = identity.digest_of(self.source.normalization.as_card())
        return found

    def diverged(self, means: Sequence[float]) -> str:
        """Names the losses that are not finite."""
        names = [metric.name for metric in self.model.watched[1:]]
        found = [name for name, mean in zip(names, means) if not math.isfinite(mean)]
        return f"the {' and '.join(found) or 'loss'} of the detector"

    def evaluate(self, replicas: Replicas) -> dict[str, float | None]:
        """COCO's figures on every image that is evaluated on."""
        size = self._evaluation_batch
        batches = strategies.distribute(
            self.strategy, lambda share: self.views.evaluation(self._scenes, size, share)
        )
        detect = replicas.gather_function(self._detect, batches.element_spec)
        scorer = CocoScorer(self._scenes, bool(self.model.mask_head))
        for batch in batches:
            for image_id, detections in found_lib.split(detect(batch)):
                detections.add_to(scorer, image_id)
        if self._detections:
            files.write_text(self._detections, json.dumps(scorer.detections()))
        return {f"test_{name}": value for name, value in scorer.result().items()}

    def summary(self, record: Mapping[str, Any]) -> str:
        """AP and AP50 of boxes, and of masks."""
        parts = [
            f"{kind} AP {record[f'test_{kind}_ap']:.1%}, AP50 {record[f'test_{kind}_ap50']:.1%}"
            for kind in ("box", "mask")
            if record.get(f"test_{kind}_ap") is not None
        ]
        return "; ".join(parts)

    def plan(self) -> list[str]:
        size = f"detector: {students.parameter_count(self.model):,} parameters"
        # Another detector gives its backbone, too, and a line of its own says so.
        backbone = [] if self.settings.initial_weights else [f"backbone: {self.source}"]
        return [*super().plan(), *backbone, size]

    def announce(self, workdir: Workdir) -> None:
        """Prints what is wrong with the annotations; evaluations write detections from now on."""
        self._detections = workdir.path / "detections.json"
        for line in (*self._lines, *self.dataset.warnings()):
            print(line, flush=True)

    def check_images(self, share: data.Share) -> None:
        own = share.positions(len(self._scenes), self._evaluation_batch)
        ScenePixels(self._scenes.take(own)).check(self.settings.evaluate_on)

    def finish(self, workdir: Workdir, last: Mapping[str, Any]) -> dict[str, Any]:
        """Exports the detector; gives COCO's figures."""
        card = served.card_of(self.settings, self.source, self.dataset)
        card = {**card, "identity": self.identity.facts}
        served.export(self.model, workdir.path / "detector", card, is_own=True)
        return {
            **{name: value for name, value in last.items() if name.startswith("test_")},
            "evaluated_on": self.settings.evaluate_on,
            "detector": "detector",
            "exports": ["detector"],
        }

    def draw(self, workdir: Workdir) -> None:
        kind = "Mask R-CNN" if self.settings.has_masks else "Faster R-CNN"
        title = f"{kind} on {self.source.architecture or 'a backbone'}, {self.dataset.name}"
        curves.plot(workdir.log, workdir.path / "curves.png", title)

    @property
    def _evaluation_batch(self):
        size = _EVALUATION_BATCH * self.strategy.num_replicas_in_sync
        return strategies.evaluation_batch(self.strategy, len(self._scenes), size)

    @property
    def _scenes(self):
        return getattr(self.dataset, self.settings.evaluate_on)

    def _detect(self, batch):
        """One replica's part: the detections, and the facts of their images."""
        detections = self.model.detect(batch["images"], batch["sizes"])
        facts = {name: batch[name] for name in ("ids", "sizes", "original_sizes")}
        return {**detections, **tf.nest.map_structure(tf.identity, facts)}


def load_dataset(settings: DetectionSettings, data_dir: str | None) -> SceneDataset:
    """Loads the scenes, and takes as many training ones as the settings say."""
    dataset = coco_loading.load(
        settings.dataset,
        data_dir,
        settings.has_masks,
        settings.named_files,
        needs_test=settings.evaluate_on == "test",
    )
    dataset = dataset.under(settings.image_rules)
    if settings.first_images:
        few = dataset.train.take(slice(settings.first_images))
        if few.crowds.all():
            raise ValueError(
                f"first_images={settings.first_images}: expected at least 1 object in the first "
                f"{len(few)} images; got none: take more"
            )
        dataset = dataclasses.replace(dataset, train=few)
    return dataset


def create_detector(
    settings: DetectionSettings, source: BackboneSource, num_classes: int
) -> Detector:
    """The detector, initialised from the settings' seed where the backbone gives no weights."""
    keras.utils.set_random_seed(settings.seed)
    dtype = POLICIES[settings.precision]
    body = backbone.build(source, settings.feature_layers, settings.synchronized_batch_norm, dtype)
    return Detector(
        body,
        num_classes,
        masks=settings.has_masks,
        regions_per_image=settings.regions_per_image,
        dtype_policy=dtype,
    )


def compile_detector(detector: Detector, settings: DetectionSettings, steps: int) -> None:
    """Gives the detector an optimizer, with all its variables; an epoch has `steps` steps."""
    optimizer = optimizers.create(settings, schedules.create(settings, steps))
    detector.compile(
        optimizer=optimizer,
        accumulation_steps=settings.accumulation_steps,
        clip_norm=settings.clip_norm,
    )
    optimizer.build(detector.trainable_variables)


def create_views(
    settings: DetectionSettings, dataset: SceneDataset, source: BackboneSource, multiple: int
) -> SceneViews:
    """The batches that the settings describe, normalised as the backbone expects."""
    return SceneViews(
        dataset,
        settings.seed,
        settings.short_side,
        settings.long_side,
        settings.flip,
        settings.has_masks,
        source.normalization,
        multiple,
    )
