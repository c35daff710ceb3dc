"""Measures speed as the ratio of two programs that are timed in turn.

    python tools/benchmark.py --what=step         a step of KDCL over one of Independent
    python tools/benchmark.py --what=one_by_one   all students together over one after the other
    python tools/benchmark.py --what=batch_norm   a step with Keras's layers over one with ours
    python tools/benchmark.py --what=torch        a step in PyTorch, eager and compiled, over ours
    python tools/benchmark.py --what=peak         FLOP/s of a step over those of a matrix product
    python tools/benchmark.py --what=memory       peak memory of 1, 2 ... students and of each
    python tools/benchmark.py --what=memory_of_one   the peak memory of all students, in one process
    python tools/benchmark.py --what=input        a step over the time to make its images
    python tools/benchmark.py --what=loop         a step in kdcl-train's loop beside one in a graph
    python tools/benchmark.py --what=photographs --images=DIR   2 and 4 views of JPEGs over 1
    python tools/benchmark.py --what=placement    both placements, beside their cost model
    python tools/benchmark.py --what=accumulation memory and time of a step in 1, 2, 4, 8 parts
    python tools/benchmark.py --what=start_up --data_dir=DIR   time to the help and the first step

"A over B" is the time of A divided by that of B.  Both are timed in turn, A B A B ..., so that a
machine whose speed drifts slows both.  A ratio is the median over the pairs, with its quartiles.
"""

import dataclasses
import importlib
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from absl import app, flags
from benchmarking.options import Options

_WHAT = {
    "step": "cohorts:compare_methods",
    "one_by_one": "cohorts:compare_with_one_by_one",
    "batch_norm": "cohorts:compare_batch_norm",
    "memory": "cohorts:compare_memory",
    "memory_of_one": "cohorts:print_own_memory",
    "torch": "torch_race:race",
    "peak": "peak:share",
    "input": "pipeline:compare_input",
    "loop": "loop_time:compare_with_graph",
    "photographs": "photographs:compare_views",
    "placement": "devices:compare_placement",
    "accumulation": "devices:compare_accumulation",
    "start_up": "start_up:time_start_up",
}

flags.DEFINE_enum("what", "step", list(_WHAT), "What to measure, see above.")
flags.DEFINE_list("students", ["resnet32", "wrn_16_2"], "Architectures of the students.")
flags.DEFINE_enum("precision", "float32", ("float32", "bfloat16"), "Precision of the activations.")
flags.DEFINE_integer("batch_size", 128, "Images per step.", lower_bound=1)
flags.DEFINE_integer("num_classes", 100, "Number of classes.", lower_bound=2)
flags.DEFINE_integer("image_size", 32, "Width and height of the images, in pixels.", lower_bound=4)
flags.DEFINE_integer("pairs", 15, "How many times each program is timed.", lower_bound=1)
flags.DEFINE_integer("steps", 2, "Training steps in each timing.", lower_bound=1)
flags.DEFINE_string("data_dir", "", "For start_up: where TFDS keeps CIFAR-100.")
flags.DEFINE_string("images", "", "For photographs: a folder of folders of *.JPEG files.")
FLAGS = flags.FLAGS


def main(_: list[str]) -> None:
    """Measures what `--what` says."""
    options = Options(
        **{field.name: FLAGS[field.name].value for field in dataclasses.fields(Options)}
    )
    module, function = _WHAT[FLAGS.what].split(":")
    getattr(importlib.import_module(f"benchmarking.{module}"), function)(options)


if __name__ == "__main__":
    app.run(main)
