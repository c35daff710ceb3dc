"""LiteRT and ONNX files of `kdcl-export`, loaded by their own runtimes, as students are.

Importing this module, and loading a file, imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kdcl_tf.files.extras import MissingPackageError, require
from kdcl_tf.files.identity import DamageError
from kdcl_tf.serving import card_facts, cards, exported, images as images_lib
from kdcl_tf.serving.formats import attachments

__all__ = ["SUFFIXES", "MissingPackageError", "is_file", "load_file", "require_runtime"]

# How the names of such files end.
SUFFIXES = cards.RUNTIME_SUFFIXES
_PACKAGES = {".tflite": "ai_edge_litert", ".onnx": "onnxruntime"}
_OUTPUTS = ("logits", "probabilities")


def is_file(path: str | os.PathLike) -> bool:
    """Whether a path has the name of a LiteRT or ONNX file; it need not be there."""
    return pathlib.Path(path).suffix in SUFFIXES


def load_file(
    path: str | os.PathLike, threads: int | None = None
) -> tuple[Callable[[Any], dict[str, np.ndarray]], dict[str, Any]]:
    """Loads a `.tflite` or `.onnx` file that `kdcl-export` wrote.

    Args:
      path: of the file.  The card beside it, `<file>.json`, is read where there is one, and the
        file compared with its checksum; otherwise the card inside the file.
      threads: of the runtime; None is the runtime's own choice.

    Returns:
      `(predict, card)`, like `serving.load_student`: `predict(images)` takes uint8
      `[B, H, W, C]` with any B, 0 too, the card's H, W and C, and gives
      `{"logits", "probabilities"}`, NumPy arrays float32 `[B, num_classes]`; it raises
      ValueError for images of another size or type.  Unlike a SavedModel it takes no floats.
      LiteRT runs an image at a time.  `card` has the facts of `student.json` without checksums,
      `class_names` and the file's `file_format` included.

    Raises:
      MissingPackageError: where the file's runtime is not installed.
      ValueError: when the path is no such file, or no card tells what is in it.
      DamageError: when the file or its card is not what was written, or its runtime cannot load
        it.
    """
    path = pathlib.Path(path).expanduser()
    if not is_file(path) or not path.is_file():
        raise ValueError(
            f"expected a LiteRT or ONNX file, {' or '.join(f'NAME{each}' for each in SUFFIXES)}, "
            f"that kdcl-export wrote; got {path}, which is {_kind_of(path)}"
        )
    require(_PACKAGES[path.suffix])
    card = _card_beside(path)
    loaded = {".tflite": _litert, ".onnx": _onnx}[path.suffix](path, threads)
    card = card or _card_inside(path, loaded)
    _check_model(path, card, loaded)
    card = {name: fact for name, fact in card.items() if name not in ("checksums", "checksum")}

    def predict(images):
        images = images_lib.whole_numbers(images, card["image_shape"])
        if not len(images):
            empty = np.zeros([0, card["num_classes"]], np.float32)
            return {name: empty.copy() for name in _OUTPUTS}
        return loaded.run(images)

    return predict, card


def require_runtime(path: str | os.PathLike) -> None:
    """Refuses to go on without the package that runs a file, if the path has the name of one.

    Raises:
      MissingPackageError: when it cannot be imported.
    """
    if is_file(path):
        require(_PACKAGES[pathlib.Path(path).suffix])


def _kind_of(path):
    if not path.exists():
        return "not there"
    return "a folder" if path.is_dir() else "a file of another name"


class _Loaded(NamedTuple):
    """A file in its runtime.

    Attributes:
      run: uint8 images `[B, H, W, C]`, B above 0, to `{output: float32 [B, num_classes]}`, of a
        file with one input.
      inputs: `(shape, whether it is uint8)` of each.  What a shape does not fix is no number, or
        -1.
      outputs: `{name: shape}`.
      card: the text of the card inside the file, or None.
    """

    run: Callable[[np.ndarray], dict[str, np.ndarray]]
    inputs: list[tuple[list[Any], bool]]
    outputs: dict[str, list[Any]]
    card: str | None


def _card_beside(path):
    """The facts of the card beside a file, which is compared with its checksum, or None."""
    if not cards.read_beside(path):
        return None
    facts = cards.read_student(path)
    exported.check(path, facts)
    return facts


def _card_inside(path, loaded):
    if loaded.card is None:
        raise ValueError(
            f"expected a file that kdcl-export wrote; got {path}, without a card inside it or in "
            f"{cards.path_of(path).name} beside it"
        )
    return card_facts.checked_student(path, attachments.facts_of(path, loaded.card))


def _litert(path, threads):
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
        names = list(interpreter.get_signature_list())
        # Ours have one; what a file of another hand without it has is not asked.
        signature = interpreter.get_signature_runner(names[0]) if len(names) == 1 else None
    except (ValueError, RuntimeError) as error:
        raise _unloadable(path, error) from error
    inputs = signature.get_input_details() if signature else {}
    outputs = signature.get_output_details() if signature else {}

    def run(images):
        (name,) = inputs
        found = [signature(**{name: image[None]}) for image in images]
        return {
            each: _floats(np.concatenate([one[each] for one in found]), outputs[each])
            for each in _OUTPUTS
        }

    return _Loaded(
        run,
        [(each["shape"].tolist(), each["dtype"] == np.uint8) for each in inputs.values()],
        {name: each["shape_signature"].tolist() for name, each in outputs.items()},
        attachments.archived(path, attachments.CARD),
    )


def _floats(values, details):
    """What an output stands for, which may be whole numbers."""
    if values.dtype == np.float32:
        return values
    scale, zero_point = details["quantization"]
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def _onnx(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    providers = ["CPUExecutionProvider"]
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    # The runtime's errors have no common class but this one.
    except Exception as error:
        raise _unloadable(path, error) from error

    inputs = session.get_inputs()

    def run(images):
        return dict(zip(_OUTPUTS, session.run(_OUTPUTS, {inputs[0].name: images})))

    return _Loaded(
        run,
        [(list(each.shape), each.type == "tensor(uint8)") for each in inputs],
        {each.name: list(each.shape) for each in session.get_outputs()},
        session.get_modelmeta().custom_metadata_map.get(attachments.CARD),
    )


def _unloadable(path, error):
    said = (str(error).splitlines() or [""])[0] or type(error).__name__
    return DamageError(f"{path} is damaged, its runtime cannot load it ({said}): export it again")


def _check_model(path, card, loaded):
    """Raises DamageError when a card is of another model than the file's."""
    expected, count = list(card["image_shape"]), card["num_classes"]
    shapes = [shape for shape, _ in loaded.inputs]
    fits = [shape[1:] for shape in shapes] == [expected] and loaded.inputs[0][1]
    if not fits or not all(_has_classes(loaded.outputs.get(name), count) for name in _OUTPUTS):
        outputs = [f"{name} {shape}" for name, shape in loaded.outputs.items()]
        raise DamageError(
            f"{path} is not what its card tells of: expected a model of uint8 [B, "
            f"{', '.join(map(str, expected))}] with {' and '.join(_OUTPUTS)} of {count} classes; got "
            f"one of {' and '.join(map(str, shapes)) or 'no signature'} with "
            f"{', '.join(outputs) or 'no outputs'}; export it again"
        )


def _has_classes(shape, count):
    """Whether an output may be `[B, count]`: a file need not say how long it is."""
    if not shape:
        return False
    is_told = isinstance(shape[-1], int) and shape[-1] >= 0
    return not is_told or shape[-1] == count
