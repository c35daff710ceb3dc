"""COCO's figures of an exported detector."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pathlib
from collections.abc import Mapping

import tensorflow as tf
from absl import flags

from kdcl_tf import files
from kdcl_tf.data import bad_images
from kdcl_tf.data.formats.rules import ImageRules
from kdcl_tf.detection import flags as detection_flags, places
from kdcl_tf.detection.coco import loading as coco_loading
from kdcl_tf.detection.coco.layouts import NamedFiles
from kdcl_tf.detection.coco.scorer import CocoScorer
from kdcl_tf.detection.scenes.dataset import Scenes
from kdcl_tf.detection.scenes.pixels import ScenePixels
from kdcl_tf.detection.served import ServedDetector
from kdcl_tf.files import identity, spelling
from kdcl_tf.training import flags as training_flags


def load_scenes(
    model: ServedDetector,
    name: str,
    split: str,
    data_dir: str | None = None,
    named: NamedFiles = NamedFiles(),
    rules: ImageRules = ImageRules(),
) -> Scenes:
    """The scenes to score a detector on.

    Args:
      model: the detector.
      name: of the data set, see `coco.loading.load`.
      split: "test" or "train".
      data_dir: where TFDS keeps its data, or None.
      named: files of annotations and folders of images, where no layout fits.
      rules: how large an image may be, and whether it is turned upright; none is where those of
        the detector's training were not. Of its own data set, images may be as large as in its run,
        where a limit is the default.

    Raises:
      ValueError: when they have other classes than the detector.
    """
    known = spelling.composed_all(model.card["class_names"])
    scenes = coco_loading.load_split(name, split, data_dir, model.has_masks, named, known)
    rules = rules.as_trained(model.card)
    if is_own(model, name):
        rules = rules.limited_as(model.card)
    scenes = scenes.under(rules)
    found = spelling.composed_all(scenes.class_names)
    for number, (ours, theirs) in enumerate(itertools.zip_longest(known, found), start=1):
        if ours != theirs:
            raise ValueError(
                f"data set {name}: expected the detector's {len(known)} classes; got {len(found)}, of "
                f"which number {number} is {_quoted(theirs)} and not {_quoted(ours)}: take the data "
                "set that it was trained on, or one of the same classes in the same order"
            )
    return scenes


def scenes_to_score(
    model: ServedDetector, flag_values: flags.FlagValues
) -> tuple[Scenes, list[str]]:
    """(the scenes, lines that say what they are): those of the flags, or else of the detector's run.

    Raises:
      ValueError: as `load_scenes`; and when the scenes of the run have changed since, unless the
        flags name them.
    """
    dataset, split = flag_values["dataset"], flag_values["evaluate_on"].value
    name, named = dataset.value, detection_flags.named_files(flag_values)
    own = named_files(model)
    if not dataset.present:
        name = model.card["dataset"]
        given = {each: path for each, path in vars(named).items() if flag_values[each].present}
        named = dataclasses.replace(own, **given)
    rules = training_flags.image_rules(flag_values)
    data_dir = flag_values["data_dir"].value
    scenes = load_scenes(model, name, split, data_dir, named, rules)
    if not dataset.present and named.annotations_of(split) == own.annotations_of(split):
        scenes = of_run(model, split, scenes)
    file = named.annotations_of(split)
    listed = f" ({file})" if file else ""
    lines = [*scenes.warnings(f"{split} of {name}")]
    if is_own(model, name) and (not named or named == own):
        changed = changes(model, split, scenes)
        told = f"{name} is not what the detector was trained with: {changed}"
        if changed and not dataset.present:
            raise ValueError(
                f"{told}; restore it, or pass --dataset={name} to evaluate on it as it is"
            )
        lines += [told] if changed else []
    return scenes, [*lines, f"{split} of {name}{listed}, {len(scenes):,} images"]


def named_files(model: ServedDetector) -> NamedFiles:
    """The files of annotations and folders of images that a detector's run was given by name."""
    fields = [field.name for field in dataclasses.fields(NamedFiles)]
    return NamedFiles(**{name: _settings(model).get(name, "") for name in fields})


def of_run(model: ServedDetector, split: str, scenes: Scenes) -> Scenes:
    """Those scenes of a split that its run used: of the training images perhaps the first alone."""
    first = int(_settings(model).get("first_images", 0))
    return scenes.take(slice(first)) if split == "train" and first else scenes


def changes(model: ServedDetector, split: str, scenes: Scenes) -> str:
    """How the scenes of its data set differ from those that its run had, in words; "" if not.

    Args:
      model: the detector.
      split: "test" or "train".
      scenes: of that split, of the data set that it was trained on.
    """
    before = model.card.get("identity", {}).get("data", {}).get(split, {})
    # A run that was evaluated on its training images needed no others.
    if not before.get("images"):
        return ""
    return identity.data_changes({split: before}, {split: of_run(model, split, scenes).digest()})


def is_own(model: ServedDetector, name: str) -> bool:
    """Whether a data set is the one that the detector was trained on: the same name, or place."""
    return _place(model.card["dataset"]) == _place(name)


def _settings(model):
    """`{flag: text}` of its run; of a card of before these were written none."""
    return model.card.get("identity", {}).get("settings", {})


def _place(name):
    kind, colon, path = name.partition(":")
    is_folder = kind == "coco"
    return (kind, os.path.realpath(os.path.expanduser(path)) if is_folder else colon + path)


def _quoted(name):
    return "none" if name is None else repr(name)


def score(model: ServedDetector, scenes: Scenes) -> CocoScorer:
    """Runs the detector on each scene; returns a `CocoScorer` of all detections.

    Raises:
      BadImageError: at an image that cannot be decoded.
    """
    scorer, pixels = CocoScorer(scenes, model.has_masks), ScenePixels(scenes)
    images = tf.data.Dataset.range(len(scenes)).map(pixels.decoded).prefetch(2)
    with bad_images.told_in_one_line():
        for image_id, image in zip(scenes.ids, images.as_numpy_iterator()):
            model(image).add_to(scorer, int(image_id))
    return scorer


def write(scorer: CocoScorer, result: Mapping[str, float | None], path: str | os.PathLike) -> None:
    """Writes the figures, and beside them COCO's list of detections.

    `figures.json` gets a neighbour `figures.detections.json`, which COCO's server accepts.
    """
    path = pathlib.Path(path)
    detections = json.dumps(scorer.detections())
    files.write_text(path.with_name(f"{path.stem}{places.DETECTIONS}"), detections)
    files.write_text(path, json.dumps(result, indent=2) + "\n")
