"""How large a reproduction is: the paper's own recipe, or its shape on fewer images."""

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


SCALES = {
    "full": Scale(
        name="full",
        description="the paper's recipe: ResNet-32 and WRN-16-2, all of CIFAR-100 (450 images a "
        "class where General holds 50 out), 200 epochs, float32",
        students={},
        columns={},
        flags={},
    ),
    "small": Scale(
        name="small",
        description="the recipe's shape on few images: ResNet-20 and WRN-16-2, 45 images a class "
        "of CIFAR-100 and 5 held out in every row, 60 epochs with drops at 30 and 45, bfloat16, "
        "tested on all 10,000 test images",
        students={"resnet32": "resnet20"},
        columns={"ResNet-32": "ResNet-20"},
        flags={
            "train_per_class": "45",
            "holdout_per_class": "5",
            "epochs": "60",
            "milestones": "30,45",
            "precision": "bfloat16",
            "evaluate_every": "10",
        },
    ),
    "digits": Scale(
        name="digits",
        description="not an experiment but a trial of the machinery: ResNet-8 and WRN-10-1 on 10 "
        "images a class of the embedded digits and 5 held out, 4 epochs",
        students={"resnet32": "resnet8", "wrn_16_2": "wrn_10_1"},
        columns={"ResNet-32": "ResNet-8", "WRN-16-2": "WRN-10-1"},
        flags={
            "dataset": "digits",
            "train_per_class": "10",
            "holdout_per_class": "5",
            "epochs": "4",
            "batch_size": "16",
            "milestones": "2,3",
            "evaluate_every": "2",
        },
    ),
}
