"""Faults between two starts: files that are damaged, and data that is no longer the same."""

from __future__ import annotations

import json
import os
import shutil

from torturing import programs


def of_any_file(ground):
    """Spoils one file of the run."""
    paths = [path for path in sorted(ground.workdir.rglob("*")) if path.is_file()]
    _spoil(ground.chance.choice(paths), ground.chance)


def of_the_newest(ground):
    newest = max((ground.workdir / "checkpoints").glob("step-*"))
    _spoil(ground.chance.choice(sorted(newest.iterdir())), ground.chance)


def _spoil(path, chance):
    content = bytearray(path.read_bytes())
    way = chance.choice(["flip", "cut", "empty", "delete", "garbage", "longer"])
    if way == "delete":
        path.unlink()
        return
    if way == "flip" and content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    elif way == "cut":
        content = content[: len(content) // 2]
    elif way == "empty":
        content = bytearray()
    elif way == "garbage":
        content = bytearray(chance.randbytes(len(content)))
    else:
        content += b"\0{"
    path.write_bytes(content)


def of_a_student(ground):
    """Spoils one file of an exported student."""
    paths = sorted(path for path in (ground.workdir / "students").rglob("*") if path.is_file())
    _spoil(ground.chance.choice(paths), ground.chance)


def of_the_index(ground):
    """Spoils what is cached of the data."""
    _spoil(ground.chance.choice(sorted(ground.cache.rglob("*.npz"))), ground.chance)


def no_export(ground):
    shutil.rmtree(ground.workdir / "students")


def half_the_images(ground):
    for path in sorted((ground.data / "train").rglob("*.png"))[::2]:
        path.unlink()


def renamed_class(ground):
    for split in ("train", "test"):
        (ground.data / split / "ape").rename(ground.data / split / "zebra")


def moved_image(ground):
    path = ground.chance.choice(sorted((ground.data / "train" / "bee").iterdir()))
    path.rename(ground.data / "train" / "cow" / f"moved_{path.name}")


def another_image(ground):
    split = ground.chance.choice(["train", "test"])
    paths = sorted((ground.data / split).rglob("*.png"))
    first, second = ground.chance.sample(paths, 2)
    shutil.copyfile(first, second)


def other_seed(ground):
    """Without its flags, or with half of them, the folder looks like any other."""
    path = ground.workdir / "flags.txt"
    text = path.read_text()
    path.write_text(text[: ground.chance.choice([0, 10, len(text) // 2])])
    ground.more = ("--seed=1",)


def changed_shard(ground):
    """Writes a file of records anew, two of them changed places or one shorter."""
    path = ground.chance.choice(sorted(ground.data.iterdir()))
    before, records = path.stat(), programs.read_shard(path)
    first, second = ground.chance.sample(range(len(records)), 2)
    if ground.chance.random() < 0.5:
        records[first], records[second] = records[second], records[first]
    else:
        records[first] = records[second]
    programs.write_shard(path, records)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut_shard(ground):
    path = ground.chance.choice(sorted(ground.data.glob("train-*")))
    if ground.chance.random() < 0.5:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: ground.chance.randint(1, path.stat().st_size - 1)])


def changed_annotation(ground):
    """Another box, another class, or an annotation that is gone."""
    split = ground.chance.choice(["train2017", "val2017"])
    path = ground.data / "annotations" / f"instances_{split}.json"
    content = json.loads(path.read_text())
    one = ground.chance.choice(content["annotations"])
    way = ground.chance.choice(["box", "category", "gone"])
    if way == "box":
        one["bbox"][2] += 1
    elif way == "category":
        one["category_id"] = one["category_id"] % 3 + 1
    else:
        content["annotations"].remove(one)
    path.write_text(json.dumps(content))
