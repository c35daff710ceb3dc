"""One run of a detector, from settings to an exported model: `kdcl-detect --mode=train`."""

import dataclasses
import resource

import keras

from kdcl_tf import students
from kdcl_tf.data import bad_images
from kdcl_tf.detection import curves, served
from kdcl_tf.detection.coco import loading as coco_loading
from kdcl_tf.detection.model import backbone, backbone_source
from kdcl_tf.detection.model.detector import Detector
from kdcl_tf.detection.scenes.pixels import ScenePixels
from kdcl_tf.detection.scenes.views import SceneViews
from kdcl_tf.detection.task import Detection
from kdcl_tf.distribution import strategies
from kdcl_tf.distribution.workers import Workers
from kdcl_tf.training import schedules
from kdcl_tf.training.checkpoint import Checkpoints, all_variables
from kdcl_tf.training.loop import Loop
from kdcl_tf.training.optimizers import CoupledSGD
from kdcl_tf.training.settings import PLACES, POLICIES
from kdcl_tf.training.versions import versions


class DetectionSession:
    """A run, set up and checked; `train` then does the long work.

    Args:
      settings: `DetectionSettings`.
      workdir: `Workdir`.
      data_dir: where TFDS keeps its data, or None.
      checkpoint_seconds: the most time between checkpoints inside an epoch.
      cluster: `cluster.Cluster`, for `multi_worker`.

    Raises:
      ValueError, OSError: for data, a backbone, a workdir or a checkpoint that do not fit,
        in one line.
    """

    def __init__(self, settings, workdir, data_dir=None, checkpoint_seconds=600.0, cluster=None):
        workdir.check_flags(settings.as_flags(), PLACES)
        self.settings, self.workdir = settings, workdir
        # First, as no TensorFlow op may come before workers know each other.
        strategy = strategies.create(settings.strategy, cluster)
        self.workers = Workers(strategy)
        self.source = backbone_source.find(settings.backbone, settings.architecture)
        self.dataset = load_dataset(settings, data_dir)
        self.workers.check_same("data", self.dataset.summary())
        size = settings.batch_size
        strategies.check_batches(strategy, len(self.dataset.train), size)
        strategies.check_split(strategy, "evaluated", len(self._scenes))
        with strategy.scope():
            self.detector = create_detector(settings, self.source, self.dataset.num_classes)
            steps = -(-len(self.dataset.train) // size)
            compile_detector(self.detector, settings, steps)
        views = create_views(settings, self.dataset, self.source, self.detector.multiple)
        detections = workdir.path / "detections.json" if self.workers.is_chief else None
        self.task = Detection(self.detector, views, self._scenes, strategy, detections)
        checkpoints = Checkpoints(
            workdir.path / "checkpoints",
            all_variables(self.detector),
            keep=2 if self.workers.is_chief else 0,
            strategy=strategy,
        )
        self.loop = Loop(self.task, settings, strategy, workdir, checkpoints, checkpoint_seconds)

    @property
    def _scenes(self):
        return getattr(self.dataset, self.settings.evaluate_on)

    def train(self):
        """Trains, exports and draws; returns what `result.json` holds.

        Of several workers only the chief does more than train; the others return None.

        Raises:
          Interrupted, Divergence: as `Loop.run`.
          BadImageError: at an image that cannot be decoded.
        """
        if self.workdir.result:
            return self.workdir.result
        if self.workers.is_chief:
            self.workdir.record_flags(self.settings.as_flags())
            for line in self.dataset.warnings():
                print(line, flush=True)
        with bad_images.told_in_one_line():
            if self.workers.is_chief and not self.workdir.log:
                ScenePixels(self._scenes).check()
            self.loop.run()
        if not self.workers.is_chief:
            return None
        served.export(
            self.detector,
            self.workdir.path / "detector",
            served.card_of(self.settings, self.source, self.dataset),
        )
        curves.plot(self.workdir.log, self.workdir.path / "curves.png", self._title())
        result = self._result()
        self.workdir.write_result(result)
        return result

    def _title(self):
        kind = "Mask R-CNN" if self.settings.has_masks else "Faster R-CNN"
        return f"{kind} on {self.source.architecture or 'a backbone'}, {self.dataset.name}"

    def _result(self):
        """The last epoch's numbers: never the best, which would be chosen on the test set."""
        log = self.workdir.log
        last = log[-1]
        figures = {name: value for name, value in last.items() if name.startswith("test_")}
        return {
            **figures,
            "evaluated_on": self.settings.evaluate_on,
            "detector": "detector",
            "parameters": students.parameter_count(self.detector),
            "epochs": last["epoch"],
            "steps": last["step"],
            "seconds": round(sum(each["seconds"] for each in log), 1),
            "images_per_second": last["images_per_second"],
            # Linux counts in KiB.
            "peak_memory_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
            "settings": dataclasses.asdict(self.settings),
            "data": self.dataset.summary(),
            "versions": versions(),
        }


def load_dataset(settings, data_dir):
    """The settings' scenes, of the training ones as many as they say."""
    dataset = coco_loading.load(settings.dataset, data_dir, settings.has_masks)
    if settings.train_images:
        few = dataset.train.take(slice(settings.train_images))
        if few.crowds.all():
            raise ValueError(
                f"--train_images={settings.train_images}: the first {len(few)} images show no "
                "object, wanted at least 1; take more"
            )
        dataset = dataclasses.replace(dataset, train=few)
    return dataset


def create_detector(settings, source, num_classes):
    """The detector, initialised from the settings' seed alone where it is not trained yet."""
    keras.utils.set_random_seed(settings.seed)
    dtype = POLICIES[settings.precision]
    body = backbone.build(
        source, settings.feature_layers, settings.synchronized_batch_norm, dtype
    )
    return Detector(
        body,
        num_classes,
        masks=settings.has_masks,
        regions_per_image=settings.regions_per_image,
        dtype_policy=dtype,
    )


def compile_detector(detector, settings, steps_per_epoch):
    """Gives the detector its optimizer, with all of its variables."""
    optimizer = CoupledSGD(
        schedules.create(settings, steps_per_epoch),
        momentum=settings.momentum,
        coupled_weight_decay=settings.weight_decay,
        name="optimizer",
    )
    detector.compile(optimizer=optimizer)
    optimizer.build(detector.trainable_variables)


def create_views(settings, dataset, source, multiple):
    """The batches of the settings, normalised as the backbone wants them."""
    return SceneViews(
        dataset,
        settings.seed,
        settings.short_side,
        settings.long_side,
        settings.flip,
        settings.has_masks,
        source.mean,
        source.deviation,
        multiple,
    )
