"""What `training.loop.Loop` is told of a detector."""

import json
import math

import tensorflow as tf

from kdcl_tf.detection import found as found_lib
from kdcl_tf.detection.coco.scorer import CocoScorer
from kdcl_tf.distribution import strategies
from kdcl_tf.training.task import Task
from kdcl_tf.training.workdir import write_atomically

# Images of 800 x 1333 pixels fill memory.
_EVALUATION_BATCH = 2


class Detection(Task):
    """A compiled detector on views of scenes: the task of `kdcl-detect`.

    Args:
      detector: `Detector`, compiled, made under `strategy`.
      views: `SceneViews`.
      scenes: `Scenes` that are evaluated on.
      strategy: `tf.distribute.Strategy`.
      detections: JSON file that gets COCO's list of what the last evaluation found, or None.
    """

    def __init__(self, detector, views, scenes, strategy, detections=None):
        super().__init__(detector, views, strategy)
        self._scenes, self._detections = scenes, detections

    def guilty(self, means):
        """The losses that are not finite."""
        names = [metric.name for metric in self.model.watched[1:]]
        found = [name for name, mean in zip(names, means) if not math.isfinite(mean)]
        return f"the {' and '.join(found) or 'loss'} of the detector"

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

    def summary(self, record):
        """AP and AP50 of boxes, and of masks."""
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
