"""What `training.loop.Loop` is told of a detector."""

import json
import math

import tensorflow as tf

from kdcl_tf.detection import found as found_lib
from kdcl_tf.detection.coco_scorer import CocoScorer
from kdcl_tf.training import strategies
from kdcl_tf.training.workdir import write_atomically

# Images of 800 x 1333 pixels fill memory.
_EVALUATION_BATCH = 2


class Detection:
    """A compiled detector on views of scenes: the task of `kdcl-detect`.

    Args:
      detector: `Detector`, compiled, made under `strategy`.
      views: `SceneViews`.
      scenes: `Scenes` that are evaluated on.
      strategy: `tf.distribute.Strategy`.
      detections: JSON file that gets COCO's list of what the last evaluation found, or None.

    Attributes:
      model: the detector.
      images: in an epoch.
    """

    def __init__(self, detector, views, scenes, strategy, detections=None):
        self.model, self._views, self._scenes = detector, views, scenes
        self._strategy, self._detections = strategy, detections
        self.images = len(views.dataset.train)

    def steps_per_epoch(self, batch_size):
        """Batches of an epoch, the last partial one included."""
        return self._views.steps_per_epoch(batch_size)

    def epoch(self, epoch, batch_size, skip, share):
        """The batches of an epoch, without the first `skip`; a `data.Share` of each."""
        return self._views.epoch(epoch, batch_size, skip, share)

    def guilty(self, means):
        """Which loss is not finite.

        Args:
          means: of the losses that the detector lets be watched, after the first.
        """
        names = [metric.name for metric in self.model.watched[1:]]
        found = [name for name, mean in zip(names, means) if not math.isfinite(mean)]
        return f"the {' and '.join(found) or 'loss'} of the detector"

    def owner(self, variable):
        """Nothing: the path of a variable tells whose it is."""
        return ""

    def renew(self, replicas):
        """Nothing is made anew after an epoch."""
        return {}

    def evaluate(self, replicas):
        """COCO's figures on every image that is evaluated on."""
        size = _EVALUATION_BATCH * self._strategy.num_replicas_in_sync
        size = strategies.evaluation_batch(self._strategy, len(self._scenes), size)
        batches = strategies.distribute(
            self._strategy, lambda share: self._views.evaluation(self._scenes, size, share)
        )
        detect = replicas.gather_function(self._detect, batches.element_spec)
        scorer = CocoScorer(self._scenes, bool(self.model.mask_head))
        for batch in batches:
            for image_id, detections in found_lib.split(detect(batch)):
                detections.add_to(scorer, image_id)
        if self._detections:
            write_atomically(self._detections, json.dumps(scorer.detections()))
        return {f"test_{name}": value for name, value in scorer.result().items()}

    def problems(self):
        """A bad image ends a run, so that there are none to tell of."""
        return {}

    def summary(self, record):
        """The evaluation in a line for a person, or "" where there was none."""
        told = [
            f"{kind} AP {record[f'test_{kind}_ap']:.1%}, AP50 {record[f'test_{kind}_ap50']:.1%}"
            for kind in ("box", "mask")
            if record.get(f"test_{kind}_ap") is not None
        ]
        return "; ".join(told)

    def _detect(self, batch):
        """One replica's part: what is seen, and in what image."""
        detections = self.model.detect(batch["images"], batch["sizes"])
        facts = {name: batch[name] for name in ("ids", "sizes", "original_sizes")}
        return {**detections, **tf.nest.map_structure(tf.identity, facts)}
