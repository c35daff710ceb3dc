"""Finds the tensors that cross between devices in a step, in the graphs that TensorFlow makes.

TensorFlow cuts a function into one graph for each device, with a `_Send` where a tensor leaves a
device.  Those graphs, and not the traced graph, tell what crosses.  Here they are made without
TensorFlow's optimisations, whose new names would hide the shapes.
"""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Transfer:
    """One tensor that crosses from one device to another in every step.

    Attributes:
      tensor: the name of the tensor in the traced graph.
      source, target: short names of devices, such as "CPU:1".
      size: the size in bytes; None where the graph does not give the shape.
      is_input: whether the tensor is an argument of the step, such as images.
    """

    tensor: str
    source: str
    target: str
    size: int | None
    is_input: bool = False


def transfers(step: Callable, *args: tf.Tensor) -> list[Transfer]:
    """The transfers of a step.

    Args:
      step: a function of tensors, which is traced here.
      *args: tensors of known shapes, on which the step is run once.

    Returns:
      The transfers, without the empty tensors that only signal the end of an op.
    """
    function = tf.function(step)
    operations = function.get_concrete_function(*args).graph.get_operations()
    shapes = {}
    for op in operations:
        for output in op.outputs:
            shapes[output.name] = (output.shape, output.dtype, op.type == "Placeholder")
    # TensorFlow also reports other functions that ran meanwhile: the step's is the one that shares
    # most names with the traced graph.
    names, found = {op.name for op in operations}, []
    best = max(_function_graphs(function, args), key=lambda each: _in_common(each, names))
    for graph in best.partition_graphs:
        nodes = {node.name: node for node in graph.node}
        for node in graph.node:
            if node.op in ("_Send", "_HostSend") and not _is_signal(node, nodes):
                found.append(_transfer(node, shapes))
    return found


def _in_common(graphs, names):
    return sum(node.name in names for node in graphs.pre_optimization_graph.node)


def _function_graphs(function, args):
    with tempfile.TemporaryDirectory() as folder:
        writer = tf.summary.create_file_writer(folder)
        tf.summary.trace_on(graph=True, profiler=False)
        with _ops_as_written():
            function(*args)
        with writer.as_default():
            tf.summary.trace_export("step", step=0)
        writer.close()
        (path,) = tf.io.gfile.glob(f"{folder}/*")
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            for value in tf.compat.v1.Event.FromString(record).summary.value:
                metadata = tf.compat.v1.RunMetadata.FromString(value.tensor.string_val[0])
                yield from metadata.function_graphs


@contextlib.contextmanager
def _ops_as_written():
    """Keeps TensorFlow from rewriting ops, since new names would hide their shapes."""
    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})


def _is_signal(send, nodes):
    """Whether a send stands for a control edge: an empty constant."""
    sent = nodes.get(send.input[0].split(":")[0])
    shape = sent.attr["value"].tensor.tensor_shape.dim if sent is not None else ()
    return sent is not None and sent.op == "Const" and [each.size for each in shape] == [0]


def _transfer(send, shapes):
    name = send.input[0] if ":" in send.input[0] else f"{send.input[0]}:0"
    shape, dtype, is_input = shapes.get(name, (tf.TensorShape(None), tf.float32, False))
    size = shape.num_elements() * dtype.size if shape.is_fully_defined() else None
    ends = (send.attr["send_device"].s, send.attr["recv_device"].s)
    return Transfer(name, *[end.decode().split("device:")[-1] for end in ends], size, is_input)
