"""What crosses between devices in a step, read from the graphs that TensorFlow makes of it.

TensorFlow cuts a function into one graph a device, with a `_Send` where a tensor leaves;
those graphs, and not the one that was traced, say what travels.
"""

import dataclasses
import tempfile

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Transfer:
    """One tensor that goes from one device to another in every step.

    Attributes:
      tensor: the name of the op that makes it.
      source, target: short names of devices, such as "CPU:1".
      size: bytes; None where the graph does not tell the shape.
      is_input: whether it is an argument of the step, such as images.
    """

    tensor: str
    source: str
    target: str
    size: int | None
    is_input: bool = False


def transfers(function, *args):
    """The transfers of a step.

    Args:
      function: a `tf.function` that was not called yet, as its graphs are told only once.
      *args: tensors of known shapes; the function is run on them once.

    Returns:
      A list of `Transfer`, without the empty tensors that only say that an op is done.
    """
    concrete = function.get_concrete_function(*args)
    shapes = {}
    for op in concrete.graph.get_operations():
        for output in op.outputs:
            shapes[output.name] = (output.shape, output.dtype, op.type == "Placeholder")
    found = []
    for graph in _partition_graphs(function, args):
        nodes = {node.name: node for node in graph.node}
        for node in graph.node:
            if node.op in ("_Send", "_HostSend") and not _is_signal(node, nodes):
                found.append(_transfer(node, shapes))
    return found


def _partition_graphs(function, args):
    with tempfile.TemporaryDirectory() as folder:
        writer = tf.summary.create_file_writer(folder)
        tf.summary.trace_on(graph=True, profiler=False)
        function(*args)
        with writer.as_default():
            tf.summary.trace_export("step", step=0)
        writer.close()
        (path,) = tf.io.gfile.glob(f"{folder}/*")
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            for value in tf.compat.v1.Event.FromString(record).summary.value:
                metadata = tf.compat.v1.RunMetadata.FromString(value.tensor.string_val[0])
                for each in metadata.function_graphs:
                    yield from each.partition_graphs


def _is_signal(send, nodes):
    """Whether a send stands for a control edge: an empty constant."""
    sent = nodes.get(send.input[0].split(":")[0])
    shape = sent.attr["value"].tensor.tensor_shape.dim if sent is not None else ()
    return sent is not None and sent.op == "Const" and [each.size for each in shape] == [0]


def _transfer(send, shapes):
    name = send.input[0] if ":" in send.input[0] else f"{send.input[0]}:0"
    # A sum that TensorFlow has joined of others has the name of the last one.
    traced = name.replace("ArithmeticOptimizer/AddOpsRewrite_", "")
    shape, dtype, is_input = shapes.get(traced, (tf.TensorShape(None), tf.float32, False))
    size = shape.num_elements() * dtype.size if shape.is_fully_defined() else None
    ends = (send.attr["send_device"].s, send.attr["recv_device"].s)
    return Transfer(name, *[end.decode().split("device:")[-1] for end in ends], size, is_input)
