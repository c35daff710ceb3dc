"""What a data set's name asks for: checked before anything slow is imported."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kdcl_tf.data.sources import source as source_lib

# Where images live: in memory if they fit, in memory, or on disk.
STORAGES = ("auto", "memory", "disk")

# Kinds of sources whose names are `kind:PATH`.
WITH_PATH = ("folder", "tfrecord")

# name, name/config, either with :version. TFDS's community namespaces
# ("huggingface:x") are left out: they reach for the network to be listed.
_TFDS_NAME = re.compile(r"[A-Za-z]\w*(/[\w.\-]+)?(:(\d+|\*)\.(\d+|\*)\.(\d+|\*))?")


class Name(NamedTuple):
    """A data set's name, in its parts.

    Attributes:
      kind: the source: `digits`, `folder`, `tfrecord` or `tfds`.
      where: the path of a folder or of TFRecord files; the name itself in TFDS.
    """

    kind: str
    where: str


def parse(name: str) -> Name:
    """Takes a data set's name apart, without looking it up.

    Args:
      name: `digits`, `folder:PATH`, `tfrecord:PATH` or a TFDS name such as `cifar100`,
        `imagenet_resized/32x32` or `cifar100:3.0.2`.

    Raises:
      ValueError: when it can be none of these.
    """
    kind, colon, path = name.partition(":")
    if colon and kind in WITH_PATH:
        if not path.strip():
            raise ValueError(f"data set: expected {kind}:PATH; got {name!r}")
        return Name(kind, path.strip())
    if not _TFDS_NAME.fullmatch(name):
        raise ValueError(
            "data set: expected digits, folder:PATH, tfrecord:PATH or a TFDS name such as"
            f" cifar100 or imagenet_resized/32x32; got {name!r}{path_hint(name)}"
        )
    return Name("digits" if name == "digits" else "tfds", name)


def path_hint(name: str, kind: str = "folder") -> str:
    """What to say after a name that looks like the path of a folder, such as `/a/folder`.

    Args:
      name: that can be no data set's.
      kind: of data set that the folder may be.
    """
    is_path = name.startswith(("/", "~", "./", "../")) or os.path.isdir(os.path.expanduser(name))
    return f": if it is a folder of images, pass {kind}:{name}" if is_path else ""


def check_keys(name: str, image_key: str | None, label_key: str | None) -> None:
    """Checks that names of features are given for TFRecords only.

    Args:
      name: of the data set.
      image_key, label_key: names of features, "" or None for the usual ones.

    Raises:
      ValueError: when they are given for another data set.
    """
    for argument, key in (("tfrecord_image_key", image_key), ("tfrecord_label_key", label_key)):
        if key and parse(name).kind != "tfrecord":
            raise ValueError(f"{argument}={key}: expected a data set tfrecord:PATH; got {name!r}")


def check_shares(name: str, test_share: float, validation_share: float) -> None:
    """Checks the shares of images that become a test and a validation set.

    Args:
      name: of the data set.
      test_share, validation_share: above 0 and below 1; 0 for none.

    Raises:
      ValueError: for another number, or a `test_share` of a data set that is no folder.
    """
    for argument, share in (("test_share", test_share), ("validation_share", validation_share)):
        if share and not 0 < share < 1:
            raise ValueError(
                f"{argument}: expected a number above 0 and below 1, such as 0.2; got {share}"
            )
    if test_share and parse(name).kind != "folder":
        # A path is told as one before it is taken for the name of a data set.
        validate_name(name)
        raise ValueError(
            f"test_share={test_share}: expected a data set folder:PATH without a test set; got"
            f" {name!r}{_why_not_split(name)}"
        )


def _why_not_split(name: str) -> str:
    """Why a data set is not split, or which one may have been meant."""
    if os.path.isdir(name):
        return f": for the folder of that name, pass dataset=folder:{name}"
    return ": only a folder can be split"


def validate_name(name: str) -> None:
    """Checks how a data set's name is written, see `parse`.

    Raises:
      ValueError: when it can be no data set's.
    """
    parse(name)


def check_storage(name: str, storage: str | None) -> None:
    """Checks that the images of a data set can live there.

    Args:
      name: of the data set.
      storage: one of `STORAGES`; None is "auto".

    Raises:
      ValueError: when they cannot.
    """
    if storage is not None and storage not in STORAGES:
        raise ValueError(f"storage: expected {' or '.join(STORAGES)}; got {storage!r}")
    if storage == "disk" and name == "digits":
        raise ValueError("data set 'digits' has no files: expected storage=memory; got disk")


def index(
    name: str,
    data_dir: str | None = None,
    image_size: int = 0,
    image_key: str | None = None,
    label_key: str | None = None,
    test_share: float = 0.0,
    needs_train: bool = True,
    needs_validation: bool = True,
) -> source_lib.Source:
    """Indexes the source that a name asks for, and imports no other.

    Args:
      name: see `parse`.
      data_dir: where TFDS keeps prepared data; None is TFDS's own default.
      image_size: pixels a side that digits are made, 0 for their default.
      image_key, label_key: names of features of TFRecords, None for the usual ones.
      test_share: of a folder, see `folder.index`.
      needs_train: of a folder or a TFDS set, see `folder.index` and `tfds.index`.
      needs_validation: of a folder.

    Raises:
      ValueError: for a name that can be no data set's; and what the source raises.
      FileNotFoundError: when the data is not there.
    """
    kind, where = parse(name)
    if kind == "digits":
        from kdcl_tf.data.sources import digits

        return digits.index(image_size)
    if kind == "folder":
        from kdcl_tf.data.sources import folder

        return folder.index(where, test_share, needs_train, needs_validation)
    if kind == "tfrecord":
        from kdcl_tf.data.sources import tfrecord

        return tfrecord.index(where, image_key, label_key)
    from kdcl_tf.data.sources import tfds

    return tfds.index(where, data_dir, needs_train)
