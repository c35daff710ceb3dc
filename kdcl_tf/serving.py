"""Students as they are served: a SavedModel that takes uint8 images and needs only TensorFlow."""

import json
import pathlib
import shutil

import keras
import tensorflow as tf

__all__ = ["export_student", "load_student"]

_CARD = "student.json"
_CLASS_NAMES = "class_names.txt"


class _ServedStudent(tf.Module):
    """Normalisation, the student in inference mode, and the softmax, as one function."""

    def __init__(self, student, image_shape, mean, deviation):
        super().__init__()
        self.student = student
        self._mean = tf.constant(mean, tf.float32)
        self._deviation = tf.constant(deviation, tf.float32)
        signature = tf.TensorSpec([None, *image_shape], tf.uint8, name="images")
        self.serve = tf.function(self._serve, input_signature=[signature])

    def _serve(self, images):
        # TensorFlow's oneDNN convolution gives no images a wrong shape: it gets one then.
        count = tf.shape(images)[0]
        empty = tf.cast(count == 0, tf.int32)
        images = tf.pad(images, [[0, empty], [0, 0], [0, 0], [0, 0]])
        pixels = tf.cast(images, tf.float32) / 255.0
        logits = self.student((pixels - self._mean) / self._deviation, training=False)
        logits = tf.cast(logits, tf.float32)[:count]
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}


def export_student(student, path, *, dataset, card=None):
    """Writes a student as a SavedModel that loads where `kdcl_tf` is not installed.

    Its signature `serving_default` takes `images`, uint8 `[B, H, W, C]` of any B, and gives
    `logits` and `probabilities`, float32 `[B, num_classes]`.  Beside it are
    `class_names.txt`, a line a class, and `student.json`.

    Args:
      student: a built keras.Model of normalised images.
      path: the folder; it appears in one rename, and replaces an older one.
      dataset: `data.ImageDataset` it was trained on, for the normalisation and names.
      card: further JSON-able facts for `student.json`.

    Returns:
      The path.

    Raises:
      FileExistsError: when there is something else at the path.
    """
    path = pathlib.Path(path)
    if path.exists() and not (path / "saved_model.pb").exists():
        raise FileExistsError(f"{path} is there and is no exported student: it is not replaced")
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    served = _ServedStudent(student, dataset.image_shape, dataset.mean, dataset.deviation)
    tf.saved_model.save(served, str(partial), signatures={"serving_default": served.serve})
    (partial / _CLASS_NAMES).write_text("".join(f"{name}\n" for name in dataset.class_names))
    facts = {
        "student": student.name,
        "image_shape": list(dataset.image_shape),
        "num_classes": dataset.num_classes,
        "mean": list(dataset.mean),
        "deviation": list(dataset.deviation),
        **(card or {}),
    }
    (partial / _CARD).write_text(json.dumps(facts, indent=2) + "\n")
    shutil.rmtree(path, ignore_errors=True)
    partial.rename(path)
    return path


def load_student(path):
    """Loads an exported student.

    Returns:
      `(predict, card)`: `predict(images)` takes uint8 `[B, H, W, C]` and gives
      `{"logits", "probabilities"}`; `card` is `student.json`, with `class_names` added.

    Raises:
      ValueError: when the folder is no student that `export_student` wrote.
    """
    path = pathlib.Path(path).expanduser()
    if not (path / "saved_model.pb").exists() or not (path / _CARD).exists():
        raise ValueError(
            f"{path} is not an exported student: wanted a folder with saved_model.pb and "
            f"{_CARD}, such as WORKDIR/students/NAME"
        )
    card = json.loads((path / _CARD).read_text())
    card["class_names"] = (path / _CLASS_NAMES).read_text().splitlines()
    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures["serving_default"]

    def predict(images):
        # `loaded` is named here because a signature does not keep its variables alive.
        return loaded and signature(images=tf.convert_to_tensor(images, tf.uint8))

    return predict, card


def save_keras(student, path):
    """Writes a `.keras` file of the student itself, which takes normalised images."""
    path = pathlib.Path(path)
    partial = path.with_name(f".partial-{path.name}")
    keras.saving.save_model(student, partial)
    partial.replace(path)
    return path


def save_weights(student, path):
    """Writes a `.weights.h5` file, for a student that is built again by the same name."""
    path = pathlib.Path(path)
    partial = path.with_name(f".partial-{path.name}")
    student.save_weights(partial)
    partial.replace(path)
    return path
