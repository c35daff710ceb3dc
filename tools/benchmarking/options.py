"""The options of `tools/benchmark.py`."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Options:
    """What is measured, and how often.  There is a flag for each field.

    Attributes:
      students: architectures.
      precision: of the activations, "float32" or "bfloat16".
      batch_size: images per step.
      num_classes: the length of the logits.
      image_size: width and height of the images, in pixels.
      pairs: how many times each program is timed.
      steps: training steps in each timing.
      data_dir: where TFDS keeps CIFAR-100.
      images: a folder of folders of JPEG files.
    """

    students: list[str]
    precision: str
    batch_size: int
    num_classes: int
    image_size: int
    pairs: int
    steps: int
    data_dir: str
    images: str
