"""Measures speed as ratios, in pairs within one run.

    python tools/benchmark.py --what=step         KDCL's step over Independent's
    python tools/benchmark.py --what=one_by_one   all students together over each by itself
    python tools/benchmark.py --what=batch_norm   stock Keras layers' step over ours
    python tools/benchmark.py --what=torch        PyTorch's step over ours
    python tools/benchmark.py --what=peak         the step's FLOP/s over a matrix product's
    python tools/benchmark.py --what=memory       the most memory for 1, 2 ... students
    python tools/benchmark.py --what=input        input pipeline over the step
    python tools/benchmark.py --what=photographs --images=DIR   2 and 4 views over 1, of JPEGs
    python tools/benchmark.py --what=placement    both placements, against their cost model
    python tools/benchmark.py --what=accumulation memory and time of a step in parts
    python tools/benchmark.py --what=start_up --data_dir=DIR   until help, until the first step

Two programs are timed in turn, A B A B ..., so that a machine whose speed drifts slows both.
A ratio is the median over the pairs, with the quartiles beside it.
"""

import dataclasses
import importlib
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from absl import app, flags

_WHAT = {
    "step": "cohorts:compare_methods",
    "one_by_one": "cohorts:compare_with_one_by_one",
    "batch_norm": "cohorts:compare_batch_norm",
    "memory": "cohorts:compare_memory",
    "memory_of_one": "cohorts:print_own_memory",
    "torch": "torch_race:race",
    "peak": "peak:share",
    "input": "pipeline:compare_input",
    "photographs": "photographs:compare_views",
    "placement": "devices:compare_placement",
    "accumulation": "devices:compare_accumulation",
    "start_up": "start_up:time_start_up",
}


@dataclasses.dataclass(frozen=True)
class Options:
    """What is measured, and how often; a flag for each."""

    students: tuple
    precision: str
    batch_size: int
    num_classes: int
    image_size: int
    pairs: int
    steps: int
    data_dir: str
    images: str


flags.DEFINE_enum("what", "step", list(_WHAT), "Which comparison.")
flags.DEFINE_list("students", ["resnet32", "wrn_16_2"], "Architectures.")
flags.DEFINE_enum("precision", "float32", ("float32", "bfloat16"), "Of the activations.")
flags.DEFINE_integer("batch_size", 128, "Images a step.", lower_bound=1)
flags.DEFINE_integer("num_classes", 100, "Classes.", lower_bound=2)
flags.DEFINE_integer("image_size", 32, "Pixels a side.", lower_bound=4)
flags.DEFINE_integer("pairs", 15, "How often the two are timed in turn.", lower_bound=1)
flags.DEFINE_integer("steps", 2, "Steps a timing.", lower_bound=1)
flags.DEFINE_string("data_dir", "", "Where TFDS keeps CIFAR-100, for start_up.")
flags.DEFINE_string("images", "", "A folder of folders of JPEGs, for photographs.")
FLAGS = flags.FLAGS


def main(_):
    options = Options(
        **{field.name: FLAGS[field.name].value for field in dataclasses.fields(Options)}
    )
    module, function = _WHAT[FLAGS.what].split(":")
    getattr(importlib.import_module(f"benchmarking.{module}"), function)(options)


if __name__ == "__main__":
    app.run(main)
