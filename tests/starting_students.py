"""Sources of weights, and settings of runs whose students start from them."""

import os
import pathlib
import signal

import keras

from kdcl_tf import serving, students
from kdcl_tf.classification.settings import Settings
from kdcl_tf.classification.task import Classification
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving import cards
from kdcl_tf.training.session import Session
from kdcl_tf.training.workdir import Workdir
from tests import image_files
from tests.students.plain_layers import move_statistics

CLASSES = ("ant", "bee", "cat")
OWN = Normalization((0.2, 0.5, 0.7), (0.3, 0.4, 0.5))


def make(folder: pathlib.Path) -> dict[str, keras.Model]:
    """Writes photographs of three classes and the files of two students; returns the students.

    `resnet8.keras` says nothing of itself, `exported` has its card, and `named.keras` has other classes.
    """
    for split, count in (("train", 5), ("test", 4)):
        for number, name in enumerate(CLASSES):
            contents = {
                f"{split}/{name}/{each}.png": image_files.encode(
                    image_files.photo(100 * number + 10 * count + each, 8, 8), "PNG"
                )
                for each in range(count)
            }
            image_files.write(folder / "photos", contents)
    # Other numbers than those of a run, whatever was tested before.
    keras.utils.set_random_seed(1234)
    sources = {name: student(name) for name in ("resnet8", "wrn_10_1")}
    serving.save_keras(sources["resnet8"], folder / "resnet8.keras")
    serving.export_student(sources["wrn_10_1"], folder / "exported", card=card("wrn_10_1", CLASSES))
    serving.save_keras(sources["resnet8"], folder / "named.keras")
    cards.write(card("resnet8", ("ant", "bee", "dog")), folder / "named.keras")
    return sources


def student(name: str) -> keras.Model:
    """One of three classes whose batch norm has statistics of its own."""
    found = students.build(name, 3, (8, 8, 3))
    move_statistics(found)
    return found


def card(name: str, classes: tuple) -> serving.Card:
    return serving.Card(name, (8, 8, 3), classes, OWN, architecture=name)


def settings(folder: pathlib.Path, **changes) -> Settings:
    """Of a run of one epoch on the photographs in a folder, see `make`."""
    common = {
        "dataset": f"folder:{folder / 'photos'}",
        "students": ("resnet8", "wrn_10_1"),
        "initial_weights": (
            f"resnet8={folder / 'resnet8.keras'}",
            f"wrn_10_1={folder / 'exported'}",
        ),
        "initial_normalization": ("resnet8=caffe",),
        "epochs": 1,
        "batch_size": 6,
        "milestones": (),
    }
    return Settings(**{**common, **changes})


def session(given: Settings, folder: pathlib.Path, kind: type[Workdir] = Workdir) -> Session:
    """A session of the settings, in a workdir that may be `Stopping`."""
    return Session(Classification(given), kind(folder))


class Stopping(Workdir):
    """A workdir whose run is stopped after its first epoch."""

    def log_epoch(self, record):
        super().log_epoch(record)
        os.kill(os.getpid(), signal.SIGTERM)
