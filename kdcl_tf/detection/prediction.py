"""Runs an exported detector on image files: a picture and a list of each one's detections."""

from __future__ import annotations

import json
import pathlib

import tensorflow as tf

from kdcl_tf import files
from kdcl_tf.data import decoding
from kdcl_tf.data.formats.rules import ImageRules, too_many_bytes
from kdcl_tf.detection import drawing, places
from kdcl_tf.detection.scenes import masks
from kdcl_tf.detection.served import ServedDetector
from kdcl_tf.files.escaping import escaped


def check(path: pathlib.Path, rules: ImageRules = ImageRules()) -> None:
    """Raises ValueError unless the file is an image that can be decoded."""
    size, name = path.stat().st_size, escaped(str(path))
    if size > rules.max_bytes:
        raise ValueError(f"image={name} is not read: {too_many_bytes(size, rules.max_bytes)}")
    fault = decoding.fault(path.read_bytes(), rules)
    if fault:
        raise ValueError(f"image={name} cannot be decoded: {fault}")


def draw(
    model: ServedDetector,
    path: pathlib.Path,
    folder: pathlib.Path,
    least_score: float,
    rules: ImageRules = ImageRules(),
) -> str:
    """Writes a picture and a list of what is detected in one image.

    Args:
      model: the detector.
      path: of the image, which `check` has passed.
      folder: gets `<name>.png` and `<name>.json`.
      least_score: detections of a lower score are left out.
      rules: those of `check`; nothing is turned where the detector's training images were not.

    Returns:
      A line that says what was detected, and where the picture is.
    """
    rules = rules.as_trained(model.card)
    image = decoding.rgb(tf.constant(path.read_bytes()), rules).numpy()
    found = model(image).of_at_least(least_score)
    names = [model.card["class_names"][each] for each in found.classes]
    outlines = found.pasted()
    picture, listed = places.drawn(folder, path)
    drawing.write(picture, drawing.draw(image, found.boxes, found.scores, names, outlines))
    listing = _listed(found, names, outlines)
    files.write_text(listed, json.dumps(listing, indent=2) + "\n")
    seen = ", ".join(f"{name} {score:.2f}" for name, score in zip(names, found.scores))
    seen = seen or f"nothing with a score of {least_score} or more"
    return f"{escaped(path.name)}: {seen}; {escaped(str(picture))}"


def _listed(found, names, outlines):
    listing = [
        # The shortest numbers that are those of the box: rounded, a narrow one might lose its area.
        {"name": name, "score": round(float(score), 4), "box": [float(str(x)) for x in box]}
        for name, score, box in zip(names, found.scores, found.boxes)
    ]
    if outlines is not None:
        for each, outline in zip(listing, outlines):
            each["mask"] = masks.encode(outline)
    return listing
