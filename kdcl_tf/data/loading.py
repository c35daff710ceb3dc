"""From a data set's name to an `ImageDataset`."""

from __future__ import annotations

import re

import numpy as np

from kdcl_tf.data import dataset as dataset_lib, normalization, subsets

DISTORTIONS = ("padded_crop", "resized_crop")

# name, name/config, either with :version. TFDS's community namespaces
# ("huggingface:x") are left out: they reach for the network to be listed.
_TFDS_NAME = re.compile(r"[A-Za-z]\w*(/[\w.\-]+)?(:(\d+|\*)\.(\d+|\*)\.(\d+|\*))?")


def validate_name(name: str) -> None:
    """Checks how a data set's name is written, without looking it up.

    Args:
      name: `digits`, `folder:PATH`, `tfrecord:PATH` or a TFDS name such as `cifar100`,
        `cifar10_corrupted/fog_1` or `cifar100:3.0.2`.

    Raises:
      ValueError: when it can be none of these.
    """
    prefix = next((each for each in ("folder:", "tfrecord:") if name.startswith(each)), None)
    if prefix:
        if not name.removeprefix(prefix).strip():
            raise ValueError(f"data set: got {name!r}, wanted {prefix}PATH")
    elif not _TFDS_NAME.fullmatch(name):
        raise ValueError(
            f"data set: got {name!r}, wanted digits, folder:PATH, tfrecord:PATH or a TFDS name"
            " such as cifar100 or cifar10_corrupted/fog_1"
        )


def load(
    name: str,
    *,
    data_dir: str | None = None,
    holdout_per_class: int = 0,
    train_per_class: int = 0,
    image_size: int = 0,
    distortion: str = "padded_crop",
    skip_bad_images: bool = False,
) -> dataset_lib.ImageDataset:
    """Loads a data set: into memory, every image decoded and checked, or as an index.

    Args:
      name: `digits` (in scikit-learn, no download), `folder:PATH` (a folder of
        image files), `tfrecord:PATH` (a folder of TFRecord files, or a pattern) or
        a TFDS name.
      data_dir: where TFDS keeps prepared data; None is TFDS's own default. Only
        for TFDS names.
      holdout_per_class: training images of each class kept from training.
      train_per_class: images of each class trained on, beside the held-out ones;
        0 is all of them.
      image_size: height and width of every image; 0 keeps a TFDS set's own size
        where it has one, and is 32 elsewhere; 224 for `resized_crop`.
      distortion: `padded_crop` trains on images in memory. `resized_crop` leaves
        them encoded on disk, and decodes what a view shows of them.
      skip_bad_images: whether images that cannot be decoded are counted and passed
        over, which only `resized_crop` can; otherwise the first is an error.

    Returns:
      The data set. Mean and deviation are those of the images trained on; for
      `resized_crop` they are ImageNet's.

    Raises:
      ValueError: for an unknown name, labels out of range, a class with too few
        images, an unreadable image, a set too large for memory.
      FileNotFoundError: when the data is not there and cannot be downloaded.
    """
    validate_name(name)
    if image_size < 0:
        raise ValueError(f"image_size: got {image_size}, wanted 0 or more pixels")
    check_distortion(name, distortion, skip_bad_images)
    if distortion == "resized_crop":
        source = _index_source(name, data_dir, image_size, skip_bad_images)
    else:
        source = _read_source(name, data_dir, image_size)
    _check_source(name, source)
    held_out, train = subsets.held_out_and_train(
        source.train.labels,
        len(source.class_names),
        holdout_per_class,
        train_per_class,
        source.class_names,
    )
    assemble = _assemble_encoded if distortion == "resized_crop" else _assemble
    return assemble(name, source, held_out, train)


def check_distortion(name: str, distortion: str, skip_bad_images: bool) -> None:
    """Checks that a data set can be trained on with a distortion.

    Raises:
      ValueError: when it cannot.
    """
    if distortion not in DISTORTIONS:
        raise ValueError(f"distortion: got {distortion!r}, wanted {' or '.join(DISTORTIONS)}")
    if distortion == "resized_crop" and name == "digits":
        raise ValueError("data set 'digits' has no files: wanted --distortion=padded_crop")
    if distortion != "resized_crop" and name.startswith("tfrecord:"):
        raise ValueError(
            f"data set {name!r} stays on disk: wanted --distortion=resized_crop, got {distortion}"
        )
    if distortion != "resized_crop" and skip_bad_images:
        raise ValueError(
            f"--skip_bad_images: wanted --distortion=resized_crop with it, got {distortion}; a data"
            " set that is held in memory is checked while it is read"
        )


def _index_source(
    name: str, data_dir: str | None, image_size: int, skip_bad_images: bool
) -> dataset_lib.Source:
    """Imports and indexes the one source that the name asks for."""
    from kdcl_tf.data import bad_images, encoded

    given = image_size or encoded.DEFAULT_SIZE, bad_images.BadImages(skip_bad_images)
    if name.startswith("folder:"):
        from kdcl_tf.data.sources import folder

        return folder.index(name.removeprefix("folder:").strip(), *given)
    if name.startswith("tfrecord:"):
        from kdcl_tf.data.sources import tfrecord

        return tfrecord.index(name.removeprefix("tfrecord:").strip(), *given)
    from kdcl_tf.data.sources import tfds

    return tfds.index(name, data_dir, *given)


def _read_source(name: str, data_dir: str | None, image_size: int) -> dataset_lib.Source:
    """Imports and reads the one source that the name asks for."""
    if name == "digits":
        from kdcl_tf.data.sources import digits

        return digits.read(image_size)
    if name.startswith("folder:"):
        from kdcl_tf.data.sources import folder

        return folder.read(name.removeprefix("folder:").strip(), image_size)
    from kdcl_tf.data.sources import tfds

    return tfds.read(name, data_dir, image_size)


def _check_source(name: str, source: dataset_lib.Source) -> None:
    num_classes = len(source.class_names)
    if num_classes < 2:
        raise ValueError(
            f"data set {name!r}: got {num_classes} class"
            f" {list(source.class_names)}, wanted at least 2"
        )
    for split_name in ("train", "test"):
        split = getattr(source, split_name)
        if not len(split):
            raise ValueError(f"data set {name!r}: got no images in {split_name}")
        dataset_lib.check_labels(split_name, split.labels, num_classes)


def _assemble(
    name: str,
    source: dataset_lib.Source,
    held_out: np.ndarray,
    train: np.ndarray,
) -> dataset_lib.ImageDataset:
    """Takes the subsets and measures the images trained on."""
    everything = len(train) == len(source.train)
    # Indexing copies, and the whole of a large set should not be held twice.
    chosen = source.train if everything else source.train.take(train)
    counts = normalization.grey_levels(chosen.images)
    return dataset_lib.ImageDataset(
        name=name,
        train=chosen,
        held_out=source.train.take(held_out),
        test=source.test,
        class_names=source.class_names,
        normalization=normalization.Normalization.measured(counts),
        flip=source.flip,
    )


def _assemble_encoded(
    name: str,
    source: dataset_lib.Source,
    held_out: np.ndarray,
    train: np.ndarray,
) -> dataset_lib.ImageDataset:
    """Takes the subsets, and ImageNet's colours."""
    from kdcl_tf.data import encoded

    return encoded.EncodedDataset(
        name=name,
        train=source.train.take(train),
        held_out=source.train.take(held_out),
        test=source.test,
        class_names=source.class_names,
        normalization=normalization.IMAGENET,
        flip=source.flip,
    )
