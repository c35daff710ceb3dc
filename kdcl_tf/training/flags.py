"""The flags of every program that trains: those of its `TrainingSettings`, and of the machine."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from kdcl_tf.data.formats.rules import ImageRules
from kdcl_tf.training import settings as training_settings
from kdcl_tf.training.settings import TrainingSettings

_PRECISIONS = {
    "float32": "single precision",
    "bfloat16": "16 bits, faster where the hardware has it",
    "float16": "for GPUs without bfloat16, with a dynamic loss scale",
}
# Which photographs are not turned where a student is used, see `ImageRules.as_trained`.
AS_TRAINED = ", unless the student was trained with --noapply_exif_orientation"
_STRATEGIES = {
    "one": "one device",
    "mirrored": "all GPUs of this machine, or without one the --logical_devices of its CPU",
    "multi_worker": "the machines of TF_CONFIG or of a SLURM step",
    "tpu": "the TPU of --tpu",
}


def define_optimisation_flags(
    fv: flags.FlagValues,
    defaults: TrainingSettings,
    when: str = "those of the recipe",
    rate_by: str = "",
) -> None:
    """Defines how long and how fast to train.

    Args:
      fv: where the flags are defined.
      defaults: of the settings.
      when: where the milestones are by default.
      rate_by: what may have a learning rate of its own, such as STUDENT; "" for nothing.
    """
    for name, text in (
        ("epochs", "How many times all training images are shown."),
        ("batch_size", "Images per step, over all devices."),
        ("seed", "Seed of the initial weights, the order of images and the distortions."),
    ):
        flags.DEFINE_integer(name, getattr(defaults, name), text, flag_values=fv)
    text = "Learning rate after the warm-up."
    if rate_by:
        text = f"{text} {rate_by}=RATE,... gives each its own."
        flags.DEFINE(_RateParser(), "learning_rate", defaults.learning_rate, text, fv)
    else:
        flags.DEFINE_float("learning_rate", defaults.learning_rate, text, flag_values=fv)
    flags.DEFINE_enum(
        "optimizer",
        defaults.optimizer,
        tuple(training_settings.OPTIMIZERS),
        "The optimizer; all but sgd are Keras's. sgd: stochastic gradient descent with momentum, as "
        "the paper's framework computes it. adam: Adam. adamw: AdamW. adamax: Adam by the largest "
        "gradient. nadam: Adam with Nesterov momentum. rmsprop: RMSprop. adagrad: Adagrad. adadelta: "
        "Adadelta. adafactor: Adafactor. ftrl: FTRL. lion: Lion. lamb: LAMB.",
        fv,
    )
    flags.DEFINE_string(
        "optimizer_arguments",
        defaults.optimizer_arguments,
        "Arguments of the optimizer as NAME=VALUE,..., by Keras's names, such as beta_2=0.95; the "
        "others keep Keras's defaults.",
        fv,
    )
    for name, text in (
        ("warmup_learning_rate", "Learning rate at the first step of the warm-up."),
        ("momentum", "Momentum of --optimizer=sgd."),
        (
            "weight_decay",
            "For sgd, an L2 penalty: weight_decay * w is added to the gradient, before momentum. For all "
            "others decoupled, as in Keras: learning_rate * weight_decay * w is subtracted from each "
            "weight at every step.",
        ),
    ):
        flags.DEFINE_float(name, getattr(defaults, name), text, flag_values=fv)
    flags.DEFINE_enum(
        "schedule",
        defaults.schedule,
        training_settings.SCHEDULES,
        "How the learning rate changes after the warm-up. step: it is divided by 10 after each of "
        "--milestones. cosine: it falls to 0 along half a wave that begins with the run, and so is "
        "already below --learning_rate after a long warm-up. constant: it stays.",
        fv,
    )
    milestones = type(defaults).milestones
    flags.DEFINE_list(
        "milestones",
        milestones and [str(each) for each in milestones],
        "Epochs after which --schedule=step divides the rate by 10; by default " + when + ".",
        fv,
    )
    flags.DEFINE_integer(
        "evaluate_every",
        defaults.evaluate_every,
        "Epochs between evaluations; the last is always evaluated.",
        flag_values=fv,
    )


class _RateParser(flags.ArgumentParser):
    """A number, or text with an equals sign, which the settings read."""

    def parse(self, argument):
        if isinstance(argument, str) and "=" in argument:
            return argument
        try:
            return float(argument)
        except ValueError:
            raise ValueError(f"expected a number; got {argument!r}") from None

    def flag_type(self):
        return "float"


def define_image_flags(
    fv: flags.FlagValues, defaults: TrainingSettings | ImageRules, exception: str = ""
) -> None:
    """Defines which image files are read, and whether they are turned upright.

    Args:
      fv: `FlagValues`.
      defaults: has the fields of `ImageRules`.
      exception: which photographs are not turned, after a comma; or "".
    """
    flags.DEFINE_bool(
        "apply_exif_orientation",
        defaults.apply_exif_orientation,
        f"Turn photographs upright, as their EXIF orientation says{exception}.",
        fv,
    )
    for name, text in (
        ("max_image_megabytes", "The largest image file that is read, in millions of bytes."),
        ("max_image_megapixels", "The largest image that is decoded, in millions of pixels."),
    ):
        flags.DEFINE_float(name, getattr(defaults, name), text, flag_values=fv)


def image_rules(flag_values: flags.FlagValues) -> ImageRules:
    """The rules that the flags of `define_image_flags` say.

    Raises:
      ValueError: for a limit that is not a positive number.
    """
    fields = dataclasses.fields(ImageRules)
    return ImageRules(**{field.name: flag_values[field.name].value for field in fields})


def define_machine_flags(
    fv: flags.FlagValues,
    defaults: TrainingSettings,
    precisions: Sequence[str] = training_settings.PRECISIONS,
    strategies: Sequence[str] = training_settings.STRATEGIES,
) -> None:
    """Defines what a run computes with, and where it writes.

    Args:
      fv: where to define the flags.
      defaults: of the program's settings.
      precisions, strategies: those that the program has.
    """
    flags.DEFINE_enum(
        "precision",
        defaults.precision,
        precisions,
        "Precision of what networks compute; their weights stay float32. "
        f"{_explained(_PRECISIONS, precisions)}",
        fv,
    )
    flags.DEFINE_string(
        "strategy",
        defaults.strategy,
        "What a run computes on; it may continue with another strategy. With more than one replica, "
        "numbers are those of one device only with --synchronized_batch_norm, and then neither with "
        "--accumulation_steps nor with layers such as dropout. "
        f"{_explained(_STRATEGIES, strategies)}",
        fv,
    )
    flags.DEFINE_bool(
        "synchronized_batch_norm",
        defaults.synchronized_batch_norm,
        "Normalise with the statistics of all replicas together, not each with its own.",
        fv,
    )
    flags.DEFINE_integer(
        "logical_devices",
        None,
        "Divides the CPU into this number of devices and uses no GPU: for trying out several devices.",
        lower_bound=1,
        flag_values=fv,
    )
    flags.DEFINE_string(
        "workdir",
        None,
        "Folder of the run; by default a folder in runs/ that is named for the flags.",
        fv,
    )
    flags.DEFINE_float(
        "checkpoint_seconds",
        600.0,
        "The longest time between two checkpoints inside an epoch, in seconds.",
        lower_bound=0.0,
        flag_values=fv,
    )
    flags.DEFINE_integer(
        "steps_per_loop",
        0,
        "Steps that are taken in one graph, without returning to Python; signals, checkpoints and "
        "losses wait for its end. It does not change any result. 0: 1 on CPUs, and about a second's "
        "worth on other devices.",
        lower_bound=0,
        flag_values=fv,
    )
    flags.DEFINE_integer(
        "keep_checkpoints",
        2,
        "How many of the newest checkpoints stay. If the newest is damaged, a run goes on from the "
        "one before.",
        lower_bound=1,
        flag_values=fv,
    )


def _explained(meanings: Mapping[str, str], values: Sequence[str]) -> str:
    """A sentence for each of some values."""
    return " ".join(f"{value}: {meanings[value]}." for value in values)


def saving(flag_values: flags.FlagValues) -> dict[str, Any]:
    """The arguments of a `Session` that say how often a run saves, and how much of it stays."""
    names = ("checkpoint_seconds", "steps_per_loop", "keep_checkpoints")
    return {name: flag_values[name].value for name in names}


def fields_of(kind: type[TrainingSettings], flag_values: flags.FlagValues) -> dict[str, Any]:
    """`{field: value}` of a `TrainingSettings`'s fields, for its constructor.

    Raises:
      ValueError: for milestones that are not whole numbers.
    """
    fields = {field.name: flag_values[field.name].value for field in dataclasses.fields(kind)}
    milestones = fields["milestones"]
    if milestones is None:
        return fields
    if not all(each.strip().isdigit() for each in milestones):
        raise ValueError(
            f"expected --milestones of whole numbers of epochs; got {','.join(milestones)}"
        )
    return {**fields, "milestones": tuple(int(each) for each in milestones)}


def default_workdir(settings: TrainingSettings, dataset: str, method: str) -> str:
    """`runs/<data>_<method>_<hash>`: the same flags find the same folder, wherever it runs."""
    text = "".join(
        f"{name}={value}\n"
        for name, value in settings.as_flags().items()
        if name not in training_settings.MACHINE_SETTINGS
    )
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    dataset = "".join(each if each.isalnum() else "-" for each in dataset)
    return f"runs/{dataset}_{method}_{digest}"
