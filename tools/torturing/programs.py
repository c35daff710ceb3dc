"""The programs that faults are put into: their data, their command lines and what they compute."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

EPOCHS = 3
CLASSES = ("ape", "bee", "cow")


@dataclasses.dataclass(frozen=True)
class Program:
    """A program with what it is run on.

    Attributes:
      name: its own.
      door: the module of kdcl_tf that has it.
      write_data: writes what it reads into a folder.
      arguments: of data and workdir, its flags.
      outcome: of workdir and standard output, what it has computed; None where it is not complete.
      steps: of each epoch.
      exports: of a workdir, the folder of its exported models and how many there are.
      base: the program whose complete run it reads; None for one that makes a run.
    """

    name: str
    door: str
    write_data: Callable[[pathlib.Path], None]
    arguments: Callable[[pathlib.Path, pathlib.Path], list[str]]
    outcome: Callable[[pathlib.Path, str], Any]
    steps: int = 0
    exports: Callable[[pathlib.Path], tuple[pathlib.Path, int]] = lambda workdir: (workdir, 1)
    base: Program | None = None


def _write_photographs(folder):
    """Three classes of small PNG images of noise, 10 to train on and 4 to test on each."""
    for split, label, index, pixels in _photographs():
        place = folder / split / CLASSES[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{index}.png")


def _photographs():
    rng = np.random.default_rng(0)
    for split, count in (("train", 10), ("test", 4)):
        for label in range(len(CLASSES)):
            for index in range(count):
                pixels = rng.integers(0, 200, [8, 8, 3]) + 25 * label
                yield split, label, index, pixels.astype(np.uint8)


def _write_records(folder):
    """The same images in TFRecord files, two of those to train on."""
    folder.mkdir()
    shards = {"train": [[], []], "test": [[]]}
    for split, label, index, pixels in _photographs():
        shards[split][index % len(shards[split])].append(_example(pixels, label))
    for split, parts in shards.items():
        for number, part in enumerate(parts):
            write_shard(folder / f"{split}-{number:05d}-of-{len(parts):05d}", part)


def _example(pixels, label):
    import io

    import tensorflow as tf

    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    example = tf.train.Example()
    features = example.features.feature
    features["image/encoded"].bytes_list.value.append(content.getvalue())
    # Labels of ImageNet's scripts begin with 1.
    features["image/class/label"].int64_list.value.append(label + 1)
    return example.SerializeToString()


def write_shard(path: pathlib.Path, records: list[bytes]) -> None:
    """Writes a TFRecord file."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def read_shard(path: pathlib.Path) -> list[bytes]:
    """The records of a TFRecord file, read without TensorFlow's threads."""
    content, records = path.read_bytes(), []
    while content:
        length = int.from_bytes(content[:8], "little")
        # Length and its checksum, the record, and its checksum.
        records.append(content[12 : 12 + length])
        content = content[16 + length :]
    return records


def _write_scenes(folder):
    """Six images to train on and three to test on, with a box or two each, as COCO has them."""
    rng = np.random.default_rng(0)
    (folder / "annotations").mkdir(parents=True)
    for split, count in (("train2017", 6), ("val2017", 3)):
        (folder / split).mkdir()
        images, annotations = [], []
        for number in range(1, count + 1):
            pixels = rng.integers(0, 256, [40, 48, 3]).astype(np.uint8)
            Image.fromarray(pixels).save(folder / split / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "height": 40, "width": 48})
            for box in ([4, 6, 20, 16], [20, 12, 24, 20])[: 1 + number % 2]:
                annotations.append(_annotation(len(annotations) + 1, number, box))
        categories = [{"id": 1 + each, "name": name} for each, name in enumerate(CLASSES)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))


def _annotation(number, image, box):
    return {
        "id": number,
        "image_id": image,
        "category_id": 1 + number % 3,
        "bbox": box,
        "area": float(box[2] * box[3]),
        "iscrowd": 0,
    }


def _training(workdir, *more):
    return [
        f"--workdir={workdir}",
        f"--epochs={EPOCHS}",
        "--milestones=2",
        "--checkpoint_seconds=0",
        *more,
    ]


def _cohort(workdir):
    more = ("--students=resnet8,wrn_10_1", "--ensemble=general", "--holdout_per_class=2")
    return _training(workdir, *more, "--batch_size=6")


def _run_outcome(workdir, _):
    """The log without times, and every variable."""
    import tensorflow as tf

    from kdcl_tf.training import manifests

    if not (workdir / "result.json").exists():
        return None
    times = ("seconds", "images_per_second")
    records = map(json.loads, (workdir / "log.jsonl").read_text().splitlines())
    log = [{name: each[name] for name in each if name not in times} for each in records]
    newest, _ = manifests.newest(workdir / "checkpoints")
    reader = tf.train.load_checkpoint(str(newest / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if "VALUE" in name]
    return log, {name: reader.get_tensor(name).tobytes() for name in names}


def are_near(found: tuple[list, dict] | None, expected: tuple[list, dict]) -> bool:
    """Whether two runs had the same epochs and steps, and nearly the same losses."""
    if found is None or len(found[0]) != len(expected[0]):
        return False
    return all(
        (one["epoch"], one["step"]) == (other["epoch"], other["step"])
        and abs(one["loss"] - other["loss"]) <= 0.05 * abs(other["loss"])
        for one, other in zip(found[0], expected[0])
    )


def damaged_exports(folder: pathlib.Path, count: int) -> list[str]:
    """What is wrong with the exported models in a folder, of which there are `count`, in words."""
    from kdcl_tf.files import identity

    found, cards = [], sorted(folder.glob("*/*.json"))
    cards = [path for path in cards if path.name in ("student.json", "detector.json")]
    for path in cards:
        facts = json.loads(path.read_text())
        found.append("" if identity.is_sealed(facts) else f"the card of {path.parent.name}")
        found.append(identity.damage(path.parent, facts["checksums"]))
    missing = [] if len(cards) == count else [f"{len(cards)} exports, not {count}"]
    return [each for each in found if each] + missing


def _students(workdir):
    return workdir / "students", 2


def _exported(workdir, _):
    """The names of the files that `kdcl-export` has written, and what is wrong with them."""
    folder = workdir.with_name("models")
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    return names, damaged_exports(folder, 2)


def _scores(_, stdout):
    return stdout


CLASSIFIER = Program(
    "kdcl-train",
    "train",
    _write_photographs,
    lambda data, workdir: [f"--dataset=folder:{data}", *_cohort(workdir)],
    _run_outcome,
    steps=4,
    exports=_students,
)
RECORDS = Program(
    "kdcl-train on TFRecords",
    "train",
    _write_records,
    # On disk, so that records are read while it trains.
    lambda data, workdir: [f"--dataset=tfrecord:{data}", "--storage=disk", *_cohort(workdir)],
    _run_outcome,
    steps=4,
    exports=_students,
)
DETECTOR = Program(
    "kdcl-detect",
    "detect",
    _write_scenes,
    lambda data, workdir: _training(
        workdir,
        f"--dataset=coco:{data}",
        "--detector=faster",
        "--backbone=resnet8",
        "--short_side=32",
        "--long_side=48",
        "--regions_per_image=8",
        "--batch_size=2",
        "--learning_rate=0.01",
    ),
    _run_outcome,
    steps=3,
)
EXPORT = Program(
    "kdcl-export",
    "export",
    _write_photographs,
    lambda _, workdir: [f"--workdir={workdir}", f"--output={workdir.with_name('models')}"],
    _exported,
    base=CLASSIFIER,
)
EVALUATE = Program(
    "kdcl-evaluate",
    "evaluate",
    _write_photographs,
    lambda data, workdir: [f"--workdir={workdir}", f"--dataset=folder:{data}"],
    _scores,
    base=CLASSIFIER,
)
