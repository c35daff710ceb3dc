"""An untrained student, exported, and photographs of several kinds, for tests of predictions."""

import keras
from PIL import Image

from kdcl_tf import serving, students
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving.cards import Card
from tests import image_files

CLASSES = ("cat & <dog>", "b,\"c\"", "gn\u00fa")


def export(path, distortion="padded_crop", shape=(16, 20, 3), classes=CLASSES, **more):
    """Exports a resnet8 with weights of a fixed seed; returns its path."""
    keras.utils.set_random_seed(0)
    student = students.build("resnet8", len(classes), shape, model_name=path.name)
    ours = Normalization((0.5,) * shape[-1], (0.25,) * shape[-1])
    card = Card(path.name, shape, classes, ours, distortion=distortion, more=more)
    return serving.export_student(student, path, card=card)


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
