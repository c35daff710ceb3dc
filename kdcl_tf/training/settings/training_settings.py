"""What the settings of every program that trains have in common: checks, and their text."""

from __future__ import annotations

import dataclasses
import math
import os
import re
import struct
from collections.abc import Mapping

from kdcl_tf.data.formats.rules import ImageRules
from kdcl_tf.students.names import is_name
from kdcl_tf.training.settings import paths

SCHEDULES = ("step", "cosine", "constant")
# `--precision`, and the Keras policy of each.
POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
PRECISIONS = tuple(POLICIES)
# Keras's optimizers by name, and the arguments that `--optimizer_arguments` may set.
_ADAM = ("beta_1", "beta_2", "epsilon")
_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
OPTIMIZERS = {
    "sgd": ("nesterov",),
    "adam": (*_ADAM, "amsgrad"),
    "adamw": (*_ADAM, "amsgrad"),
    "adamax": _ADAM,
    "nadam": _ADAM,
    "rmsprop": ("rho", "momentum", "epsilon", "centered"),
    "adagrad": ("initial_accumulator_value", "epsilon"),
    "adadelta": ("rho", "epsilon"),
    "adafactor": ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step"),
    "ftrl": (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    ),
    "lion": ("beta_1", "beta_2"),
    "lamb": _ADAM,
}
STRATEGIES = ("one", "mirrored", "multi_worker", "tpu")
# Where and on what a run computes, not what it computes: these may change when it is continued.
MACHINE_SETTINGS = ("strategy", "storage")
# The smallest and the largest number of float32 that is neither 0, as processors take those below
# it, nor infinite.
FLOAT32 = (1.2e-38, 3.4e38)
_BELOW_ONE = "from 0 to below 1 in float32"
# What an optimizer keeps of the past in each step, among its arguments.
_OF_THE_PAST = ("beta_1", "beta_2", "momentum", "rho")
_IN_FLOAT32 = "a number that float32 has: 0, or from 1.2e-38 to 3.4e38"
_OF_IMAGES = tuple(field.name for field in dataclasses.fields(ImageRules))
_TFDS_DEFAULT = os.path.join("~", "tensorflow_datasets")


class TrainingSettings:
    """The base of a frozen dataclass of settings, each of which is a flag of its name.

    A subclass has the fields `epochs`, `batch_size`, `optimizer`, `optimizer_arguments`,
    `learning_rate`, `schedule`, `milestones`, `warmup_learning_rate`, `momentum`, `weight_decay`,
    `precision`, `strategy`, `evaluate_every`, `seed` and `dataset`, calls `_check_training` when it
    is made, and says in `warmup_steps_of` how long the learning rate rises and in `decodes`
    whether images are decoded while it trains. One of image files also has the fields of
    `data.ImageRules`, and calls `_check_images`.
    """

    def as_flags(self) -> dict[str, str]:
        """`{name: text}`, as the command line would say `--name=text`."""
        return {name: as_text(value) for name, value in dataclasses.asdict(self).items()}

    def places(self) -> dict[str, str]:
        """`{name: absolute path}` of the settings that are paths of what is there."""
        found = {}
        for name, text in self.as_flags().items():
            kind, path = paths.parted(text)
            if name == "initial_weights" and text:
                found[name] = paths.absolute_sources(text)
            elif name == "backbone" and is_name(text):
                continue
            elif name in paths.PATH_SETTINGS and text and (kind or paths.exists(path)):
                found[name] = kind + os.path.realpath(path)
            elif name == "teacher" and "=" in text:
                found[name] = paths.absolute_sources(text)
        return found

    def place_of_data(self, data_dir: str | None) -> dict[str, str]:
        """`{"data_dir": absolute path}` of the folder in which TFDS keeps the data set.

        Empty for data that is not TFDS's.

        Args:
          data_dir: where TFDS keeps its data sets; None for its default.
        """
        name = getattr(self, "dataset", "digits")
        if name == "digits" or paths.parted(name)[0]:
            return {}
        root = data_dir or os.environ.get("TFDS_DATA_DIR") or _TFDS_DEFAULT
        folder = os.path.join(os.path.expanduser(root), re.split("[/:]", name)[0])
        return {"data_dir": os.path.realpath(folder)}

    def lie_elsewhere(self, before: Mapping[str, str], data_dir: str | None = None) -> bool:
        """Whether data or a trained network is there now at another place than before.

        What is gone is not: a complete run does not need it.

        Args:
          before: `places` and `place_of_data` of the settings at another time.  Runs of earlier
            versions lack the latter: nothing tells that their data has moved.
          data_dir: as for `place_of_data`.
        """
        return self._is_other_data_dir(before.get("data_dir"), data_dir) or any(
            name not in before or not paths.are_known(text, before[name])
            for name, text in self.places().items()
        )

    def _is_other_data_dir(self, before, data_dir):
        now = self.place_of_data(data_dir).get("data_dir")
        if now is None or before is None or now == before:
            return False
        # Or asked for where it is not, though it still is where it was.
        return os.path.exists(now) or (bool(data_dir) and os.path.exists(before))

    @classmethod
    def default_flags(cls) -> dict[str, str]:
        """`as_flags` of the fields whose default does not depend on other fields."""
        return {
            field.name: as_text(field.default)
            for field in dataclasses.fields(cls)
            if field.default is not None
        }

    def remarks(self, steps_per_epoch: int) -> list[str]:
        """Lines on settings that have no effect, and probably were to have one.

        Args:
          steps_per_epoch: of all the run's images.
        """
        defaults = self._usual()
        told = [
            f"--{name}={as_text(getattr(self, name))} has no effect {why}"
            for name, why in self._without_effect().items()
            if getattr(self, name) != defaults[name]
        ]
        return [*told, *self._late_drops(), *self._in_the_warm_up(steps_per_epoch)]

    def _late_drops(self):
        late = [each for each in self.milestones if each >= self.epochs]
        if self.schedule != "step" or not late:
            return []
        return [
            f"--milestones={as_text(self.milestones)}: the learning rate does not drop "
            f"after epoch {', '.join(map(str, late))}, as the run ends after epoch {self.epochs}"
        ]

    def _in_the_warm_up(self, steps_per_epoch):
        """What does not happen as it was asked for because the learning rate still rises."""
        warmup, steps = self.warmup_steps_of(steps_per_epoch), self.epochs * steps_per_epoch
        if warmup >= steps:
            start, peak = self.warmup_learning_rate, max(self.rates.values())
            last = start + (peak - start) * (steps - 1) / warmup
            return [
                f"the run ends after {steps} steps, within the warm-up of {warmup}: the learning rate "
                f"gets from {start:.3g} to {last:.3g}, and follows no --schedule: "
                "pass a shorter warm-up to a new --workdir"
            ]
        early = [each for each in self.milestones if each * steps_per_epoch < warmup]
        if self.schedule != "step" or not early:
            return []
        return [
            f"--milestones={as_text(self.milestones)}: the learning rate does not drop after "
            f"epoch {', '.join(map(str, early))}, while it still rises, but when the warm-up "
            f"ends, after {warmup} steps, and so never has its full value"
        ]

    def _usual(self):
        """`{field: value}` that the fields have where nothing is given for them."""
        return {field.name: field.default for field in dataclasses.fields(self)}

    def _without_effect(self):
        """`{field: why}` of the fields that nothing reads, as the others are."""
        found = {}
        if self.optimizer != "sgd":
            found["momentum"] = f"with --optimizer={self.optimizer}"
        if not self.warmup_steps_of(1):
            found["warmup_learning_rate"] = "without a warm-up"
        return found

    @property
    def rates(self) -> dict[str, float]:
        """`{part of the model: learning rate}`; by default one for all, of no name."""
        return {"": self.learning_rate}

    def warmup_steps_of(self, steps_per_epoch: int) -> int:
        """Steps over which the learning rate rises."""
        raise TypeError(f"{type(self).__name__} must override warmup_steps_of")

    @property
    def optimizer_options(self) -> dict[str, float | bool]:
        """`{argument: value}` of `optimizer_arguments`.

        Raises:
          ValueError: for an argument that the optimizer does not have, or no number.
        """
        known = (*OPTIMIZERS[self.optimizer], *_CLIPPING)
        found = {}
        for pair in filter(None, self.optimizer_arguments.split(",")):
            name, _, text = (each.strip() for each in pair.partition("="))
            if name not in known or name in found:
                raise ValueError(
                    f"expected --optimizer_arguments of --optimizer={self.optimizer}, NAME=VALUE, each "
                    f"once: {', '.join(known)}; got {pair}"
                )
            found[name] = _argument(name, text)
        return found

    @property
    def clips_gradients(self) -> bool:
        """Whether the optimizer does, by its arguments."""
        return any(self.optimizer_options.get(name) for name in _CLIPPING)

    @property
    def image_rules(self) -> ImageRules:
        """How large an encoded image may be, and whether it is turned upright."""
        fields = dataclasses.fields(ImageRules)
        return ImageRules(**{field.name: getattr(self, field.name) for field in fields})

    def _check_training(self):
        """Refuses values that no training can have."""
        if self.strategy == "parameter_server":
            raise ValueError(
                "--strategy=parameter_server: Keras 3 does not support parameter servers; pass "
                "--strategy=multi_worker for many machines"
            )
        self._check_among(
            schedule=SCHEDULES,
            precision=PRECISIONS,
            strategy=STRATEGIES,
            optimizer=tuple(OPTIMIZERS),
        )
        options = self.optimizer_options
        # One text for one meaning.
        known = (*OPTIMIZERS[self.optimizer], *_CLIPPING)
        text = ",".join(f"{name}={as_text(options[name])}" for name in known if name in options)
        object.__setattr__(self, "optimizer_arguments", text)
        self._check_at_least(1, "epochs", "batch_size", "evaluate_every")
        self._check_at_least(0, "seed", "weight_decay", "warmup_learning_rate")
        rates = self.rates.values()
        self._require("learning_rate", all(rate > 0 for rate in rates), "more than 0")
        self._require("seed", self.seed < 2**32, "less than 2**32")
        self._check_float32()
        self._require("momentum", _is_below_one(self.momentum), _BELOW_ONE)
        if list(self.milestones) != sorted(set(self.milestones)) or any(
            milestone < 1 for milestone in self.milestones
        ):
            given = ",".join(map(str, self.milestones))
            raise ValueError(
                f"expected --milestones of rising numbers of epochs, from 1; got {given}"
            )

    def _check_float32(self):
        """Refuses numbers that a step, which computes in float32, would have as 0 or infinite."""
        for field, value in dataclasses.asdict(self).items():
            if isinstance(value, float):
                self._require(field, math.isfinite(value), "a finite number")
                # No step has the limits of images.
                has = float32_has(value) or field in _OF_IMAGES
                self._require(field, has, _IN_FLOAT32)
        rates = self.rates.values()
        self._require("learning_rate", all(map(float32_has, rates)), _IN_FLOAT32)

    def _check_images(self):
        """Refuses values that no rules of images can have."""
        for field in ("max_image_megabytes", "max_image_megapixels"):
            self._require(field, getattr(self, field) > 0, "more than 0")

    def _check_among(self, **choices):
        for field, known in choices.items():
            value = getattr(self, field)
            if value not in known:
                raise ValueError(f"expected --{field} of {', '.join(known)}; got {value}")

    def _check_at_least(self, least, *fields):
        for field in fields:
            self._require(field, getattr(self, field) >= least, f"{least} or more")

    def _require(self, field, holds, expected):
        if not holds:
            raise ValueError(f"expected --{field} to be {expected}; got {getattr(self, field)}")

    def _unify_types(self, *floats):
        """Makes `Settings(learning_rate=1)` say the same as `--learning_rate=1`, which is 1.0.

        Args:
          *floats: fields whose default, None, does not tell that they are floats.
        """
        for field in dataclasses.fields(self):
            kind = float if field.name in floats else type(field.default)
            kind = tuple if field.name == "milestones" else kind
            text = isinstance(getattr(self, field.name), str)
            if kind in (float, tuple) and not text:
                object.__setattr__(self, field.name, kind(getattr(self, field.name)))


def milestones_at(epochs: int, *shares: tuple[int, int]) -> tuple[int, ...]:
    """The epochs after which the rate drops, in a run of any length.

    Args:
      epochs: of the run.
      *shares: fractions of it, `(numerator, denominator)`; what is not a whole number is cut.
    """
    places = {epochs * numerator // denominator for numerator, denominator in shares}
    return tuple(sorted(each for each in places if 1 <= each < epochs))


def _argument(name, text):
    """A number, or true or false."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    expected = ""
    if not float32_has(value):
        expected = _IN_FLOAT32 if math.isfinite(value) else "a number, true or false"
    elif name in _OF_THE_PAST and not _is_below_one(value):
        expected = _BELOW_ONE
    if expected:
        raise ValueError(
            f"expected --optimizer_arguments={name}= {expected}; got {text or 'nothing'}"
        )
    return value


def _is_below_one(share):
    """Whether a number that is multiplied by itself in each step fades, in float32, too."""
    return 0 <= struct.unpack("f", struct.pack("f", share))[0] < 1


def float32_has(number: float) -> bool:
    """Whether float32 has about this number, and not 0 or an infinite one in its place."""
    least, most = FLOAT32
    return number == 0 or least <= abs(number) <= most


def of_machine(settings: Mapping[str, str]) -> dict[str, str]:
    """Those of the settings of a run, `{flag: text}`, that are of the machine."""
    return {name: settings[name] for name in MACHINE_SETTINGS if name in settings}


def as_text(value: object) -> str:
    """A setting as a flag has it; tuples have become lists where it was read from JSON."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
