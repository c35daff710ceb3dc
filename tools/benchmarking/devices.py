"""Measures placements and accumulation for `tools/benchmark.py`.

Two logical devices of the CPU stand for two devices.  They share a pool of threads: with one
thread per op and two ops at once, two busy devices have about one core each, but a device that
is busy alone may run two ops at once.  How fast a core is alone is measured with all threads on
one core, and given to the cost model (`step_times.py`).  Nothing is copied between logical CPUs,
so bytes are counted in the graphs, and the time of copying them cannot be measured here.
"""

import contextlib
import multiprocessing
import os
import time

import numpy as np
import tensorflow as tf
from absl import logging

import kdcl_tf
from benchmarking import partitions, step_times
from benchmarking.options import Options
from kdcl_tf.distribution import devices, machine, traffic
from kdcl_tf.students.cost import multiply_adds
from kdcl_tf.training.optimizers import CoupledSGD
from kdcl_tf.training.settings import POLICIES

_DEVICES = ("CPU:0", "CPU:1")
# A multiply-add is two operations, and a backward pass costs as much as two forward passes.
_OPERATIONS = 6


def compare_placement(options: Options) -> None:
    """Prints the bytes in the graphs and the seconds of steps, each beside the cost model's."""
    logging.set_verbosity(logging.WARNING)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(len(_DEVICES))
    devices.split_cpu(len(_DEVICES))
    steps = {"data": _data_step(options), "student": _student_step(options)}
    workload = _workload(options)
    for name, (function, args) in steps.items():
        _show_bytes(name, partitions.transfers(function.python_function, *args), workload)
    alone = [_alone_step(options, [name], options.batch_size) for name in options.students]
    # What one device does in data parallel training.
    share = _alone_step(options, options.students, options.batch_size // len(_DEVICES))
    _show_seconds(options, workload, [*alone, share], list(steps.values()))


def compare_accumulation(options: Options) -> None:
    """Prints peak memory and time of a step in parts, each number in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    for parts in (1, 2, 4, 8):
        with spawn.Pool(1) as pool:
            before, peak, seconds = pool.apply(
                _accumulate,
                (parts, options),
            )
        print(
            f"accumulation_steps={parts}: peak {peak:,.0f} MB, {peak - before:,.0f} MB above the "
            f"process before its first step; {1000 * seconds:.1f} ms a step",
            flush=True,
        )


def _accumulate(parts, options):
    cohort = kdcl_tf.KDCL(_build(options, options.students, [None] * len(options.students)))
    _compile(cohort, accumulation_steps=parts)
    step = tf.function(cohort.train_step)
    batch = _batch(cohort, options.batch_size, options.num_classes)
    before = machine.peak_memory()
    step(batch)
    began = time.perf_counter()
    for _ in range(options.steps):
        step(batch)["loss"].numpy()
    return before, machine.peak_memory(), (time.perf_counter() - began) / options.steps


def _build(options, names, places):
    made, shape = {}, (options.image_size, options.image_size, 3)
    for index, (name, place) in enumerate(zip(names, places)):
        with tf.device(place) if place else contextlib.nullcontext():
            made[f"{index}_{name}"] = kdcl_tf.students.build(
                name,
                options.num_classes,
                shape,
                dtype=POLICIES[options.precision],
                model_name=f"{name}_{index}",
            )
    return made


def _compile(cohort, **kwargs):
    cohort.compile(CoupledSGD(0.01, momentum=0.9, coupled_weight_decay=5e-4), **kwargs)


def _batch(cohort, size, classes):
    shape = (size, *next(iter(cohort.students.values())).input_shape[1:])
    views = {name: tf.random.normal(shape) for name in cohort.students}
    return views, tf.random.uniform([size], maxval=classes, dtype=tf.int64)


def _data_step(options):
    strategy = tf.distribute.MirroredStrategy(
        list(_DEVICES), cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    with strategy.scope():
        members = _build(options, options.students, [None] * len(options.students))
        cohort = kdcl_tf.KDCL(members)
        _compile(cohort)

    def of_replica(context):
        with tf.device(_DEVICES[context.replica_id_in_sync_group]):
            return _batch(cohort, options.batch_size // len(_DEVICES), options.num_classes)

    batch = strategy.experimental_distribute_values_from_function(of_replica)

    @tf.function
    def step(batch):
        return strategy.reduce(
            "MEAN", strategy.run(cohort.train_step, args=(batch,))["loss"], axis=None
        )

    return step, (batch,)


def _student_step(options):
    places = [_DEVICES[index % len(_DEVICES)] for index in range(len(options.students))]
    members = _build(options, options.students, places)
    cohort = kdcl_tf.KDCL(members)
    _compile(cohort, devices=dict(zip(members, places)))

    @tf.function
    def step(batch):
        return cohort.train_step(batch)["loss"]

    return step, (_batch(cohort, options.batch_size, options.num_classes),)


def _alone_step(options, names, batch_size):
    members = _build(options, names, [None] * len(names))
    cohort = kdcl_tf.KDCL(members)
    _compile(cohort)

    @tf.function
    def step(batch):
        return cohort.train_step(batch)["loss"]

    return step, (_batch(cohort, batch_size, options.num_classes),)


def _students(options):
    return _build(options, options.students, [None] * len(options.students)).values()


def _workload(options):
    return traffic.Workload(
        parameters=tuple(map(kdcl_tf.students.parameter_count, _students(options))),
        num_classes=options.num_classes,
        batch_size=options.batch_size,
        view_bytes=options.image_size**2 * 3 * 4,
    )


def _show_bytes(name, found, workload):
    unknown = [each.tensor for each in found if each.size is None]
    inputs = sum(each.size or 0 for each in found if each.is_input)
    small = sum(each.size or 0 for each in found if each.size == 4)
    rest = sum(each.size or 0 for each in found if not each.is_input) - small
    model = {"data": traffic.data_bytes, "student": traffic.student_bytes}[name]
    print(
        f"--placement={name}: {rest:,} bytes cross between the devices per step (model "
        f"{model(workload, len(_DEVICES)):,.0f}), besides {inputs:,} bytes of images and {small:,} "
        "of single numbers" + (f"; of unknown size: {', '.join(unknown)}" if unknown else ""),
        flush=True,
    )


def _show_seconds(options, workload, alone, placed):
    cores = sorted(os.sched_getaffinity(0))
    # [rounds, programs, 2]: time by the clock, and processor time of all cores together.
    rounds = [_round(options, cores, alone, placed) for _ in range(options.pairs + 1)]
    seconds = np.array(rounds)[1:]
    # Other programs on the machine can only add time, so the fastest round is taken.
    clock, work = seconds.min(axis=0).T
    own_clock = clock[: len(options.students)]
    by_device = [sum(own_clock[first :: len(_DEVICES)]) for first in range(len(_DEVICES))]
    model = (sum(own_clock) / len(_DEVICES), max(by_device))
    for name, own, student in zip(options.students, own_clock, _students(options)):
        flops = _OPERATIONS * multiply_adds(student)
        rate = flops * options.batch_size / own
        print(f"{name} alone on one core: {1000 * own:.1f} ms, {rate / 1e9:.1f} GFLOP/s")
    share = clock[len(options.students)]
    print(
        f"all students on one device's share of the batch, on one core: {1000 * share:.1f} ms "
        f"(model {1000 * model[0]:.1f} ms), measured over model {share / model[0]:.3f}"
    )
    alone_work = sum(work[: len(options.students)])
    for name, own, spent, predicted in zip(("data", "student"), clock[-2:], work[-2:], model):
        print(
            f"--placement={name}: {1000 * own:.1f} ms (model {1000 * predicted:.1f} ms), measured "
            f"over model {own / predicted:.3f}; processor time {spent / alone_work:.3f} of that of "
            "the students alone"
        )
    print(f"most cores busy at once: {(seconds[..., 1] / seconds[..., 0])[:, -2:].max():.2f}")
    ratio = seconds[:, -1, 0] / seconds[:, -2, 0]
    print(
        f"student over data: {clock[-1] / clock[-2]:.3f} in the fastest rounds (model "
        f"{model[1] / model[0]:.3f}), {_quartiles(ratio)} over the pairs"
    )
    batch = step_times.crossover_bytes(workload, len(_DEVICES))
    print(f"both exchange as many bytes at a batch of {batch:,.0f} images")


def _round(options, cores, alone, placed):
    """Seconds per step: of what runs alone on one core, then of both placements on all cores."""
    _pin(cores[:1])
    found = [_seconds(options, *each) for each in alone]
    _pin(cores)
    return [*found, *[_seconds(options, *each) for each in placed]]


def _pin(cores):
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), cores)


def _seconds(options, step, args):
    """Seconds per step by the clock, and of processor time on all cores."""
    began, worked = time.perf_counter(), time.process_time()
    for _ in range(options.steps):
        loss = step(*args)
    loss.numpy()
    spent = time.perf_counter() - began, time.process_time() - worked
    return [each / options.steps for each in spent]


def _quartiles(ratio):
    low, middle, high = np.quantile(ratio, [0.25, 0.5, 0.75])
    return f"{middle:.3f} (quartiles {low:.3f}, {high:.3f})"
