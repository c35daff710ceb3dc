"""How large a reproduction is: the paper's own recipe, or its shape on fewer images.

The small scale trains for 100 epochs because the larger student gains from a cohort only once it
over-fits as in the paper, where students reach 93 and 99 % on their training images (section
4.2). Of 45 images a class they reach 52 and 75 % in 60 epochs, and 83 and 97 % in 100.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Scale:
    """What changes in every row's flagfile.

    Attributes:
      name: as `--scale` takes it.
      description: what every figure of this scale must say.
      students: `{architecture in the flagfile: the one trained instead}`.
      columns: `{heading in the paper: heading of ours}`, for students that differ.
      flags: `{name: text}` of the flags of kdcl-train that override the flagfile's.
    """

    name: str
    description: str
    students: dict
    columns: dict
    flags: dict

    def headings(self, table):
        """The headings of the measured columns of a `Table`."""
        return tuple(self.columns.get(heading, heading) for heading in table.columns)


def scale(name, table):
    """The scale of that name for a `Table`.

    Raises:
      KeyError: for a name that is not in `NAMES`.
    """
    return _SCALES[table.folder][name]


NAMES = ("full", "small", "digits")

_DIGITS = {
    "dataset": "digits",
    "train_per_class": "10",
    "holdout_per_class": "5",
    "epochs": "4",
    "batch_size": "16",
    "milestones": "2,3",
    "evaluate_every": "2",
}
_TRIAL = "not an experiment but a trial of the machinery"
_FEW_DIGITS = "10 images a class of the embedded digits and 5 held out, 4 epochs"

_SMALL = {
    "train_per_class": "45",
    "holdout_per_class": "5",
    "epochs": "100",
    "milestones": "50,75",
    # Rows compare whatever machine ran them; bfloat16 is rounded otherwise on some.
    "precision": "float32",
    "evaluate_every": "10",
}
_FEW_CIFAR_IMAGES = (
    "45 images a class of CIFAR-100 and 5 held out in every row, 100 epochs with drops at 50 and "
    "75, float32, tested on all 10,000 test images"
)
_WHY_100_EPOCHS = (
    "; so many epochs, because the larger student gains only once it is trained long enough to "
    "over-fit as in the paper, where the pair reaches 93 and 99 % on its training images: here 83 "
    "and 97 %, but 52 and 75 % in 60 epochs"
)
# What the ImageNet recipe says of images and of the warm-up, for sets of small images.
_SMALL_IMAGES = {
    "distortion": "padded_crop",
    "image_size": "0",
    "learning_rate": "0.1",
    "warmup_epochs": "0",
}

_CIFAR_SCALES = (
    Scale(
        name="full",
        description="the paper's recipe: ResNet-32 and WRN-16-2, all of CIFAR-100 (450 images a "
        "class where General holds 50 out), 200 epochs, float32",
        students={},
        columns={},
        flags={},
    ),
    Scale(
        name="small",
        description="the recipe's shape on few images: ResNet-20 and WRN-16-2, "
        + _FEW_CIFAR_IMAGES
        + _WHY_100_EPOCHS,
        students={"resnet32": "resnet20"},
        columns={"ResNet-32": "ResNet-20"},
        flags=_SMALL,
    ),
    Scale(
        name="digits",
        description=f"{_TRIAL}: ResNet-8 and WRN-10-1 on {_FEW_DIGITS}",
        students={"resnet32": "resnet8", "wrn_16_2": "wrn_10_1"},
        columns={"ResNet-32": "ResNet-8", "WRN-16-2": "WRN-10-1"},
        flags=_DIGITS,
    ),
)

_IMAGENET_SCALES = (
    Scale(
        name="full",
        description="the paper's recipe: ImageNet at 224 pixels, batches of 2048, 100 to 300 "
        "epochs, float32",
        students={},
        columns={},
        flags={},
    ),
    Scale(
        name="small",
        description="the paper's students on other and fewer images, 32 pixels wide: "
        + _FEW_CIFAR_IMAGES,
        students={},
        columns={},
        flags={**_SMALL_IMAGES, **_SMALL, "dataset": "cifar100", "batch_size": "128"},
    ),
    Scale(
        name="digits",
        description=f"{_TRIAL}: ResNet-8, ResNet-14, WRN-10-1 and WRN-10-2 in the place of the "
        f"paper's students, on {_FEW_DIGITS}",
        students={
            "resnet18": "resnet8",
            "resnet34": "resnet14",
            "resnet50": "wrn_10_1",
            "resnet101": "wrn_10_2",
            "mobilenet_v2": "wrn_10_2",
            "mobilenet_v2_0.5": "resnet14",
            "mobilenet_v2_1.2": "wrn_10_1",
        },
        columns={},
        flags={**_SMALL_IMAGES, **_DIGITS},
    ),
)

_SCALES = {
    "cifar100": {each.name: each for each in _CIFAR_SCALES},
    "imagenet": {each.name: each for each in _IMAGENET_SCALES},
}
