"""Scoring students in the form they are served in."""

import numpy as np

from kdcl_tf import data
from kdcl_tf.evaluation.scores import scores


def load_dataset(card, name=None, data_dir=None):
    """The named data set at the student's resolution, by default the one it learned.

    Raises:
      ValueError, OSError: when there is none.
    """
    name = name or card.get("dataset")
    if not name:
        raise ValueError("the student does not say what it was trained on: pass --dataset")
    height, width, _ = card["image_shape"]
    # Only images in a data set's own size are not square.
    return data.load(name, data_dir=data_dir, image_size=height if height == width else 0)


def check_fits(name, card, dataset):
    """Raises ValueError when the student's classes or images are not the data set's."""
    if card["num_classes"] != dataset.num_classes:
        raise ValueError(
            f"student {name} knows {card['num_classes']} classes, {dataset.name} has "
            f"{dataset.num_classes}: pass the --dataset it was trained on, or one like it"
        )
    if tuple(card["image_shape"]) != tuple(dataset.image_shape):
        raise ValueError(
            f"student {name} takes images of {card['image_shape']}, {dataset.name} has "
            f"{list(dataset.image_shape)}"
        )


def score(predict, split, batch_size=256):
    """`scores` of a served student over every image of an `ImageSplit`."""
    starts = range(0, len(split), batch_size)
    logits = [predict(split.images[start : start + batch_size])["logits"] for start in starts]
    return scores(np.concatenate(logits), split.labels)
