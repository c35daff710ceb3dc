"""The weights that a run's students start from, and the normalisation that those expect."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import keras

from kdcl_tf import data, students
from kdcl_tf.classification import plan
from kdcl_tf.classification.initial import sources
from kdcl_tf.classification.settings import Settings
from kdcl_tf.data.normalization import IMAGENET, MODES
from kdcl_tf.serving import exported, weight_sources
from kdcl_tf.serving.weight_sources import WeightSource
from kdcl_tf.students.weights import fitting, found as found_lib, reading
from kdcl_tf.students.weights.found import Found

__all__ = ["KEY", "InitialWeights", "set_trainable"]

# In a digest of data.
KEY = "initial_weights"


@dataclasses.dataclass(frozen=True)
class _Start:
    """What one student starts from; of a run that goes on without its source, what is recorded."""

    source: WeightSource | None
    found: Found | None
    digest: str
    normalization: data.Normalization | None


class InitialWeights:
    """What students start from, read and compared before any data is loaded.

    A run that goes on has its weights in a checkpoint: it compares the digest of a source that is
    there, and needs none.

    Args:
      settings: of the run.
      begun: the facts of the run's newest checkpoint; None for a run that begins.

    Raises:
      ValueError: for a source that cannot be read or does not fit its student, in one line.
    """

    def __init__(self, settings: Settings, begun: Mapping[str, Any] | None = None):
        self._settings = settings
        # Two branches, or students of one architecture, may start from one source.
        read: dict[tuple, _Start] = {}
        self._starts = {}
        for name, source in settings.sources.items():
            key = (source, settings.architectures[name], settings.source_normalizations.get(name))
            if key not in read:
                read[key] = self._start(name, source, begun)
            self._starts[name] = read[key]

    def digests(self) -> dict[str, str]:
        """`{student: SHA-256 of its source, and of the normalisation that goes with it}`."""
        return {name: start.digest for name, start in self._starts.items()}

    def normalizations(self, dataset: data.ImageDataset) -> dict[str, data.Normalization]:
        """`{student: Normalization}` of all students of the run, by default the data set's."""
        given = {name: start.normalization for name, start in self._starts.items()}
        return {
            name: given.get(name) or dataset.normalization for name in self._settings.student_names
        }

    def assign(self, members: Mapping[str, keras.Model], dataset: data.ImageDataset) -> list[str]:
        """Gives students their weights; nothing to a run that goes on.

        Args:
          members: `{name: student}`, fresh.
          dataset: what they will be trained on.

        Returns:
          A line for each: what was taken, made anew and left over, and how images are normalised.

        Raises:
          ValueError: for weights that do not fit.
        """
        lines = []
        for name, start in self._starts.items():
            if start.found is None:
                continue
            keeps, reason = weight_sources.kept_head(start.source, dataset.class_names)
            if keeps and self._settings.is_branched and lines:
                # Branches that start alike and see one view would stay alike.
                keeps, reason = False, "the first branch has it"
            taken = fitting.fit(
                members[name],
                start.found,
                where=start.source.where,
                architecture=self._settings.architectures[name],
                keep_head=keeps,
                reason=reason,
            )
            pixels = self._pixels(name, start, dataset)
            lines.append(f"{name} starts from {start.source.where}: {taken}; {pixels}")
        # They are as large as the students, and a run is long.
        self._starts = {
            name: dataclasses.replace(start, found=None) for name, start in self._starts.items()
        }
        return lines

    def _start(self, name, text, begun):
        architecture = self._settings.architectures[name]
        recorded = begun and begun["identity"]["data"].get(KEY, {}).get(name)
        if recorded and not sources.is_there(text, architecture):
            # What the run's newest checkpoint says of a student whose source is gone.
            card = begun["card"]["students"][name]["card"]
            return _Start(None, None, recorded, data.Normalization.from_card(card))
        source = sources.find(self._settings, name)
        if begun is not None:
            digest = _digest(source.path, source.normalization, recorded)
            return _Start(source, None, digest, source.normalization)
        try:
            size = source.size or self._size
            # Only a normalisation that was given takes the place of layers that scale images.
            given = self._settings.source_normalizations.get(name, "")
            is_given = weight_sources.normalization_of(given) is not None
            where = source.path or source.where
            found = reading.read(where, architecture, size, takes_normalized=not is_given)
            # Before any data is loaded: what does not fit a student of this name.
            shape = _shape(source, found, architecture, self._size)
            skeleton = reading.skeleton(architecture, shape)
            fitting.check(skeleton, found, where=source.where, architecture=architecture)
            self._check_channels(name, source, skeleton.input_shape[-1])
            digest = _digest(source.path or found.file, source.normalization, None)
        except found_lib.NotNormalizedError as error:
            raise ValueError(
                f"--initial_weights={name}={text}: {error}, or pass --initial_normalization={name}="
                f"{', '.join(MODES)}, whichever those layers compute"
            ) from error
        except (ValueError, OSError) as error:
            raise ValueError(f"--initial_weights={name}={text}: {error}") from error
        return _Start(source, found, digest, source.normalization)

    @property
    def _size(self):
        """(height, width) of the students' images, where a flag says it."""
        side = self._settings.image_size
        return (side, side) if side else None

    def _check_channels(self, name, source, channels):
        """Refuses a normalisation without a number for each channel, or one for all."""
        own = source.normalization
        counts = [len(own.mean), len(own.deviation)] if own else []
        wrong = [count for count in counts if count not in (1, channels)]
        if not wrong:
            return
        mode = self._settings.source_normalizations.get(name, "")
        # A source that says how its images were normalised takes no flag.
        is_open = mode or source.kind == "safetensors"
        raise ValueError(
            f"expected a normalisation of {channels} channels, as its images have, or one for all; "
            f"got {mode or 'one'} of {wrong[0]}: "
            + (f"pass --initial_normalization={name}=data" if is_open else "export it again")
        )

    def _pixels(self, name, start, dataset):
        given = start.normalization
        whose = "as the weights were trained"
        if not given and name in self._settings.source_normalizations:
            whose = "as --initial_normalization says"
        elif not given:
            whose = (
                "as the data set's images are, since nothing says how the weights were trained; "
                "--initial_normalization may"
            )
        elif start.source.kind == "safetensors" and given == IMAGENET:
            whose = "as torchvision's weights for ImageNet ask, which they are taken to be"
        return f"{plan.normalized(given or dataset.normalization)}, {whose}"


def set_trainable(student: keras.Model, head_alone: bool, batch_norm: bool) -> list:
    """Says what of a student is trained.

    Args:
      student: any; a layer that is not trained is as in inference, batch norm too.
      head_alone: whether only the last layer with a kernel is.
      batch_norm: whether batch norm is.

    Returns:
      The variables that do not move.
    """
    head = found_lib.head_of(student)
    frozen = [
        layer
        for layer in student.layers
        if layer is not head
        and (head_alone or (not batch_norm and isinstance(layer, keras.layers.BatchNormalization)))
    ]
    for layer in student.layers:
        layer.trainable = not any(layer is each for each in frozen)
    return [variable for layer in frozen for variable in layer.variables]


def _digest(path, normalization, recorded):
    """The SHA-256 of weights and of what they expect, which the card beside a file may say.

    Args:
      path, normalization: of the weights.
      recorded: that of the run which goes on, or None; see `exported.digest`.
    """
    pixels = normalization.as_card() if normalization else None
    found = (
        hashlib.sha256(json.dumps([each, pixels]).encode()).hexdigest()
        for each in exported.digests(path)
    )
    first = next(found)
    return first if recorded in (None, first) else next((e for e in found if e == recorded), first)


def _shape(source, found, architecture, size):
    """(height, width, channels) of the student's images, as far as they are known.

    Args:
      source, found: the weights, whose own student's images these are where nothing else is said.
      architecture: whose usual images they are otherwise.
      size: (height, width) that a flag says, or None.
    """
    first = found.arrays.get("stem_conv/kernel")
    channels = 3 if first is None or first.ndim != 4 else first.shape[2]
    side = students.default_image_size([architecture])
    height, width, channels = source.image_shape or found.image_shape or (side, side, channels)
    return *(size or (height, width)), channels
