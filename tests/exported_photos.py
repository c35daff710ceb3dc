"""An untrained student, exported, and photographs of several kinds, for tests of predictions."""

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from kdcl_tf import serving
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving import cards
from kdcl_tf.serving.cards import Card
from tests import image_files

CLASSES = ("cat & <dog>", 'b,"c"', "gn\u00fa")


def export(path, distortion="padded_crop", shape=(16, 20, 3), classes=CLASSES, dataset="", **more):
    """Exports a small network with weights of a fixed seed; returns its path."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    student = keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(8, 3, 2, activation="relu"),
            layers.Conv2D(16, 3, 2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(len(classes)),
        ]
    )
    ours = Normalization((0.5,) * shape[-1], (0.25,) * shape[-1])
    card = Card(path.name, shape, classes, ours, distortion=distortion, dataset=dataset, more=more)
    return serving.export_student(student, path, card=card)


# The classes of `export_files`, in the order of the channels.
COLOURS = ("red", "green", "blue")


def export_files(folder):
    """Writes `colours.tflite` and `colours.onnx`, whose logits are the mean of each channel."""
    import tf2onnx

    def means(count):
        @tf.function(input_signature=[tf.TensorSpec([count, 4, 4, 3], tf.uint8, name="images")])
        def function(images):
            logits = tf.reduce_mean(tf.cast(images, tf.float32) / 255.0, axis=[1, 2])
            return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

        return function

    one, any_number = means(1).get_concrete_function(), means(None)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([one], tf.Module())
    onnx, _ = tf2onnx.convert.from_function(any_number, any_number.input_signature, opset=17)
    card = Card("colours", (4, 4, 3), COLOURS, Normalization((0.0,) * 3, (1.0,) * 3))
    paths = []
    for suffix, content in ((".tflite", converter.convert()), (".onnx", onnx.SerializeToString())):
        paths.append(folder / f"colours{suffix}")
        paths[-1].write_bytes(content)
        cards.write(card, paths[-1])
    return paths


def write_colours(folder):
    """A picture of each colour in `folder/<colour>/`"""
    for channel, name in enumerate(COLOURS):
        pixels = np.zeros([9, 7, 3], np.uint8)
        pixels[..., channel] = 204
        image_files.write(folder / name, {"plain.png": image_files.encode(pixels, "PNG")})


def write_photos(folder, count):
    """So many photographs in `folder/<colour>/` for each colour, all different."""
    for seed, colour in enumerate(COLOURS):
        contents = {
            f"{number}.jpg": image_files.encode(image_files.photo(10 * seed + number))
            for number in range(count)
        }
        image_files.write(folder / colour, contents)


def turned(orientation=6, **kwargs):
    """A JPEG whose EXIF says that it is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return image_files.encode(image_files.photo(**kwargs), exif=exif)


def contents():
    """`{name: bytes}` of images of several sizes and kinds, and one that is cut short."""
    whole = image_files.encode(image_files.photo(1))
    return {
        "a.jpg": image_files.encode(image_files.photo(0, 37, 61)),
        "b.png": image_files.encode(image_files.photo(2, 20, 16), "PNG"),
        "c.jpg": whole[: len(whole) // 2],
        "d.jpg": turned(seed=3),
        "e.gif": image_files.encode(image_files.photo(4, 90, 30), "GIF"),
    }
