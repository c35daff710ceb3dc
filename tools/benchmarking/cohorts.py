"""What it costs to train together: KDCL over Independent, M students over one after the other."""

import subprocess
import sys

import kdcl_tf
from benchmarking import steps, timing
from benchmarking.options import Options
from kdcl_tf.distribution import machine
from kdcl_tf.objectives import names


def compare_methods(options: Options) -> None:
    """Prints KDCL's step over Independent's, for one ensemble after the other."""
    for ensemble in names.ENSEMBLES:
        kdcl = steps.step_of(kdcl_tf.KDCL(steps.students(options), ensemble=ensemble), options)
        alone = steps.step_of(kdcl_tf.Independent(steps.students(options)), options)
        timings = timing.in_pairs(kdcl, alone, options.pairs)
        timing.show(f"KDCL {ensemble} over Independent", *timings, options.steps)


def compare_with_one_by_one(options: Options) -> None:
    """Prints a step of all students together over the steps of one student after the other."""
    together = steps.step_of(kdcl_tf.KDCL(steps.students(options)), options)
    single = [
        steps.step_of(kdcl_tf.Independent({name: student}), options)
        for name, student in steps.students(options).items()
    ]

    def one_by_one():
        for run in single:
            run()

    timings = timing.in_pairs(together, one_by_one, options.pairs)
    count = len(options.students)
    timing.show(f"{count} students together over one by one", *timings, options.steps)


def compare_batch_norm(options: Options) -> None:
    """Prints a step of networks with Keras's batch normalisation over one with ours."""
    ours = steps.students(options)
    stock = {name: steps.with_stock_batch_norm(student) for name, student in ours.items()}
    timings = timing.in_pairs(
        steps.step_of(kdcl_tf.KDCL(stock), options),
        steps.step_of(kdcl_tf.KDCL(ours), options),
        options.pairs,
    )
    timing.show("stock layers over ours", *timings, options.steps)


def compare_memory(options: Options) -> None:
    """Prints the peak memory of a step of 1, 2 ... M students, and of each of them alone.

    Each is measured in a process of its own.
    """
    several = [options.students[:count] for count in range(1, len(options.students) + 1)]
    for students in several + [[each] for each in options.students[1:]]:
        arguments = [
            f"--students={','.join(students)}",
            f"--batch_size={options.batch_size}",
            f"--num_classes={options.num_classes}",
            f"--image_size={options.image_size}",
            f"--precision={options.precision}",
        ]
        command = [sys.executable, sys.argv[0], "--what=memory_of_one", *arguments]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(f"{', '.join(students)}: {found.strip()}", flush=True)


def print_own_memory(options: Options) -> None:
    """Prints the peak memory of this process after some steps of all students."""
    steps.step_of(kdcl_tf.KDCL(steps.students(options)), options)()
    print(f"{machine.peak_memory():,.0f} MB at most")
