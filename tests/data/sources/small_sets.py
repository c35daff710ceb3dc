"""Small sets of TFDS, registered by the import of this module, which is made once in a process."""

import io

import numpy as np
import tensorflow_datasets as tfds

from tests import image_files

_BUILDER = tfds.core.GeneratorBasedBuilder


class _Levels:
    """Plain images whose grey level is 100 * label + number in the split."""

    VERSION = tfds.core.Version("1.0.0")
    SPLITS = {"train": 6, "test": 4}
    SHAPE = (4, 5, 3)
    KEYS = ("image", "label")
    LABELS = (0, 1)

    def _info(self):
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=self.SHAPE),
                "label": tfds.features.ClassLabel(names=["dark", "bright"]),
            }
        )
        return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=self.KEYS)

    def _split_generators(self, _):
        return {name: self._examples(count) for name, count in self.SPLITS.items()}

    def _generate_examples(self):
        raise NotImplementedError

    def _examples(self, count):
        for number in range(count):
            label = self.LABELS[number % len(self.LABELS)]
            level = 100 * label + number
            shape = [size or 3 + number for size in self.SHAPE]
            image = np.full(shape, max(level, 0), np.uint8)
            yield number, {"image": image, "label": label}


class KdclLevels(_Levels, _BUILDER):
    pass


class KdclGreyLevels(_Levels, _BUILDER):
    SHAPE = (4, 4, 1)


class KdclSizes(_Levels, _BUILDER):
    SHAPE = (None, None, 3)


class KdclValidation(_Levels, _BUILDER):
    SPLITS = {"train": 2, "validation": 3}


class KdclTrainOnly(_Levels, _BUILDER):
    SPLITS = {"train": 2}


class KdclTestOnly(_Levels, _BUILDER):
    SPLITS = {"test": 4}


class KdclUnlabelled(_Levels, _BUILDER):
    LABELS = (0, 1, -1)


class KdclNoKeys(_Levels, _BUILDER):
    KEYS = None


class KdclReversedKeys(_Levels, _BUILDER):
    KEYS = ("label", "image")


class KdclPhotos(_BUILDER):
    """JPEGs as they are, as in imagenet2012, and a test split without labels."""

    VERSION = tfds.core.Version("1.0.0")
    COUNTS = {"train": 6, "validation": 4, "test": 3}

    def _info(self):
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(encoding_format="jpeg"),
                "label": tfds.features.ClassLabel(names=["cat", "dog"]),
                "file_name": tfds.features.Text(),
            }
        )
        keys = ("image", "label")
        return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=keys)

    def _split_generators(self, _):
        return {split: self._generate_examples(split) for split in self.COUNTS}

    def _generate_examples(self, split):
        for number in range(self.COUNTS[split]):
            photo = image_files.photo(number, 30 + number, 60 - number)
            label = -1 if split == "test" else number % 2
            content = io.BytesIO(image_files.encode(photo))
            yield number, {"image": content, "label": label, "file_name": f"{split} {number}"}
